"""The record of what the gateway was asked: enough to see what happened, nothing secret."""

from __future__ import annotations

import pytest

from tallystick.sandbox.requests import PATH_CHARS_MAX, REQUESTS_MAX

pytestmark = pytest.mark.anyio

REQUESTS = "/_tallystick/control/requests"
ADA = {"firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"}


@pytest.fixture
async def client(gateway):
    return await gateway.application()


async def listed(client, **query):
    return (await client.get(REQUESTS, params=query)).json()["requests"]


async def test_what_is_recorded_newest_first(gateway, client):
    gateway.clock.freeze()
    gateway.clock.set(1_700_000_000_000)
    made = await client.post("/customers", json=ADA, headers={"Idempotency-Key": "k-secret"})
    missing = await client.get("/nowhere?token=q-secret")
    entries = await listed(client)
    ms = [each.pop("ms") for each in entries]
    assert all(0 < each < 60_000 for each in ms)
    app_id = client.made["id"]
    common = {"at": "2023-11-14T22:13:20.000Z", "application": app_id, "fault": None}
    assert entries[:2] == [
        {
            **common,
            "method": "GET",
            "path": "/nowhere",
            "status": 404,
            "request_id": missing.headers["x-request-id"],
            "idempotency_key": False,
        },
        {
            **common,
            "method": "POST",
            "path": "/customers",
            "status": 201,
            "request_id": made.headers["x-request-id"],
            "idempotency_key": True,
        },
    ]
    assert (entries[2]["path"], entries[2]["application"]) == ("/token", None)
    shown = (await client.get(REQUESTS)).text
    for secret in ("k-secret", "q-secret", "Byron", client.made["client_secret"]):
        assert secret not in shown
    assert client.headers["authorization"].split()[1] not in shown


async def test_a_fault_that_fired_is_named(client):
    made = await client.post("/_tallystick/control/faults", json={"status": 429})
    await client.get("/customers")
    entry = (await listed(client))[0]
    assert (entry["status"], entry["fault"]) == (429, made.json()["id"])
    assert (entry["application"], len(entry["request_id"])) == (client.made["id"], 36)


async def test_one_application_and_clear(gateway, client):
    other = await gateway.application()
    await client.get("/customers")
    await other.get("/events")
    assert [each["path"] for each in await listed(client, application=other.made["id"])] == [
        "/events"
    ]
    by_client_id = await listed(client, application=client.made["client_id"])
    assert [each["path"] for each in by_client_id] == ["/customers"]
    assert (await client.delete(REQUESTS)).json() == {"removed": 4}
    assert await listed(client) == []


async def test_controls_and_simulators_are_not_recorded(client):
    await client.delete(REQUESTS)
    for path in ("/_tallystick/control/clock", "/_tallystick/health/live", "/_partners/none"):
        await client.get(path)
    assert await listed(client) == []


async def test_it_is_bounded(client):
    await client.get("/" + "x" * 2 * PATH_CHARS_MAX)
    assert len((await listed(client))[0]["path"]) == PATH_CHARS_MAX
    for _ in range(REQUESTS_MAX + 5):
        await client.get("/x", headers={"Authorization": ""})
    entries = await listed(client)
    assert (len(entries), {each["path"] for each in entries}) == (REQUESTS_MAX, {"/x"})


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({"aplication": "x"}, 400, "did you mean application?"),
        ({"application": "nobody"}, 404, "no application 'nobody'"),
        ({"application": ""}, 400, "application is a text"),
    ],
)
async def test_bad_questions(client, query, status, said):
    answer = await client.get(REQUESTS, params=query)
    assert (answer.status_code, said in answer.json()["error"]) == (status, True)
