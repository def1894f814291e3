"""Delivery: what is sent and signed, in which order, and who waits for whom."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac

import pytest
from tests.gateway import in_process
from tests.receiver import BROKEN, OK, subscribe, told

from tallystick.api.webhooks import queue
from tallystick.api.webhooks.queue import LEASE_MS
from tallystick.delivery import worker
from tallystick.delivery.tests.delivery_clock import advance, signed_in
from tallystick.delivery.worker import delivering
from tallystick.errors import StoreFailed
from tallystick.store.db import Statement

pytestmark = pytest.mark.anyio

# A bound for a busy machine, not a measure.
PATIENCE_S = 60


def never_gives_up(gateway):
    """Else who waits for a receiver that hangs would only wait until its deadline."""
    gateway.process._delivery._poster._deadline_s = 2 * PATIENCE_S


async def test_what_is_sent(gateway, receive):
    client, receiver = await gateway.application(), await receive()
    subscription = await subscribe(client, receiver)
    customer = await client.customer()
    await gateway.process.drain()
    (got,) = receiver.got
    event = (await client.get("/events")).json()["_embedded"]["events"][0]
    assert got.line == "POST /hook?a=b HTTP/1.1"
    assert got.event == event
    assert got.body == (await client.get(event["_links"]["self"]["href"])).content
    assert event["resourceId"] == customer.rpartition("/")[2]
    headers = got.headers
    assert headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert headers["X-Dwolla-Topic"] == "customer_created"
    assert headers["Content-Type"] == "application/json; charset=UTF-8"
    assert headers["User-Agent"] == "dwolla-webhooks/1.0"
    by_hand = hmac.new(b"sshhhhhh", got.body, hashlib.sha256).hexdigest()
    assert headers["X-Request-Signature-SHA-256"] == by_hand
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + got.body
    by_hand = base64.b64encode(hmac.new(b"sshhhhhh", content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{by_hand}"
    (webhook,) = await told(client, subscription)
    assert headers["webhook-id"] == webhook["id"]
    (attempt,) = webhook["attempts"]
    assert attempt["request"]["url"] == receiver.url
    assert attempt["request"]["body"].encode() == got.body
    sent = {each["name"]: each["value"] for each in attempt["request"]["headers"]}
    assert sent.items() <= headers.items()
    assert attempt["response"]["statusCode"] == 200
    assert attempt["response"]["body"] == "ok"
    assert {"name": "X-Told", "value": "yes"} in attempt["response"]["headers"]


async def test_the_order_of_commits_per_resource(tmp_path, database_url, receive):
    """All is due at once: one resource's events are still sent one after the other, in order."""
    under_way, overlapped = set(), []

    async def takes_a_moment(got):
        resource = got.event["resourceId"]
        if resource in under_way:
            overlapped.append(resource)
        under_way.add(resource)
        await asyncio.sleep(0.02)
        under_way.discard(resource)
        return OK

    async with in_process(tmp_path, database_url, deliver_webhooks=False) as gateway:
        client, receiver = await gateway.application(), await receive(takes_a_moment)
        await subscribe(client, receiver)
        customers = await asyncio.gather(*(client.customer() for _ in range(3)))
        for status in ("deactivated", "reactivated", "suspended"):
            changes = (client.post(each, json={"status": status}) for each in customers)
            await asyncio.gather(*changes)
        await gateway.process.drain()
    assert overlapped == []
    assert receiver.at_once_max > 1
    for customer in customers:
        own = [each for each in receiver.got if customer.endswith(each.event["resourceId"])]
        assert [each.event["topic"] for each in own] == [
            "customer_created", "customer_deactivated", "customer_activated", "customer_suspended",
        ]  # fmt: skip


async def test_after_a_failure_the_next_does_not_wait(gateway, receive):
    """The first attempt failed; the event after it is sent now, not in 15 minutes."""
    client, receiver = await signed_in(gateway), await receive(BROKEN)
    await subscribe(client, receiver)
    customer = await client.customer()
    await client.post(customer, json={"status": "deactivated"})
    await gateway.process.drain()
    assert receiver.topics == ["customer_created", "customer_deactivated"]


