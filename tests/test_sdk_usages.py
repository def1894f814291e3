"""The usages work as written, are typed throughout, and their opposites are refused."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick import AsyncClient, Client, LinkNotCompletedError, ServerError
from tallystick.flow import Http, Reference
from tallystick.sdk import linking
from tallystick.sdk.results import Created

from . import usages
from .requirements import ROOT
from .sdk_operations import anything
from .sdk_world import BASE, CUSTOMER, ID, Recorder, answer, customer, error

USAGES = ROOT / "tests" / "usages.py"
WRONG = ROOT / "tests" / "wrong_usages.py"


def checked(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def mypy(tmp_path_factory) -> str:
    """What mypy, strict, says of both files; it sees the package as its users do."""
    cache = str(tmp_path_factory.mktemp("mypy"))
    run = checked(
        "mypy", "--strict", "--no-error-summary", "--warn-unreachable", "--cache-dir", cache,
        "--exclude", "^$", str(USAGES), str(WRONG),
    )  # fmt: skip
    assert run.returncode in (0, 1), run.stderr
    return run.stdout


def marked() -> set[int]:
    return {n for n, line in enumerate(WRONG.read_text().splitlines(), 1) if "  # refused" in line}


def lines_with_errors(output: str, file: Path) -> set[int]:
    told = re.compile(rf"(?:.*/)?{re.escape(file.name)}:(\d+):(?:\d+:)? error\b")
    return {int(m[1]) for line in output.splitlines() if (m := told.match(line))}


def test_the_usages_are_typed(mypy):
    assert not lines_with_errors(mypy, USAGES), mypy


def test_every_mistake_is_refused(mypy):
    assert lines_with_errors(mypy, WRONG) == marked(), mypy


def test_pyright_agrees(tmp_path):
    """The usages are clean in its strict mode too, and it refuses the same lines."""
    for file in (USAGES, WRONG):
        shutil.copy(file, tmp_path)
    config = tmp_path / "pyrightconfig.json"
    config.write_text(
        json.dumps({
            "extraPaths": [str(ROOT / "src")],
            "pythonVersion": "3.11",
            "typeCheckingMode": "strict",
            # After an error the type of the rest is unknown.
            "reportUnknownMemberType": False,
            "reportUnknownVariableType": False,
            "reportUnknownArgumentType": False,
        })
    )  # fmt: skip
    run = checked("pyright", "--outputjson", "-p", str(config), "--pythonpath", sys.executable)
    if not run.stdout.startswith("{"):
        pytest.skip("pyright cannot run here")
    told = json.loads(run.stdout)["generalDiagnostics"]
    errors = {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1)
        for each in told
        if each["severity"] == "error"
    }
    wanted = {(WRONG.name, n) for n in marked()}
    assert errors == wanted, told


def test_ty_agrees():
    """The usages are clean for it, and it refuses the same lines."""
    run = checked("ty", "check", "--output-format", "concise", str(USAGES), str(WRONG))
    assert run.returncode in (0, 1), run.stderr
    assert not lines_with_errors(run.stdout, USAGES), run.stdout
    assert lines_with_errors(run.stdout, WRONG) == marked(), run.stdout


# ── they run ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def client():
    with Recorder(anything).client() as client:
        yield client


def exchange(client: Client) -> Created:
    made: Reference = client.exchanges.create_customer_exchange(
        ID, exchange_partner="plaid", token="t"
    )
    assert isinstance(made.http, Http)
    return made


def test_connect_and_hooks(monkeypatch):
    monkeypatch.delenv("TALLYSTICK_URL", raising=False)
    for client in [*usages.usage_01_connect(), *usages.usage_19_hooks_and_your_own_http_client([])]:
        client.close()


def test_async():
    asyncio.run(usages.usage_02_async_is_the_same_with_await(Recorder(anything).async_client(), ID))


def test_sessions(client):
    usages.usage_03_partners(client)
    usages.usage_04_session(client, client.customers.get(ID))
    usages.usage_05_session_on_a_phone(client, CUSTOMER)
    usages.usage_06_what_the_device_needs(client, ID)


def test_linking(client):
    session: dict = {}
    usages.usage_08_across_two_requests(client, ID, session)
    usages.usage_09_one_of_the_shared_accounts(client, ID)
    usages.usage_10_one_proof_for_each_partner(client, ID)
    usages.usage_11_funding_source(client, ID, exchange(client))


def test_the_whole_thing_waits_for_the_exchange():
    """The exchange that somebody else made in the meantime is found."""
    seen = []

    def server(request):
        response = anything(request)
        if request.method == "GET" and request.url.path == f"/customers/{ID}/exchanges":
            seen.append(request)
            listed = [
                {"id": f"new-{ID}", "status": "active", "created": "",
                 "_links": {"exchange-partner": {"href": f"{BASE}/exchange-partners/{ID}"}}}
            ]  # fmt: skip
            found = listed if len(seen) > 1 else []
            return answer({"_links": {}, "_embedded": {"exchanges": found}, "total": len(found)})
        return response

    with Recorder(server).client() as client:
        usages.usage_07_the_whole_thing(client, ID)
    assert len(seen) == 2


def test_waiting_outlasts_an_outage_and_says_what_it_was(monkeypatch):
    monkeypatch.setattr(linking, "POLL_S", 0.01)
    down = []

    def server(request):
        if request.method == "GET" and request.url.path == f"/customers/{ID}/exchanges":
            down.append(request)
            if len(down) > 1:
                return error(503, "ServerError")
        return anything(request)

    with Recorder(server).client(max_retries=0) as client:
        waiting = client.link_bank_account(ID, partner="plaid")
        with pytest.raises(LinkNotCompletedError) as caught:
            waiting.wait(timeout=1)
    assert isinstance(caught.value.__cause__, ServerError)
    assert len(down) > 3


def test_re_authentication():
    def server(request):
        if request.url.path.endswith("/balance"):
            about = {"about": {"href": f"{BASE}/exchanges/{ID}/exchange-sessions"}}
            return error(400, "UpdateCredentials", _links=about)
        return anything(request)

    recorder = Recorder(server)
    with recorder.client() as client:
        usages.usage_12_re_authentication(client, ID, client.exchanges.get_exchange(ID))
    assert [each.url.path for each in recorder.sent][-2] == f"/exchanges/{ID}/exchange-sessions"


def test_pages_errors_and_options(client):
    usages.usage_13_pages(client)
    usages.usage_15_patience_for_each_call(client, ID, "order-7")
    usages.usage_18_raw_responses(client, ID)
    usages.usage_20_functions_that_do_not_raise(client, ID)
    form: dict[str, str] = {}
    embedded = {"errors": [{"code": "Required", "message": "Token is required.", "path": "/token"}]}

    def server(request):
        if request.method == "POST":
            return error(400, "validationError", _embedded=embedded)
        return anything(request)

    with Recorder(server).client() as other:
        usages.usage_14_errors(other, ID, form)
    assert form == {"/token": "Token is required."}


class Sent:
    def __init__(self, body: bytes, secret: str) -> None:
        self._body = body
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        self.headers = {"X-Request-Signature-SHA-256": signature}

    async def body(self) -> bytes:
        return self._body


def test_webhooks(client):
    usages.usage_17_redelivery(client)
    event = {
        "_links": {"resource": {"href": CUSTOMER}},
        "id": ID,
        "created": "",
        "topic": "customer_funding_source_verified",
        "resourceId": ID,
    }
    body = json.dumps(event).encode()
    with Recorder(answer(customer())).client() as other:
        done = asyncio.run(usages.usage_16_webhook(other, Sent(body, "old"), "new", "old"))
    assert done == CUSTOMER


def test_the_async_client_unwraps_without_await():
    async def main():
        async with AsyncClient() as client:
            body = json.dumps({"id": ID, "topic": "t"}).encode()
            return client.webhooks.unwrap(body, Sent(body, "s").headers, secret="s")

    assert asyncio.run(main()).topic == "t"
