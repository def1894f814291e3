"""Fault rules: what goes wrong, when, for whom, and how a bad rule is refused."""

from __future__ import annotations

import asyncio
import contextlib

import httpx2
import pytest

from tallystick.hal import MEDIA_TYPE
from tallystick.sandbox.faults import RULES_MAX

from .fault_rules import FAULTS, add, fired, seconds, until_fired

pytestmark = pytest.mark.anyio

ADA = {"firstName": "Ada", "lastName": "Byron"}


@pytest.fixture
async def client(gateway):
    return await gateway.application()


async def statuses(client, path, times):
    return [(await client.get(path)).status_code for _ in range(times)]


# ── calls of the API ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rule", "status", "code"),
    [
        ({"status": 400}, 400, "BadRequest"),
        ({"status": 401}, 401, "InvalidAccessToken"),
        ({"status": 403}, 403, "forbidden"),
        ({"status": 404}, 404, "notFound"),
        ({"status": 429}, 429, "TooManyRequests"),
        ({"status": 500}, 500, "ServerError"),
        ({"code": "ExpiredAccessToken"}, 401, "ExpiredAccessToken"),
        ({"code": "InvalidExchangeToken"}, 400, "InvalidExchangeToken"),
        ({"code": "InvalidExchangeToken", "status": 401}, 401, "InvalidExchangeToken"),
        ({"code": "RequestTimeout"}, 500, "RequestTimeout"),
        ({"code": "UpdateCredentials", "latency_ms": 1}, 400, "UpdateCredentials"),
    ],
)
async def test_errors_of_the_contract(client, rule, status, code):
    await add(client, **rule)
    answer = await client.get("/customers")
    body = answer.json()
    assert (answer.status_code, body["code"], "message" in body) == (status, code, True)
    assert answer.headers["content-type"].startswith("application/vnd.dwolla.v1.hal+json")
    assert len(answer.headers["x-request-id"]) == 36


async def test_a_message_of_ones_own_and_the_codes_spelling(client):
    await add(client, code="NotFound", message="Gone fishing.", path="/customers/*/exchanges")
    answer = await client.post(f"/customers/{'0' * 8}-0000-4000-8000-{'0' * 12}/exchanges", json={})
    assert answer.json()["message"] == "Gone fishing."
    assert answer.json()["code"] in {"NotFound", "notFound"}


async def test_the_token_endpoint_says_error(gateway):
    client = gateway.client()
    await add(client, path="/token", status=401, count=1)
    await add(client, path="/token", status=500, nth=2)
    auth, form = ("sandbox-key", "sandbox-secret"), {"grant_type": "client_credentials"}
    answers = [await client.post("/token", auth=auth, data=form) for _ in range(3)]
    assert [each.json().get("error") for each in answers] == [
        "invalid_client",
        "temporarily_unavailable",
        None,
    ]


async def test_latency_is_real_time(client):
    await add(client, latency_ms=120)
    answer, took = await seconds(client.get("/customers"))
    assert (answer.status_code, took > 0.115) == (200, True)


async def test_who_waits_is_let_go_with_the_rule(client):
    await add(client, latency_ms=600_000)
    call = asyncio.create_task(client.get("/customers"))
    await until_fired(client)
    assert not call.done()
    await client.post("/_tallystick/control/reset")
    assert (await call).status_code == 401


async def test_a_reset_connection(client):
    await add(client, effect="reset", count=1)
    with pytest.raises(httpx2.ReadError):
        await client.get("/customers")
    assert (await client.get("/customers")).status_code == 200


async def test_a_call_that_hangs_until_its_rule_is_gone(client):
    rule = await add(client, effect="hang")
    call = asyncio.create_task(client.get("/customers"))
    await until_fired(client)
    assert not call.done()
    await client.delete(f"{FAULTS}/{rule['id']}")
    with pytest.raises(httpx2.ReadError):
        await call


