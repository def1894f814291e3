"""Wrong values in every place: the connector answers with a PartnerError, the simulator with 4xx."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tallystick.clock import VirtualClock
from tallystick.partners.checkout.connector import Connector
from tallystick.partners.checkout.proof import CheckoutPayment
from tallystick.partners.checkout.settings import CheckoutSettings
from tallystick.partners.checkout.tests.checkout_world import SESSION, World
from tallystick.partners.contract import Grant, SessionRequest
from tallystick.partners.errors import PartnerError
from tallystick.partners.http import PartnerHttp
from tallystick.secret import Secret

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
PAYMENT = "pay_mbabizu24mvu3mela5njyhpit4"
HELD = {"payment_id": PAYMENT, "instrument_id": "src_nwd3m4in3hkuddfpjsaevunhdy"}
GRANT = Grant(Secret(json.dumps(HELD)), PAYMENT)

ABSENT = object()
VALUES: list[Any] = [
    ABSENT, None, True, 0, -1, 1.5, 10**40, "", "x", "\x00", "é" * 300, "x" * 5000, [], {}, [[]], {"a": 1},
]  # fmt: skip
# What JSON has no value for in Python, written into the text.
LITERALS = ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, '"\\ud800"', "[" * 500 + "]" * 500]

CALLS = {
    "create_session": lambda connector: connector.start_session(SessionRequest("p")),
    "read_payment": lambda connector: connector.redeem(CheckoutPayment(PAYMENT)),
    "read_instrument": lambda connector: connector.read_card(GRANT),
    "read_card_metadata": lambda connector: connector.read_card(GRANT),
}


@pytest.fixture
def anyio_backend():
    return "asyncio"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a JSON value, the whole included."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()  # fmt: skip
    for name, each in inner:
        yield from places(each, (*path, name))


def with_lie(whole: Any, path: tuple[Any, ...], lie: Any) -> Any:
    if not path:
        return None if lie is ABSENT else lie
    changed = copy.deepcopy(whole)
    at = changed
    for name in path[:-1]:
        at = at[name]
    if lie is ABSENT:
        del at[path[-1]]
    else:
        at[path[-1]] = lie
    return changed


def lies(whole: Any) -> Iterator[bytes]:
    for path in places(whole):
        for lie in VALUES:
            yield json.dumps(with_lie(whole, path, lie)).encode()
        for literal in LITERALS:
            marked = json.dumps(with_lie(whole, path, "LITERAL"))
            yield marked.replace('"LITERAL"', literal).encode()


def answer_of(name: str) -> Any:
    return json.loads((TRANSCRIPTS / f"{name}.json").read_text())["response"]["json"]


@pytest.mark.anyio
@pytest.mark.parametrize("name", CALLS)
async def test_the_connector_believes_no_lie(name):
    """Without the registry's guard: the connector itself raises nothing else."""
    told: list[bytes] = [b""]

    def answer(request: httpx2.Request) -> httpx2.Response:
        raw = told[0]
        if name == "read_card_metadata" and request.method == "GET":
            silent = {k: v for k, v in answer_of("read_instrument").items() if k != "card_type"}
            raw = json.dumps(silent).encode()
        return httpx2.Response(200, stream=httpx2.ByteStream(raw))

    http = PartnerHttp("https://api.example", transport=httpx2.MockTransport(answer))
    connector = Connector(CheckoutSettings(base_url="x", secret_key="k"), http, VirtualClock())
    refused = []
    for told[0] in lies(answer_of(name)):
        try:
            await CALLS[name](connector)
        except PartnerError as error:
            refused.append(str(error))
    await http.close()
    assert len(refused) > 100
    assert max(map(len, refused)) < 100  # a code, and nothing of the answer


CARD = {"type": "card", "number": "4024764449971519", "expiry_month": 12, "expiry_year": 2035, "cvv": "100", "name": "Jane"}  # fmt: skip
WORKFLOW = {"name": "n", "active": True, "conditions": [{"type": "event", "events": {"gateway": ["card_verified"]}}], "actions": [{"type": "webhook", "url": "https://x.example/", "headers": {"A": "b"}, "signature": {"method": "HMACSHA256", "key": "k"}}]}  # fmt: skip
FULL_SESSION = {**SESSION, "payment_type": "Regular", "capture": True, "locale": "en", "expires_on": "2090-01-01T00:00:00Z", "metadata": {"a": "b"}, "customer": {"email": "a@b.example"}, "3ds": {"enabled": False}, "enabled_payment_methods": ["card"], "display_name": "n"}  # fmt: skip


def bodies(world: World) -> dict[tuple[str, str], dict[str, Any]]:
    """A good body for every call that takes one."""
    session = world.session()
    token = world.token().json()["token"]
    paid = world.call("GET", f"/payments/{world.paid()['id']}").json()
    pay = {"type": "card", "payment_session_secret": session["payment_session_secret"], "token": token}  # fmt: skip
    instrument = {"type": "card", "expiry_month": 1, "expiry_year": 2040, "name": "J", "account_holder": {"first_name": "J"}}  # fmt: skip
    return {
        ("POST", "/payment-sessions"): FULL_SESSION,
        ("POST", "/tokens"): CARD,
        ("POST", f"/payment-sessions/{session['id']}/pay"): pay,
        ("POST", "/instruments"): {"type": "token", "token": token, "account_holder": {}},
        ("PATCH", f"/instruments/{paid['source']['id']}"): instrument,
        ("POST", "/metadata/card"): {"source": {"type": "bin", "bin": "402476"}, "format": "basic"},
        ("POST", "/workflows"): WORKFLOW,
        ("POST", "/_control/complete"): {
            "handle": session["id"],
            "card": CARD["number"],
            "expiry_month": 12,
            "expiry_year": 2035,
            "cvv": "100",
            "name": "J",
        },
    }


def test_the_simulator_has_no_5xx(world):
    headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
    statuses: set[int] = set()
    with httpx2.Client(base_url=world.base_url, headers=headers, trust_env=False) as client:
        for (method, path), body in bodies(world).items():
            for lie in lies(body):
                answer = client.request(method, path, content=lie)
                statuses.add(answer.status_code)
                assert answer.status_code < 500, (path, lie[:300])
                if answer.content:
                    json.loads(answer.content)
            world.call("DELETE", "/workflows/none")
    assert {200, 201, 400, 422} <= statuses
    # What was let in can be shown again.
    for kind in ("payment", "instrument"):
        for document in world.kit.shelf.all(kind):
            assert world.call("GET", f"/{kind}s/{document['id']}").status_code == 200
