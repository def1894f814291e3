"""When a webhook is sent again, and when a subscription is paused."""

from __future__ import annotations

import asyncio

import pytest
from tests.receiver import BROKEN, OK, subscribe, told

from tallystick.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, from_iso
from tallystick.delivery.tests.delivery_clock import advance, signed_in

pytestmark = pytest.mark.anyio

DELAYS = [15 * MINUTE_MS, 45 * MINUTE_MS, *(n * HOUR_MS for n in (2, 3, 6, 12, 24, 24))]


async def test_the_whole_schedule_to_the_second(gateway, receive):
    client, receiver = await signed_in(gateway), await receive(BROKEN)
    subscription = await subscribe(client, receiver)
    started = gateway.clock.now_ms()
    await client.customer()
    await gateway.process.drain()
    assert len(receiver.got) == 1
    for number, delay in enumerate(DELAYS, 1):
        await advance(gateway, client, delay - SECOND_MS)
        assert len(receiver.got) == number, f"retry {number} is early"
        await advance(gateway, client, SECOND_MS)
        assert len(receiver.got) == number + 1, f"retry {number} is late"
    await advance(gateway, client, 100 * DAY_MS)
    (webhook,) = await told(client, subscription)
    at = [from_iso(each["request"]["timestamp"]) - started for each in webhook["attempts"]]
    cumulative = [15 * MINUTE_MS, *(n * HOUR_MS for n in (1, 3, 6, 12, 24, 48, 72))]
    assert at == [0, *cumulative]
    assert len({got.body for got in receiver.got}) == 1
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    assert len({got.headers["webhook-timestamp"] for got in receiver.got}) == 9


async def test_advancing_far_makes_every_attempt_that_fell_due(gateway, receive):
    client, receiver = await signed_in(gateway), await receive(BROKEN)
    await subscribe(client, receiver)
    await client.customer()
    await gateway.process.drain()
    await advance(gateway, client, 73 * HOUR_MS)
    assert len(receiver.got) == 9


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Away\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_what_a_receiver_says_of_later_changes_no_schedule(gateway, receive, said):
    """Dwolla's schedule is fixed; a receiver that is gone is paused after a day, not at once."""
    client, receiver = await signed_in(gateway), await receive(said)
    subscription = await subscribe(client, receiver)
    await client.customer()
    await gateway.process.drain()
    await advance(gateway, client, 15 * MINUTE_MS - SECOND_MS)
    assert len(receiver.got) == 1
    await advance(gateway, client, SECOND_MS)
    assert len(receiver.got) == 2
    await advance(gateway, client, 45 * MINUTE_MS)
    assert len(receiver.got) == 3
    assert not (await client.get(subscription)).json()["paused"]


async def test_a_pause_comes_with_the_400th_failure_a_day_after_the_last_success(gateway, receive):
    """To the second: 399 failures are none too many at any time, 400 are none a second too early."""
    client, receiver = await signed_in(gateway), await receive(OK)
    subscription = await subscribe(client, receiver)
    await client.customer()
    await gateway.process.drain()
    receiver.answer = BROKEN

    async def fails(times):
        await client.sign_in(client.made["client_id"], client.made["client_secret"])
        await asyncio.gather(*(client.customer() for _ in range(times)))
        await gateway.process.drain()
        return (await client.get(subscription)).json()["paused"]

    assert not await fails(44)
    for delay in DELAYS[:5]:  # 6 attempts of each, the last 12 hours after the first
        await advance(gateway, client, delay)
    assert not await fails(130)
    # 394 failures, and 12 hours: neither is enough, nor will be before a day has passed.
    await advance(gateway, client, 12 * HOUR_MS - SECOND_MS)
    assert len(receiver.got) - 1 >= 400
    assert not (await client.get(subscription)).json()["paused"]
    assert not await fails(1), "a second early"
    await advance(gateway, client, SECOND_MS)
    assert (await client.get(subscription)).json()["paused"]


