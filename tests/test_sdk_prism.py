"""The SDK's requests are all valid by Dwolla's OpenAPI document, and Prism is the judge.

Prism knows nothing of us. It stands beside, not between: every request that the SDK makes is given
to it, and then answered by a server that has everything, so that an operation of several requests
goes on to its end.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from .gateway import free_port
from .requirements import ROOT, missing, spec
from .sdk_operations import CALLS, anything
from .sdk_world import BASE, HAL, ID, Recorder

PRISM = ROOT / "tests" / "node" / "prism" / "node_modules" / ".bin" / "prism"
# Mended in the copy that Prism reads. It has no validator for OpenAPI's own dialect of JSON Schema,
# and without one lets every body pass. POST /token names a scheme that is defined nowhere. And of the
# kinds of bodies that an update may have, `{"status": …}` is three, so that none is exactly one.
MENDED = {
    "https://spec.openapis.org/oas/3.1/dialect/base": "https://json-schema.org/draft/2020-12/schema",
    "\n  securitySchemes:\n": (
        "\n  securitySchemes:\n    basicAuth:\n      scheme: basic\n      type: http\n"
    ),
    "\n              oneOf:\n": "\n              anyOf:\n",
}
# Where the document contradicts what Dwolla says elsewhere (contract 6.2, 6.3), what Prism then says.
DISPUTED = {
    "customers.list_customers": "parameter status must be string",  # may be repeated
    # From an exchange there are no numbers.
    "funding_sources.create_funding_source": "must have required property 'accountNumber'",
}
# Addresses that the document does not have are what these three are for.
UNDOCUMENTED = ("get", "post", "delete")

pytestmark = [pytest.mark.node, pytest.mark.xdist_group("prism")]


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    document = spec("dwolla-openapi.yml")
    if not PRISM.exists() or not shutil.which("node"):
        missing("Prism (make prism installs it)")
    copy = Path(tmp_path_factory.mktemp("prism")) / document.name
    text = document.read_text()
    for wrong, right in MENDED.items():
        assert wrong in text
        text = text.replace(wrong, right)
    copy.write_text(text)
    port = free_port()
    process = subprocess.Popen(
        [PRISM, "mock", "--errors", "--port", str(port), "--verboseLevel", "fatal", copy],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            deadline = time.monotonic() + 90
            while time.monotonic() < deadline and process.poll() is None:
                with contextlib.suppress(httpx2.HTTPError):
                    client.get("/")
                    break
                time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait(20)


def faults(prism: httpx2.Client, request: httpx2.Request) -> str:
    """What Prism has against a request; empty when it has nothing.

    Where the document has an answer for what is wrong, Prism gives that one and keeps the reasons
    in a header.
    """
    target = request.url.raw_path.decode()
    answer = prism.request(
        request.method, target, headers=request.headers, content=request.content, timeout=60
    )
    told = answer.headers.get("sl-violations", "")
    of_request = [each for each in json.loads(told or "[]") if each["location"][0] == "request"]
    if of_request or answer.is_error:
        return f"{request.method} {target}: {answer.status_code} {told or answer.text}"
    return ""


@pytest.mark.parametrize("name", [each for each in CALLS if each not in UNDOCUMENTED])
def test_every_request_is_valid(prism: httpx2.Client, name: str):
    recorder = Recorder(anything)
    with recorder.client() as client:
        CALLS[name](client)
    assert recorder.sent
    dwollas = [each for each in recorder.sent if not each.url.path.startswith("/_tallystick/")]
    told = [faults(prism, each) for each in (*recorder.token_requests[:1], *dwollas)]
    told = [each for each in told if each]
    if name in DISPUTED:
        [only] = told
        assert DISPUTED[name] in only
    else:
        assert not told


def seeded(method: str, path: str, body: object = None, **headers: str) -> httpx2.Request:
    sent = {"accept": HAL, "authorization": "Bearer t", "content-type": HAL, **headers}
    return httpx2.Request(method, f"{BASE}{path}", headers=sent, json=body)


@pytest.mark.parametrize(
    "wrong",
    [
        seeded("GET", f"/exchanges/{ID}", accept="text/html"),
        seeded("GET", f"/exchanges/{ID}", authorization=""),
        seeded("GET", f"/exchange/{ID}"),
        seeded("DELETE", f"/exchanges/{ID}"),
        seeded("GET", "/customers?limit=many"),
        seeded("POST", f"/customers/{ID}/exchange-sessions", {"_links": {"exchange-partner": "x"}}),
        seeded("POST", f"/customers/{ID}/exchanges", {"plaid": {"publicToken": "t"}}),
        seeded("POST", f"/webhook-subscriptions/{ID}", {"paused": "yes"}),
        seeded("POST", "/webhook-subscriptions", {"url": "http://localhost"}),
        seeded("POST", "/customers", {"firstName": "Ada"}),
    ],
    ids=lambda request: f"{request.method} {request.url.path}",
)
def test_a_seeded_mistake_is_found(prism: httpx2.Client, wrong: httpx2.Request):
    assert faults(prism, wrong)
