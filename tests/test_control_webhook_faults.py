"""Webhooks that are lost, doubled, late, out of order or refused on purpose."""

from __future__ import annotations

import pytest

from tallystick.clock import HOUR_MS, MINUTE_MS, SECOND_MS
from tallystick.sandbox.webhook_faults import REORDER_MS

from .receiver import BROKEN, subscribe, told

pytestmark = pytest.mark.anyio

FAULTS = "/_tallystick/control/faults"
CREATED, DEACTIVATED = "customer_created", "customer_deactivated"


@pytest.fixture
async def world(gateway, receive):
    """A client of its own, a receiver, and the subscription between them; the clock stands."""
    client, receiver = await gateway.application(), await receive()
    gateway.clock.freeze()
    return client, receiver, await subscribe(client, receiver)


async def fault(client, **rule):
    answer = await client.post(FAULTS, json={"application": client.made["id"], **rule})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def advance(client, by_ms):
    answer = await client.post(
        "/_tallystick/control/clock/advance", json={"seconds": by_ms / SECOND_MS}
    )
    assert answer.status_code == 200, answer.text
    await client.sign_in(client.made["client_id"], client.made["client_secret"])


async def attempts(client, subscription):
    return [
        [each.get("response", {}).get("statusCode") for each in webhook["attempts"]]
        for webhook in await told(client, subscription)
    ]


async def test_a_lost_one_is_dead_and_can_be_sent_again(gateway, world):
    client, receiver, subscription = world
    await fault(client, topic=DEACTIVATED, effect="lost")
    customer = await client.customer()
    await client.post(customer, json={"status": "deactivated"})
    await advance(client, 73 * HOUR_MS)
    assert receiver.topics == [CREATED]
    (dead,) = (await client.get("/_tallystick/webhooks")).json()["webhooks"]
    assert (dead["topic"], dead["status"], dead["attempts"]) == (DEACTIVATED, "stopped", 0)
    await client.post(dead["_links"]["retry"]["href"])
    await gateway.process.drain()
    assert receiver.topics == [CREATED, DEACTIVATED]
    assert await attempts(client, subscription) == [[200], [200]]


async def test_a_double_arrives_twice_at_once(gateway, world):
    client, receiver, subscription = world
    await fault(client, topic="*", effect="duplicate", count=1)
    for _ in range(2):
        await client.customer()
        await gateway.process.drain()
    ids = [each.headers["webhook-id"] for each in receiver.got]
    assert (len(ids), len(set(ids))) == (3, 2)
    assert await attempts(client, subscription) == [[200, 200], [200]]


async def test_a_late_one_comes_late_by_the_clock(gateway, world):
    client, receiver, _ = world
    await fault(client, topic="*", latency_ms=10 * MINUTE_MS, nth=1)
    customer = await client.customer()
    await gateway.process.drain()
    await client.post(customer, json={"status": "deactivated"})
    await gateway.process.drain()
    assert receiver.topics == [DEACTIVATED]
    await advance(client, 10 * MINUTE_MS - SECOND_MS)
    assert len(receiver.got) == 1
    await advance(client, SECOND_MS)
    assert receiver.topics == [DEACTIVATED, CREATED]


async def test_one_is_overtaken_by_the_next(gateway, world):
    """The same resource's, which nothing else could turn round."""
    client, receiver, subscription = world
    await fault(client, topic="*", effect="reorder", nth=1)
    customer = await client.customer()
    await gateway.process.drain()
    assert receiver.got == []
    await client.post(customer, json={"status": "deactivated"})
    await gateway.process.drain()
    assert receiver.topics == [DEACTIVATED, CREATED]
    assert await attempts(client, subscription) == [[200], [200]]


async def test_one_that_nothing_overtakes_is_sent_all_the_same(gateway, world):
    client, receiver, _ = world
    await fault(client, topic="*", effect="reorder")
    await client.customer()
    await gateway.process.drain()
    await advance(client, REORDER_MS - SECOND_MS)
    assert receiver.got == []
    await advance(client, SECOND_MS)
    assert receiver.topics == [CREATED]