async def test_a_success_ends_the_schedule(gateway, receive):
    client, receiver = await signed_in(gateway), await receive(BROKEN)
    subscription = await subscribe(client, receiver)
    await client.customer()
    await gateway.process.drain()
    receiver.answer = OK
    await advance(gateway, client, 15 * MINUTE_MS)
    await advance(gateway, client, 73 * HOUR_MS)
    (webhook,) = await told(client, subscription)
    assert [each["response"]["statusCode"] for each in webhook["attempts"]] == [500, 200]


async def test_pause_needs_400_failures_and_a_day(gateway, receive):
    """A subscription that failed 399 times is not paused; nor one that failed 450 times in 23 h."""
    client, receiver = await signed_in(gateway), await receive(BROKEN)
    subscription = await subscribe(client, receiver)
    receiver.answer = OK
    await client.customer()
    await gateway.process.drain()
    receiver.answer = BROKEN
    await asyncio.gather(*(client.customer() for _ in range(130)))
    await gateway.process.drain()
    await advance(gateway, client, 6 * HOUR_MS)  # 5 attempts of each: 650 failures
    assert len(receiver.got) == 1 + 130 * 5
    assert not (await client.get(subscription)).json()["paused"]
    await advance(gateway, client, 24 * HOUR_MS - 6 * HOUR_MS - SECOND_MS)
    assert not (await client.get(subscription)).json()["paused"]
    before = len(receiver.got)
    await advance(gateway, client, SECOND_MS)  # the retries at 24 h
    assert (await client.get(subscription)).json()["paused"]
    assert before < len(receiver.got) <= before + 10
    before = len(receiver.got)
    await client.customer()
    await advance(gateway, client, 73 * HOUR_MS)
    assert len(receiver.got) == before, "sent while paused"
    assert (await told(client, subscription))[-1]["attempts"] == []
    await client.post(subscription, json={"paused": False})
    await advance(gateway, client, 73 * HOUR_MS)
    assert len(receiver.got) == before, "resent after the pause"
    receiver.answer = OK
    await client.customer()
    await gateway.process.drain()
    assert len(receiver.got) == before + 1


async def test_399_failures_do_not_pause(gateway, receive):
    client, receiver = await signed_in(gateway), await receive(BROKEN)
    subscription = await subscribe(client, receiver)
    await asyncio.gather(*(client.customer() for _ in range(44)))
    await gateway.process.drain()
    await advance(gateway, client, 73 * HOUR_MS)
    assert len(receiver.got) == 44 * 9 == 396
    for _ in range(3):
        await client.customer()
    await gateway.process.drain()
    assert not (await client.get(subscription)).json()["paused"]
    await client.customer()
    await gateway.process.drain()
    assert (await client.get(subscription)).json()["paused"]
    assert len(receiver.got) == 400


async def test_a_retry_is_sent_at_once_and_changes_no_schedule(gateway, receive):
    client, receiver = await signed_in(gateway), await receive(BROKEN)
    subscription = await subscribe(client, receiver)
    await client.customer()
    await gateway.process.drain()
    (webhook,) = await told(client, subscription)
    await client.post(webhook["_links"]["retry"]["href"])
    await gateway.process.drain()
    assert len(receiver.got) == 2
    await advance(gateway, client, 15 * MINUTE_MS)
    assert len(receiver.got) == 3
    await client.post(subscription, json={"paused": True})
    await advance(gateway, client, 73 * HOUR_MS)
    assert len(receiver.got) == 3
    receiver.answer = OK
    await client.post(webhook["_links"]["retry"]["href"])
    await gateway.process.drain()
    (webhook,) = await told(client, subscription)
    statuses = [each["response"]["statusCode"] for each in webhook["attempts"]]
    assert statuses == [500, 500, 500, 200]


async def test_a_deleted_subscription_is_told_nothing_more(gateway, receive):
    client, receiver = await signed_in(gateway), await receive(BROKEN)
    subscription = await subscribe(client, receiver)
    await client.customer()
    await gateway.process.drain()
    await client.delete(subscription)
    await client.customer()
    await advance(gateway, client, 73 * HOUR_MS)
    assert len(receiver.got) == 1