async def test_a_lost_answer_leaves_what_was_done(client):
    """The very thing that an Idempotency-Key is for."""
    await add(client, method="POST", path="/customers", effect="answer_lost", count=1)
    body = {**ADA, "email": "lost@example.com"}
    headers = {"Idempotency-Key": "once"}
    with pytest.raises(httpx2.ReadError):
        await client.post("/customers", json=body, headers=headers)
    assert (await client.get("/customers")).json()["total"] == 1
    again = await client.post("/customers", json=body, headers=headers)
    assert (again.status_code, (await client.get("/customers")).json()["total"]) == (201, 1)


# ── when and for whom ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rule", "path", "hit"),
    [
        ({}, "/customers", True),
        ({"method": "get"}, "/customers", True),
        ({"method": "POST"}, "/customers", False),
        ({"path": "/customers"}, "/customers?limit=1", True),
        ({"path": "/customers"}, "/customers/x", False),
        ({"path": "/customers/*"}, "/customers/x", True),
        ({"path": "/customers/*"}, "/customers/x/exchanges", False),
        ({"path": "/customers/**"}, "/customers/x/exchanges", True),
        ({"path": "/*/x/*"}, "/customers/x/exchanges", True),
        ({"path": "/cust.mers"}, "/customers", False),
        ({"path": "/c*t*m*s"}, "/customers", True),
        ({"path": "/c*t*z*s"}, "/customers", False),
        ({"path": "/*s"}, "/customers", True),
        ({"path": "/**"}, "/customers/x/exchanges", True),
        ({"path": "/" + "a*" * 200 + "b"}, "/" + "a" * 5_000, False),
        ({"partner": "plaid"}, "/customers", False),
    ],
)
async def test_what_a_rule_matches(gateway, client, rule, path, hit):
    if rule.get("partner") and not any(
        each.manifest.key == rule["partner"] for each in gateway.core.partners.all()
    ):
        pytest.skip("Plaid is not in this tree")
    await add(client, **rule, status=429)
    assert ((await client.get(path)).status_code == 429) is hit


async def test_health_and_controls_never_fail(client):
    await add(client, status=500)
    for path in ("/_tallystick/health/ready", "/_tallystick/control/clock", FAULTS):
        assert (await client.get(path)).status_code == 200


async def test_the_nth_call_and_how_often(client):
    await add(client, nth=3, status=404)
    await add(client, count=2, status=429)
    assert await statuses(client, "/customers", 5) == [429, 429, 404, 200, 200]
    assert await fired(client) == [(5, 1), (5, 2)]


async def test_probability_repeats_with_its_seed(client):
    runs = []
    for _ in range(2):
        await add(client, probability=0.4, seed=7, status=429)
        runs.append(await statuses(client, "/customers", 20))
        await client.delete(FAULTS)
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 429}
    await add(client, probability=0, status=429)
    assert set(await statuses(client, "/customers", 5)) == {200}


async def test_one_application_by_id_or_client_id(gateway, client):
    other = await gateway.application()
    for name in ("id", "client_id"):
        rule = await add(client, application=client.made[name], status=429)
        assert rule["application"] == client.made["id"]
        assert (await other.get("/customers")).status_code == 200
        assert (await client.get("/customers")).status_code == 429
        await client.delete(FAULTS)


async def test_list_remove_and_clear(client):
    first, second = await add(client, status=429, nth=9), await add(client, effect="reset", nth=9)
    assert second == {"id": second["id"], "effect": "reset", "nth": 9, "seen": 0, "fired": 0}
    assert (await client.get(FAULTS)).json() == {"faults": [first, second]}
    assert (await client.delete(f"{FAULTS}/{first['id']}")).json() == first
    assert (await client.delete(f"{FAULTS}/{first['id']}")).status_code == 404
    assert (await client.delete(FAULTS)).json() == {"removed": 1}
    assert (await client.get(FAULTS)).json() == {"faults": []}