@pytest.mark.parametrize(
    ("effect", "arrives"), [("reset", False), ("hang", False), ("answer_lost", True)]
)
async def test_an_attempt_that_fails_is_repeated_on_schedule(gateway, world, effect, arrives):
    client, receiver, subscription = world
    await fault(client, topic="*", effect=effect, count=2)
    await client.customer()
    await gateway.process.drain()
    await advance(client, HOUR_MS - SECOND_MS)
    assert len(receiver.got) == (2 if arrives else 0)
    assert await attempts(client, subscription) == [[None, None]]
    await advance(client, SECOND_MS)
    assert len(receiver.got) == (3 if arrives else 1)
    assert await attempts(client, subscription) == [[None, None, 200]]


async def test_a_late_first_attempt_takes_the_schedule_with_it(gateway, world):
    client, receiver, _ = world
    receiver.answer = BROKEN
    await fault(client, topic="*", latency_ms=HOUR_MS // 6, nth=1)
    await client.customer()
    await gateway.process.drain()
    await advance(client, HOUR_MS // 6 + 15 * MINUTE_MS - SECOND_MS)
    assert len(receiver.got) == 1
    await advance(client, SECOND_MS)
    assert len(receiver.got) == 2


async def test_a_seed_does_the_same_from_run_to_run(gateway, receive):
    """Each subscription with its rule: what one draws does not depend on the others."""
    patterns = []
    for seed in (7, 7, 8):
        client, receiver = await gateway.application(), await receive()
        subscription = await subscribe(client, receiver)
        own = subscription.rpartition("/")[2]
        await fault(client, subscription=own, effect="duplicate", probability=0.5, seed=seed)
        for _ in range(12):
            await client.customer()
        await gateway.process.drain()
        patterns.append([len(each) for each in await attempts(client, subscription)])
    assert patterns[0] == patterns[1] != patterns[2]
    assert set(patterns[0]) == {1, 2}


async def test_a_rule_concerns_what_it_names(gateway, receive):
    client, other = await gateway.application(), await gateway.application()
    receiver = await receive()
    first, second = [await subscribe(client, receiver) for _ in range(2)]
    foreign = await subscribe(other, receiver)
    await fault(client, subscription=first.rpartition("/")[2], effect="lost")
    rule = await fault(client, topic="funding_*", effect="lost")
    for each in (client, other):
        await each.customer()
    await gateway.process.drain()
    assert await attempts(client, first) == [[]]
    assert await attempts(client, second) == [[200]]
    assert await attempts(other, foreign) == [[200]]
    listed = (await client.get(FAULTS)).json()["faults"]
    assert [each["seen"] for each in listed if each["id"] == rule["id"]] == [0]
    assert (await client.get("/customers")).status_code == 200, "no call of the API is concerned"


async def test_what_was_put_off_by_a_rule_that_is_gone_is_sent(gateway, world):
    client, receiver, _ = world
    rule = await fault(client, topic="*", latency_ms=MINUTE_MS, effect="duplicate")
    await client.customer()
    await gateway.process.drain()
    await client.delete(f"{FAULTS}/{rule['id']}")
    await advance(client, MINUTE_MS)
    assert receiver.topics == [CREATED]


async def test_what_was_put_off_before_a_reset_does_not_shift_what_follows(gateway, receive):
    """With the same seed and time the same ids come again."""
    receiver = await receive()
    rounds = []
    for _ in range(2):
        again = {"seed": 7, "now": "2026-01-31T12:00:00.000Z"}
        await gateway.client().post("/_tallystick/control/reset", json=again)
        client = await gateway.application()
        subscription = await subscribe(client, receiver)
        await fault(client, topic="*", latency_ms=MINUTE_MS)
        customer = await client.customer("ada@example.com")
        await gateway.process.drain()
        rounds.append((customer, await attempts(client, subscription)))
    assert rounds[0] == rounds[1]
    assert receiver.topics == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"effect": "lost"}, "name their topic"),
        ({"effect": "duplicate", "path": "/events"}, "name their topic"),
        ({"effect": "reorder", "partner": "plaid"}, "name their topic"),
        ({"topic": "*", "effect": "slow_body"}, "calls to a partner"),
        ({"topic": "*", "status": 500}, "status is not for webhooks"),
        ({"topic": "*", "path": "/x", "effect": "lost"}, "path is not for webhooks"),
        ({"subscription": "x", "effect": "lost"}, "id of a webhook subscription"),
        ({"topic": "*"}, "say what happens"),
    ],
)
async def test_rules_that_cannot_be(gateway, rule, said):
    answer = await gateway.client().post(FAULTS, json=rule)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
