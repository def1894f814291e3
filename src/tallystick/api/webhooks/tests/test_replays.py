"""Webhooks by choice: listed, those that are dead among them, and sent again without an end."""

from __future__ import annotations

import asyncio

import pytest
from tests.gateway import in_process
from tests.receiver import BROKEN, OK, subscribe, told

from tallystick.api.webhooks import queue, service
from tallystick.clock import DAY_MS, HOUR_MS, to_iso

pytestmark = pytest.mark.anyio

LIST, REPLAYS = "/_tallystick/webhooks", "/_tallystick/replays"
SUBSCRIPTIONS = "/webhook-subscriptions"
NOWHERE = {"url": "http://127.0.0.1:1/hook", "secret": "sshhhhhh"}


async def chosen(client, query=""):
    answer = await client.get(f"{LIST}{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def replay(client, **asked):
    answer = await client.post(REPLAYS, json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def advance(gateway, client, by_ms):
    gateway.clock.advance(by_ms)
    await client.sign_in(client.made["client_id"], client.made["client_secret"])
    await gateway.process.drain()


async def test_what_is_dead_and_how_it_lives_again(gateway, receive):
    """Exhausted after nine attempts, recorded while paused, dropped with its subscription."""
    client, receiver = await gateway.application(), await receive(BROKEN)
    gateway.clock.freeze()
    exhausted = await subscribe(client, receiver)
    await client.customer()
    await gateway.process.drain()
    await advance(gateway, client, 73 * HOUR_MS)
    paused, deleted = [await client.create(SUBSCRIPTIONS, NOWHERE) for _ in range(2)]
    for each in (exhausted, paused, deleted):
        await client.post(each, json={"paused": True})
    await client.customer()
    await client.delete(deleted)
    dead = (await chosen(client))["webhooks"]
    assert [(each["status"], each["attempts"], each["subscriptionStatus"]) for each in dead] == [
        ("exhausted", 9, "paused"),
        ("stopped", 0, "paused"),
        ("stopped", 0, "paused"),
        ("stopped", 0, "deleted"),
    ]
    last = dead[0]["lastAttempt"]
    assert (last["statusCode"], last["failure"]) == (500, "STATUS")
    assert dead[1]["lastAttempt"] is None
    assert (await client.get(dead[0]["_links"]["self"]["href"])).json()["id"] == dead[0]["id"]
    receiver.answer = OK
    before = len(receiver.got)
    assert await replay(client, subscription=dead[0]["subscriptionId"]) == {
        "replayed": 2,
        "next": None,
    }
    await gateway.process.drain()
    assert len(receiver.got) == before + 2
    left = (await chosen(client))["webhooks"]
    assert [each["subscriptionStatus"] for each in left] == ["paused", "deleted"]
    assert (await replay(client))["replayed"] == 1, "a deleted subscription's are not sent"


async def test_topic_time_and_status_narrow(gateway, receive):
    client, receiver = await gateway.application(), await receive()
    gateway.clock.freeze()
    subscription = await subscribe(client, receiver)
    customer = await client.customer()
    middle = gateway.clock.now_ms() + HOUR_MS
    gateway.clock.advance(HOUR_MS)
    await client.sign_in(client.made["client_id"], client.made["client_secret"])
    await client.post(customer, json={"status": "deactivated"})
    await gateway.process.drain()
    await client.post(subscription, json={"paused": True})
    await client.customer()
    at = to_iso(middle)
    for query, topics in {
        "?status=delivered": ["customer_created", "customer_deactivated"],
        "?status=delivered,dead&topics=customer_created": ["customer_created"] * 2,
        "?status=delivered&status=stopped&topics=customer_created": ["customer_created"] * 2,
        f"?status=delivered&since={at}": ["customer_deactivated"],
        f"?status=delivered&until={at}": ["customer_created"],
        "": ["customer_created"],
        "?status=due": [],
        "?status=exhausted": [],
        "?topics=customer_deactivated": [],
    }.items():
        found = (await chosen(client, query))["webhooks"]
        assert [each["topic"] for each in found] == topics, query
    before = len(receiver.got)
    asked = {"status": ["delivered"], "topics": ["customer_deactivated"], "since": at}
    assert (await replay(client, **asked))["replayed"] == 1
    await gateway.process.drain()
    assert receiver.topics[before:] == ["customer_deactivated"]


async def test_a_replay_is_bounded_and_goes_on_where_it_was(gateway):
    client, other = await gateway.application(), await gateway.application()
    gateway.clock.freeze()
    made = [await client.create(SUBSCRIPTIONS, NOWHERE) for _ in range(3)]
    for each in made:
        await client.post(each, json={"paused": True})
    for _ in range(5):
        await client.customer()
    assert (await replay(other))["replayed"] == 0
    everything = (await chosen(client, "?limit=1000"))["webhooks"]
    assert len(everything) == 15
    listed, after = [], ""
    while True:
        page = await chosen(client, f"?limit=4{after}")
        listed += page["webhooks"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert listed == everything
    counts, following, key = [], None, 0
    while True:
        key += 1
        body = {"limit": 4, "after": following}
        answers = [
            (await client.post(REPLAYS, json=body, headers={"Idempotency-Key": f"k{key}"})).json()
            for _ in range(2)
        ]
        assert answers[0] == answers[1], "the same key asks once"
        counts.append(answers[0]["replayed"])
        following = answers[0]["next"]
        if following is None:
            break
    assert counts == [4, 4, 4, 3]
    for each in everything:
        asked = (await client.get(each["_links"]["retry"]["href"])).json()
        assert asked["total"] == 1


async def test_one_that_waits_is_not_asked_for_twice(tmp_path, database_url):
    async with in_process(tmp_path, database_url, deliver_webhooks=False) as gateway:
        client = await gateway.application()
        subscription = await client.create(SUBSCRIPTIONS, NOWHERE)
        await client.post(subscription, json={"paused": True})
        await client.customer()
        assert [(await replay(client))["replayed"] for _ in range(3)] == [1, 0, 0]
        (webhook,) = await told(client, subscription)
        assert (await client.get(webhook["_links"]["retry"]["href"])).json()["total"] == 1


async def test_a_replay_gives_way(tmp_path, database_url):
    """First what a person asked for, then what is due, then the replay's."""
    async with in_process(tmp_path, database_url, deliver_webhooks=False) as gateway:
        client = await gateway.application()
        subscription = await client.create(SUBSCRIPTIONS, NOWHERE)
        await client.post(subscription, json={"paused": True})
        for _ in range(4):
            await client.customer()
        old = [each["id"] for each in await told(client, subscription)]
        await replay(client, limit=3)
        await client.post(f"/webhooks/{old[3]}/retries")
        await client.post(subscription, json={"paused": False})
        await client.customer()
        fresh = (await told(client, subscription))[-1]["id"]
        taken = []
        for _ in range(3):
            jobs, _paused = await queue.turn(gateway.core, subscription.rpartition("/")[2], [], 2)
            taken.append([job.webhook.id for job in jobs])
        assert taken[0] == [old[3], fresh]
        assert sorted(taken[1] + taken[2]) == sorted(old[:3])


@pytest.mark.parametrize(
    ("asked", "paths"),
    [
        ({"topics": ["nonsense"]}, ["/topics"]),
        ({"status": ["lost"]}, ["/status"]),
        ({"limit": 0}, ["/limit"]),
        ({"limit": 1_001}, ["/limit"]),
        ({"since": "yesterday", "until": "2026-01-01T00:00:00"}, ["/since", "/until"]),
        ({"after": "x"}, ["/after"]),
        ({"after": "0" * 36 + ".x"}, ["/after"]),
    ],
)
async def test_nonsense_is_refused(gateway, asked, paths):
    client = await gateway.application()
    answer = await client.post(REPLAYS, json=asked)
    assert answer.status_code == 400
    assert [each["path"] for each in answer.json()["_embedded"]["errors"]] == paths
    query = "&".join(
        f"{name}={','.join(value) if isinstance(value, list) else value}"
        for name, value in asked.items()
    )
    assert (await client.get(f"{LIST}?{query}")).status_code == 400


async def test_it_is_each_ones_own(gateway):
    client, other = await gateway.application(), await gateway.application()
    subscription = await other.create(SUBSCRIPTIONS, NOWHERE)
    own = subscription.rpartition("/")[2]
    assert (await client.get(f"{LIST}?subscription={own}")).status_code == 404
    assert (await client.post(REPLAYS, json={"subscription": own})).status_code == 404
    assert (await client.post(REPLAYS, json={"subscription": "x"})).status_code == 404
    without = await gateway.application(withheld=["webhooks"])
    for answer in (await without.get(LIST), await without.post(REPLAYS, json={})):
        assert (answer.status_code, answer.json()["code"]) == (403, "Forbidden")
    assert (await gateway.client().get(LIST)).status_code == 401


async def test_what_was_said_is_forgotten_after_thirty_days(gateway, receive):
    client, receiver = await gateway.application(), await receive(BROKEN)
    gateway.clock.freeze()
    subscription = await subscribe(client, receiver)
    unreachable = await client.create(SUBSCRIPTIONS, NOWHERE)
    await client.customer()
    await gateway.process.drain()
    gateway.clock.advance(30 * DAY_MS)
    assert await service.forget(gateway.core) == 0
    await client.sign_in(client.made["client_id"], client.made["client_secret"])
    before = {each: await told(client, each) for each in (subscription, unreachable)}
    gateway.clock.advance(1)
    assert await service.forget(gateway.core) == 2
    assert await service.forget(gateway.core) == 0
    for each, webhooks in before.items():
        (was,) = webhooks[0]["attempts"]
        (now,) = (await told(client, each))[0]["attempts"]
        assert was["request"]["body"]
        assert now["request"] == {**was["request"], "headers": [], "body": ""}
        if "response" in was:
            assert now["response"] == {**was["response"], "headers": [], "body": ""}
        else:
            assert "response" not in now


async def test_many_replays_at_once_ask_once_for_each(tmp_path, database_url):
    async with in_process(tmp_path, database_url, deliver_webhooks=False) as gateway:
        client = await gateway.application()
        subscription = await client.create(SUBSCRIPTIONS, NOWHERE)
        await client.post(subscription, json={"paused": True})
        for _ in range(6):
            await client.customer()
        counts = await asyncio.gather(*(replay(client) for _ in range(5)))
        assert sum(each["replayed"] for each in counts) == 6