# ── refusals ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, ["say what happens"]),
        ({"statuss": 500}, ["'statuss' (did you mean status?)", "say what happens"]),
        ({"status": 299}, ["no error with status 299"]),
        ({"status": True}, ["status is a whole number"]),
        ({"status": "500"}, ["status is a whole number"]),
        ({"status": 404, "code": "TooManyRequests"}, ["has the status 429, not 404"]),
        ({"code": "TooManyRequest"}, ["did you mean TooManyRequests?"]),
        ({"effect": "resett"}, ["did you mean reset?"]),
        ({"effect": "reset", "status": 500}, ["one end"]),
        ({"effect": "slow_body"}, ["for calls to a partner"]),
        ({"effect": "reset", "message": "x"}, ["message is for an error"]),
        ({"status": 500, "body": {}}, ["body is for calls to a partner"]),
        ({"status": 500, "method": "FETCH"}, ["method is one of"]),
        ({"status": 500, "path": "customers"}, ["path starts with a slash"]),
        ({"status": 500, "path": ["/"]}, ["path is a text"]),
        ({"status": 500, "path": "/**/x"}, ["** is the last segment"]),
        ({"status": 500, "path": "/x**"}, ["** is the last segment"]),
        ({"status": 500, "path": "/" + "x" * 600}, ["path is a text of 1 to 500"]),
        ({"status": 500, "application": "nobody"}, ["no application 'nobody'"]),
        ({"status": 500, "partner": "plad"}, ["partner cannot be 'plad'"]),
        ({"status": 500, "nth": 0, "count": -1}, ["nth is a whole", "count is a whole"]),
        ({"status": 500, "probability": 1.5}, ["probability is a number from 0 to 1"]),
        ({"status": 500, "probability": True}, ["probability is a number"]),
        ({"status": 500, "seed": 1}, ["seed is for probability"]),
        ({"latency_ms": 10**9}, ["latency_ms is a whole number"]),
        ({"latency_ms": 1.5}, ["latency_ms is a whole number"]),
    ],
)
async def test_a_bad_rule_is_refused(client, rule, said):
    answer = await client.post(FAULTS, json=rule)
    assert answer.status_code == 400
    for each in said:
        assert each in answer.json()["error"]
    assert await fired(client) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b'"x"',
        b"[" * 100_000,
        b'{"probability": NaN, "status": 500}',
        b"\xff",
        b'{"partner": "plaid", "status": 500, "body": {"x": NaN}}',
        b'{"partner": "plaid", "status": 500, "body": "\\ud800"}',
        b'{"status": 500, "message": "\\ud800"}',
    ],
)
async def test_what_is_not_a_rule_at_all(client, raw):
    assert (await client.post(FAULTS, content=raw)).status_code == 400


async def test_there_are_only_so_many(client):
    for _ in range(RULES_MAX):
        await add(client, status=500, nth=1_000)
    answer = await client.post(FAULTS, json={"status": 500})
    assert (answer.status_code, "remove some" in answer.text) == (409, True)


# ── behind a real socket ──────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def served_client(server):
    made = server.application()
    with httpx2.Client(base_url=server.url, timeout=10) as client:
        form = {"grant_type": "client_credentials"}
        auth = (made["client_id"], made["client_secret"])
        token = client.post("/token", auth=auth, data=form).json()["access_token"]
        client.headers = {"Authorization": f"Bearer {token}", "Accept": MEDIA_TYPE}
        yield client, made["id"]


def add_once(client, **rule):
    return client.post(FAULTS, json={**rule, "count": 1}).json()["id"]


def test_a_socket_is_reset(server):
    with served_client(server) as (client, app_id):
        rule_id = add_once(client, application=app_id, effect="reset")
        with pytest.raises(httpx2.TransportError) as caught:
            client.get("/customers")
        assert isinstance(caught.value, httpx2.ReadError | httpx2.RemoteProtocolError)
        assert client.get("/customers").status_code == 200
        client.delete(f"{FAULTS}/{rule_id}").raise_for_status()


def test_a_socket_hangs_until_the_client_gives_up(server):
    with served_client(server) as (client, app_id):
        rule_id = add_once(client, application=app_id, effect="hang")
        with pytest.raises(httpx2.ReadTimeout):
            client.get("/customers", timeout=httpx2.Timeout(30, read=0.5))
        assert client.get("/customers").status_code == 200
        path = "/_tallystick/control/requests"
        listed = client.get(path, params={"application": app_id}).json()["requests"]
        # Which of the two ended first is open: the gateway has to notice that the client left.
        assert {(each["fault"], each["status"]) for each in listed} <= {
            (None, 200),
            (rule_id, None),
        }
        client.delete(f"{FAULTS}/{rule_id}").raise_for_status()