async def test_a_receiver_that_hangs_holds_nobody_else(gateway, receive):
    never_gives_up(gateway)
    client = await gateway.application()
    hanging, let_go = [], asyncio.Event()

    async def hangs(_got):
        await let_go.wait()
        return OK

    for _ in range(9):
        hanging.append(await receive(hangs))
        await subscribe(client, hanging[-1])
    quick = await receive()
    await subscribe(client, quick)
    await asyncio.gather(*(client.customer() for _ in range(20)))
    async with asyncio.timeout(PATIENCE_S):
        while len(quick.got) < 20:
            await asyncio.sleep(0.01)
    assert [each.at_once_max for each in hanging] == [10] * 9
    let_go.set()
    await gateway.process.drain()
    assert [len(each.got) for each in hanging] == [20] * 9


async def test_all_together_have_a_bound(tmp_path, database_url, receive, monkeypatch):
    """Twelve places: a receiver that hangs has ten of them, and the quick one is served."""
    monkeypatch.setattr(worker, "AT_ONCE_TO_ALL", 12)
    let_go = asyncio.Event()

    async def hangs(_got):
        await let_go.wait()
        return OK

    async with in_process(tmp_path, database_url) as gateway:
        never_gives_up(gateway)
        client = await gateway.application()
        hanging, other, quick = await receive(hangs), await receive(hangs), await receive()
        await subscribe(client, hanging)
        await asyncio.gather(*(client.customer() for _ in range(20)))
        await subscribe(client, quick)
        await asyncio.gather(*(client.customer() for _ in range(20)))
        async with asyncio.timeout(PATIENCE_S):
            while len(quick.got) < 20:
                await asyncio.sleep(0.01)
        assert hanging.at_once_max == 10
        assert quick.at_once_max <= 2
        await subscribe(client, other)
        await client.customer()
        await asyncio.sleep(0.2)
        assert hanging.at_once + other.at_once + quick.at_once <= 12
        let_go.set()
        await gateway.process.drain()
        assert [len(each.got) for each in (hanging, other, quick)] == [41, 1, 21]


async def test_who_gives_up_draining_stops_nothing(gateway, receive):
    never_gives_up(gateway)
    client = await gateway.application()
    let_go = asyncio.Event()

    async def hangs(_got):
        await let_go.wait()
        return OK

    receiver = await receive(hangs)
    subscription = await subscribe(client, receiver)
    await client.customer()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await gateway.process.drain()
    let_go.set()
    await gateway.process.drain()
    (webhook,) = await told(client, subscription)
    assert (len(receiver.got), len(webhook["attempts"])) == (1, 1)


async def test_a_slow_delivery_leaves_room_for_others_to_the_same(gateway, receive):
    never_gives_up(gateway)
    client = await gateway.application()
    let_go = asyncio.Event()

    async def first_hangs(got):
        if len(receiver.got) == 1:
            await let_go.wait()
        return OK

    receiver = await receive(first_hangs)
    await subscribe(client, receiver)
    await client.customer()
    async with asyncio.timeout(PATIENCE_S):
        while len(receiver.got) < 1:
            await asyncio.sleep(0.01)
        await asyncio.gather(*(client.customer() for _ in range(20)))
        while len(receiver.got) < 21:
            await asyncio.sleep(0.01)
    let_go.set()
    await gateway.process.drain()


async def test_commits_ring(tmp_path, database_url, receive, monkeypatch):
    """From commit to receipt without waiting for the next look."""
    monkeypatch.setattr(worker, "LOOK_EVERY_S", 10 * PATIENCE_S)
    async with in_process(tmp_path, database_url) as gateway:
        client, receiver = await gateway.application(), await receive()
        await subscribe(client, receiver)
        for number in range(1, 6):
            await client.customer()
            async with asyncio.timeout(PATIENCE_S):
                while len(receiver.got) < number:
                    await asyncio.sleep(0.001)


