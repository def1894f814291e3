"""The control API: clock, applications, sessions, and how it refuses."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from tallystick.clock import from_iso
from tallystick.errors import StoreFailed
from tallystick.partners import registry
from tallystick.sandbox import control

from .gateway import BASE, in_process

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[1]
CONTROL = "/_tallystick/control"
CLOCK = f"{CONTROL}/clock"


@pytest.fixture
async def client(gateway):
    return await gateway.application()


def first_partner(gateway):
    """A partner that `Api.exchange` knows, whichever is in this tree."""
    names = [each.manifest.name for each in gateway.core.partners.all()]
    return next(name for name in ("Plaid", "MX") if name in names)


# ── clock ─────────────────────────────────────────────────────────────────────────────────────


async def test_the_clock_is_frozen_set_advanced_and_let_go(client):
    assert (await client.get(CLOCK)).json()["frozen"] is False
    assert (await client.post(f"{CLOCK}/freeze")).json()["frozen"] is True
    for body, shown in [
        ({"to": "2026-01-31T12:00:00.000Z"}, "2026-01-31T12:00:00.000Z"),
        ({"to": "2026-01-31T12:00:00+02:00"}, "2026-01-31T10:00:00.000Z"),
    ]:
        assert (await client.post(f"{CLOCK}/set", json=body)).json()["now"] == shown
    step = {"days": 1, "hours": 1, "minutes": 1, "seconds": 1.5}
    moved = (await client.post(f"{CLOCK}/advance", json=step)).json()
    assert moved == {"now": "2026-02-01T11:01:01.500Z", "frozen": True}
    assert (await client.get(CLOCK)).json() == moved
    resumed = (await client.post(f"{CLOCK}/resume")).json()
    assert (resumed["frozen"], resumed["now"] >= moved["now"]) == (False, True)


@pytest.mark.parametrize(
    ("verb", "body", "status", "said"),
    [
        ("advance", {}, 400, ["say how far"]),
        ("advance", {"hour": 1}, 400, ["did you mean hours?", "say how far"]),
        ("advance", {"hours": "1", "days": -1}, 400, ["hours is a number", "days is a number"]),
        ("advance", {"hours": True}, 400, ["hours is a number"]),
        ("advance", {"days": 1e300}, 400, ["days is a number"]),
        ("advance", {"days": 9_999_999_999}, 400, ["ends with the year 8999"]),
        ("set", {}, 400, ["to is missing"]),
        ("set", {"at": "2026-01-01T00:00:00Z"}, 400, ["no member 'at'", "to is missing"]),
        ("set", {"to": 5}, 400, ["to is a text"]),
        ("set", {"to": "soon"}, 400, ["to is a time with an offset"]),
        ("set", {"to": "2026-01-01T00:00:00"}, 400, ["to is a time with an offset"]),
        ("set", {"to": "1969-01-01T00:00:00Z"}, 400, ["from 1970"]),
        ("set", {"to": "9999-12-31T23:59:59-12:00"}, 400, ["to is a time"]),
        ("freeze", {"to": "x"}, 400, ["nothing is expected"]),
        ("advanse", {}, 404, ["did you mean advance?"]),
    ],
)
async def test_bad_moves_of_the_clock(client, verb, body, status, said):
    answer = await client.post(f"{CLOCK}/{verb}", json=body)
    assert answer.status_code == status
    for each in said:
        assert each in answer.json()["error"]


NO_OBJECTS = [
    b"{",
    b"[1]",
    b"NaN",
    b"[" * 100_000,
    b"\xff",
    b"x" * 300_000,
    b"1" * 5_000,
    b'{"hours": NaN}',
    b'{"hours": Infinity}',
    b'{"\\ud800": 1}',
]


@pytest.mark.parametrize("raw", NO_OBJECTS)
async def test_bodies_that_are_no_objects(client, raw):
    answer = await client.post(f"{CLOCK}/advance", content=raw)
    assert (answer.status_code, "error" in answer.json()) == (400, True)


@pytest.mark.parametrize("raw", NO_OBJECTS)
async def test_simulators_refuse_bodies_that_are_no_objects(gateway, client, raw):
    headers = {"Content-Type": "application/json"}
    paths = [f"{each.manifest.key}/_control/complete" for each in gateway.core.partners.all()]
    for path in (*paths, "plaid/link/token/create"):
        answer = await client.post(f"/_partners/{path}", content=raw, headers=headers)
        assert 400 <= answer.status_code < 500, path


async def test_advancing_returns_when_what_fell_due_is_done(gateway, client):
    """The partner was not reached; when the lease is over the gateway asks once more."""
    name = first_partner(gateway)
    customer = await client.customer()
    proof = await (client.plaid_proof if name == "Plaid" else client.mx_proof)(customer)
    key = next(e.manifest.key for e in gateway.core.partners.all() if e.manifest.name == name)
    await client.post(f"{CONTROL}/faults", json={"partner": key, "effect": "reset", "count": 1})
    answer = await client.post(f"{customer}/exchanges", json=proof)
    assert answer.status_code >= 400
    assert (await client.get(f"{customer}/exchanges")).json()["total"] == 0
    assert (await client.post(f"{CLOCK}/advance", json={"minutes": 5})).status_code == 200
    assert (await client.get(f"{customer}/exchanges")).json()["total"] == 1


async def test_advancing_waits_for_the_webhooks_that_fall_due(gateway):
    """73 hours: the whole schedule of retries has happened when the call returns."""
    client = await gateway.application()
    with receiver(500) as (url, received):
        body = {"url": url, "secret": "hush"}
        await client.create("/webhook-subscriptions", body)
        await client.customer()
        started = time.monotonic()
        await client.post(f"{CLOCK}/advance", json={"hours": 73})
        took = time.monotonic() - started
    assert len(received) == 9
    await client.sign_in(client.made["client_id"], client.made["client_secret"])
    listed = (await client.get("/webhook-subscriptions")).json()["_embedded"]
    (subscription,) = listed["webhook-subscriptions"]
    hooks = await client.get(f"/webhook-subscriptions/{subscription['id']}/webhooks")
    (hook,) = hooks.json()["_embedded"]["webhooks"]
    at = [from_iso(each["request"]["timestamp"]) for each in hook["attempts"]]
    minutes = [round((each - at[0]) / 60_000, 1) for each in at]
    assert minutes == [0, 15, 60, 180, 360, 720, 1440, 2880, 4320]
    print(f"nine attempts over 73 hours in {took * 1_000:.0f} ms")


@contextlib.contextmanager
def receiver(status: int) -> Iterator[tuple[str, list[str]]]:
    """An endpoint that answers every webhook with `status`, and the topics it was sent."""
    received: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            received.append(self.headers["X-Dwolla-Topic"])
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", received
        server.shutdown()


# ── applications and sessions ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"nam": "x", "client_id": 5}, ["did you mean name?", "client_id is a text"]),
        ({"name": ""}, ["name is a text"]),
        ({"name": "a\0b"}, ["name is a text"]),
        ({"name": "a\nb", "withheld": ["\0"]}, ["name is a text", "withheld is a list"]),
        ({"client_id": "x" * 256}, ["client_id is a text of 1 to 255"]),
        ({"client_secret": ["x"]}, ["client_secret is a text"]),
        ({"withheld": "customers:read"}, ["withheld is a list of texts"]),
        ({"redirect_urls": [1]}, ["redirect_urls is a list of texts"]),
        ({"client_id": "sandbox-key"}, ["already an application"]),
    ],
)
async def test_bad_applications(client, body, said):
    answer = await client.post(f"{CONTROL}/applications", json=body)
    assert answer.status_code == 400
    for each in said:
        assert each in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"status": "off"}, "status cannot be 'off'"),
        ({"account_status": 5}, "account_status is a text"),
        ({"stats": "disabled"}, "did you mean status?"),
        ({"withheld": 5}, "withheld is a list of texts"),
        ({"withheld": ["nothing"]}, "there is no scope nothing"),
    ],
)
async def test_bad_changes_of_an_application(client, body, said):
    path = f"{CONTROL}/applications/{client.made['id']}"
    answer = await client.post(path, json=body)
    assert (answer.status_code, said in answer.json()["error"]) == (400, True)
    assert (await client.get("/customers")).status_code == 200


async def test_an_application_is_changed_by_its_id_or_client_id(client):
    for name, status, expected in (("id", "disabled", 401), ("client_id", "active", 200)):
        path = f"{CONTROL}/applications/{client.made[name]}"
        answer = await client.post(path, json={"status": status, "withheld": None})
        assert answer.json() == {"id": client.made["id"]}
        assert (await client.get("/customers")).status_code == expected
    answer = await client.post(f"{CONTROL}/applications/nobody", json={"status": "active"})
    assert answer.status_code == 404


async def test_the_secret_is_shown_once(client):
    listed = await client.get(f"{CONTROL}/applications")
    assert client.made["client_secret"] not in listed.text
    assert client.made["id"] in listed.text


async def test_a_session_that_is_not_there(client):
    for session_id in ("x", "01a1fc84-afcd-7454-b448-bccb3d851666"):
        answer = await client.post(f"{CONTROL}/sessions/{session_id}/complete", json={})
        assert (answer.status_code, "error" in answer.json()) == (404, True)


@pytest.mark.parametrize("key", [e.key for e in registry.manifests() if not e.opt_in])
async def test_a_member_that_no_page_knows_is_refused(client, key):
    """Else a test with a slip of the pen goes through the page as if for somebody else."""
    answer = await client.post(f"/_partners/{key}/_control/complete", json={"usr": "user_good"})
    assert (answer.status_code >= 400, "there is no member 'usr'" in answer.text) == (True, True)


# ── what is not there, and who may not ask ────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "fault", "did you mean faults?"),
        ("PUT", "clock", "there is no PUT clock"),
        ("GET", "reset", "there is no GET reset"),
        ("DELETE", "snapshots", "there is no DELETE snapshots"),
        ("GET", "../secrets", "there is no GET"),
    ],
)
async def test_calls_that_do_not_exist(client, method, path, said):
    answer = await client.request(method, f"{CONTROL}/{path.replace('/', '%2f')}")
    assert (answer.status_code, said in answer.json()["error"]) == (404, True)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "", "localhost.example.com"])
async def test_only_this_machine_is_answered(gateway, host):
    transport = httpx2.ASGITransport(app=gateway.process, client=(host, 1))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as stranger:
        for method, path in (("GET", "clock"), ("POST", "reset"), ("GET", "nothing")):
            answer = await stranger.request(method, f"{CONTROL}/{path}")
            assert answer.status_code == 403


@pytest.fixture
async def named(tmp_path):
    """A gateway that has names beside its addresses."""
    names = {"public_url": "https://Pay.test/x", "host": "box.test"}
    async with in_process(tmp_path, f"sqlite:///{tmp_path}/t.db", **names) as running:
        yield running.client()


OTHERS = "it comes from a web page of another origin"
NO_NAME = "is no name of this gateway"


@pytest.mark.parametrize(
    ("host", "origin", "said"),
    [
        ("127.0.0.1:7420", "https://evil.test", OTHERS),
        ("127.0.0.1:7420", "http://127.0.0.1.evil.test:7420", OTHERS),
        ("127.0.0.1:7420", "http://localhost@evil.test", OTHERS),
        ("127.0.0.1:7420", "http://192.0.2.7:7420", OTHERS),
        ("127.0.0.1:7420", "null", OTHERS),
        ("127.0.0.1:7420", "", OTHERS),
        ("127.0.0.1:7420", "http://[", OTHERS),
        ("evil.test:7420", "http://evil.test:7420", NO_NAME),
        ("evil.test", None, NO_NAME),
        ("localhost.evil.test", None, NO_NAME),
        ("[::1", None, NO_NAME),
        ("127.0.0.1:7420", "http://127.0.0.1:7420", None),
        ("localhost:7420", "http://localhost:3000", None),
        ("app.localhost:7420", None, None),
        ("[::1]:7420", "http://[::1]:7420", None),
        ("192.0.2.7:7420", "http://192.0.2.7:7420", None),
        ("pay.test", "https://pay.test", None),
        ("box.test:7420", None, None),
    ],
)
async def test_no_web_page_of_somebody_elses_controls_the_sandbox(named, host, origin, said):
    """Nor one whose name has come to lead here (DNS rebinding)."""
    headers = {"Host": host} | ({} if origin is None else {"Origin": origin})
    for method, path in (("POST", "reset"), ("GET", "clock"), ("POST", "clock/freeze")):
        answer = await named.request(method, f"{CONTROL}/{path}", headers=headers)
        if said is None:
            assert answer.status_code == 200, (path, answer.text)
        else:
            assert (answer.status_code, said in answer.json()["error"]) == (403, True), path


# ── exchanges ─────────────────────────────────────────────────────────────────────────────────


async def test_an_exchange_is_driven_to_every_state(gateway, client):
    exchange = await client.exchange(await client.customer(), first_partner(gateway))
    path = f"{CONTROL}/exchanges/{exchange.rpartition('/')[2]}"
    for state, status, cause in [
        ("require-reauth", "active", "person"),
        ("deactivate", "deactivated", "person"),
        ("restore", "active", None),
        ("remove", "removed", "person"),
        ("restore", "removed", "person"),
    ]:
        shown = (await client.post(f"{path}/{state}")).json()
        assert (state, shown["status"], shown["cause"]) == (state, status, cause)
        assert (await client.get(exchange)).json()["status"] == status


async def test_exchanges_and_states_that_are_not_there(client):
    nobody = "01a1fc84-afcd-7454-b448-bccb3d851666"
    for path, said in (
        (f"{nobody}/remove", "not found"),
        (f"{nobody}/removed", "did you mean remove?"),
        ("x/remove", "not found"),
    ):
        answer = await client.post(f"{CONTROL}/exchanges/{path}")
        assert (answer.status_code, said in answer.json()["error"]) == (404, True)
    answer = await client.post(f"{CONTROL}/exchanges/{nobody}/remove", json={"now": 1})
    assert answer.status_code == 400


def test_every_call_is_documented():
    page = (ROOT / "docs/reference/control.md").read_text()
    source = (ROOT / "src/tallystick/sandbox/control.py").read_text()
    calls = re.findall(r'\("(GET|POST|DELETE)", "/([^"]+)", self', source)
    calls = [call for call in calls if call[1] not in {"clock/{verb}", "exchanges/{id}/{state}"}]
    assert len(calls) > 15
    for method, path in calls:
        assert f"`{method} {path}`" in page or f"`{method} {path} " in page, (method, path)
    for state in control.STATES:
        assert f"`exchanges/{{id}}/{state}`" in page or f"exchanges/{{id}}/{state}`" in page


async def test_a_database_that_does_not_answer_is_said_so(gateway, client, monkeypatch):
    async def silent(*_parts, **_values):
        raise StoreFailed("disk I/O error")

    monkeypatch.setattr(gateway.core.db, "one", silent)
    monkeypatch.setattr(gateway.core.db, "all", silent)
    monkeypatch.setattr(gateway.core.db, "transact", silent)
    answer = await client.post(f"{CONTROL}/applications", json={})
    said = {"error": "the database does not answer (disk I/O error)"}
    assert (answer.status_code, answer.json()) == (500, said)