async def test_what_another_process_wrote_is_found(gateway, receive):
    """No bell rings here for what was written past our core."""
    client, receiver = await gateway.application(), await receive()
    await subscribe(client, receiver)
    core = gateway.core.db
    inner, core._bell = core._bell, type(core._bell)()
    await client.customer()
    core._bell = inner
    async with asyncio.timeout(PATIENCE_S):
        while not receiver.got:
            await asyncio.sleep(0.01)


async def test_two_workers_send_each_webhook_once(tmp_path, database_url, receive):
    async with (
        in_process(tmp_path, database_url) as one,
        delivering(one.core, "http://127.0.0.1:7420") as other,
    ):
        client, receiver = await one.application(), await receive()
        await subscribe(client, receiver)
        await asyncio.gather(*(client.customer() for _ in range(60)))
        await asyncio.gather(one.process.drain(), other.drain())
        ids = [each.headers["webhook-id"] for each in receiver.got]
        assert len(ids) == len(set(ids)) == 60


async def test_a_lease_of_a_dead_worker_runs_out(gateway, receive):
    client, receiver = await signed_in(gateway), await receive()
    subscription = await subscribe(client, receiver)
    bell = gateway.core.db._bell
    gateway.core.db._bell = type(bell)()
    await client.customer()
    subscription_id = subscription.rpartition("/")[2]
    for claimed in (1, 0):
        jobs, _ = await queue.turn(gateway.core, subscription_id, [], 10)
        assert len(jobs) == claimed
    await advance(gateway, client, LEASE_MS - 1)
    assert receiver.got == []
    await advance(gateway, client, 1)
    assert len(receiver.got) == 1


SPOIL = Statement("UPDATE subscription SET secret_sealed = :box WHERE id = :id")


async def test_a_secret_that_does_not_open_costs_nobody_else_a_place(gateway, receive):
    client, bad, good = await signed_in(gateway), await receive(), await receive()
    spoilt = (await subscribe(client, bad)).rpartition("/")[2]
    await subscribe(client, good)
    box = b"\x01" + bytes(200)
    await gateway.core.db.transact(lambda tx: tx.run(SPOIL, id=spoilt, box=box))
    for _ in range(3):
        await client.customer()
        async with asyncio.timeout(PATIENCE_S):
            while gateway.process._delivery._served:
                await asyncio.sleep(0.01)
    await advance(gateway, client, LEASE_MS)
    assert (len(bad.got), len(good.got)) == (0, 3)
    assert gateway.process._delivery._free._value == worker.AT_ONCE_TO_ALL


async def test_what_could_not_be_recorded_is_sent_again(gateway, receive, monkeypatch):
    client, receiver = await signed_in(gateway), await receive()
    subscription = await subscribe(client, receiver)
    honest, failed = queue.turn, []

    async def fails_once(core, subscription_id, ended, count):
        if ended and not failed:
            failed.append(ended)
            raise StoreFailed("the disk is full")
        return await honest(core, subscription_id, ended, count)

    monkeypatch.setattr(queue, "turn", fails_once)
    await client.customer()
    async with asyncio.timeout(PATIENCE_S):
        while not failed or gateway.process._delivery._served:
            await asyncio.sleep(0.01)
    await gateway.process.drain()
    assert len(receiver.got) == 1
    await advance(gateway, client, LEASE_MS)
    (webhook,) = await told(client, subscription)
    assert (len(receiver.got), len(webhook["attempts"])) == (2, 1)
    assert gateway.process._delivery._free._value == worker.AT_ONCE_TO_ALL


async def test_closing_finishes_what_is_under_way(tmp_path, database_url, receive):
    async def slow(_got):
        await asyncio.sleep(0.5)
        return OK

    receiver = await receive(slow)
    async with in_process(tmp_path, database_url) as gateway:
        client = await gateway.application()
        subscription = await subscribe(client, receiver)
        await client.customer()
        while not receiver.got:
            await asyncio.sleep(0.01)
    async with in_process(tmp_path, database_url) as gateway:
        again = gateway.client()
        await again.sign_in(client.made["client_id"], client.made["client_secret"])
        (webhook,) = await told(again, subscription)
        assert [each["response"]["statusCode"] for each in webhook["attempts"]] == [200]
