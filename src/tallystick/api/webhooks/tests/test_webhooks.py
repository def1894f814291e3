"""Webhooks: written with their event, listed with their attempts, retried when asked."""

from __future__ import annotations

import asyncio

import pytest

from tallystick.api.events import service as events
from tallystick.api.webhooks import store
from tallystick.clock import DAY_MS, to_iso

pytestmark = pytest.mark.anyio

PATH = "/webhook-subscriptions"
GOOD = {"url": "http://127.0.0.1:1/hook", "secret": "sshhhhhh"}


async def webhooks(client, subscription, query=""):
    return (await client.get(f"{subscription}/webhooks{query}")).json()["_embedded"]["webhooks"]


async def test_one_for_each_subscription_with_its_event(gateway):
    client, other = await gateway.application(), await gateway.application()
    made = [await client.create(PATH, GOOD) for _ in range(2)]
    foreign = await other.create(PATH, GOOD)
    await client.customer()
    event = (await client.get("/events")).json()["_embedded"]["events"][0]
    for subscription in made:
        (webhook,) = await webhooks(client, subscription)
        links = webhook["_links"]
        assert webhook["topic"] == "customer_created"
        assert webhook["eventId"] == event["id"]
        assert webhook["accountId"] == client.made["account_id"]
        assert webhook["subscriptionId"] == subscription.rpartition("/")[2]
        assert links["event"]["href"] == event["_links"]["self"]["href"]
        assert links["subscription"]["href"] == subscription
        assert links["retry"]["href"] == links["self"]["href"] + "/retries"
        assert (await client.get(links["self"]["href"])).json()["id"] == webhook["id"]
        assert (await other.get(links["self"]["href"])).status_code == 404
        assert (await other.get(f"{subscription}/webhooks")).status_code == 404
    assert await webhooks(other, foreign) == []


async def test_a_webhook_exists_exactly_if_its_event_does(gateway):
    client = await gateway.application()
    subscription = await client.create(PATH, GOOD)
    core, app_id = gateway.core, client.made["id"]

    async def fails(tx):
        await events.record(core, tx, app_id, "customer_created", "customers", "x", "x")
        raise LookupError

    with pytest.raises(LookupError):
        await core.db.transact(fails)
    assert await webhooks(client, subscription) == []


async def test_the_order_is_that_of_the_commits(gateway):
    """Many at once, each in a transaction of its own: every place is taken once."""
    client = await gateway.application()
    made = [await client.create(PATH, GOOD) for _ in range(3)]
    await asyncio.gather(*(client.customer() for _ in range(30)))
    seen = (await client.get("/events?limit=200")).json()["_embedded"]["events"]
    for subscription in made:
        told = await webhooks(client, subscription, "?limit=200")
        assert sorted(each["eventId"] for each in told) == sorted(each["id"] for each in seen)


async def test_a_page_has_its_attempts_though_others_come_meanwhile(gateway):
    client = await gateway.application()
    subscription = await client.create(PATH, GOOD)
    await client.customer()
    await gateway.process.drain()

    class Busy:
        """A database in which something happens after every look."""

        async def all(self, statement, **values):
            rows = await gateway.core.db.all(statement, **values)
            await client.customer()
            return rows

        one = gateway.core.db.one

    subscription_id = subscription.rpartition("/")[2]
    asked = (client.made["id"], subscription_id, store.Filter(), 1, 0)
    (row,), attempts, _ = await store.list_newest(Busy(), *asked)
    assert [each.webhook_id for each in attempts[row.id]] == [row.id]


async def test_pages_and_filters(gateway):
    client = await gateway.application()
    subscription = await client.create(PATH, GOOD)
    await client.post(subscription, json={"paused": True})
    gateway.clock.freeze()
    customers = [await client.customer()]
    gateway.clock.advance(DAY_MS)
    await client.sign_in(client.made["client_id"], client.made["client_secret"])
    customers += [await client.customer() for _ in range(2)]
    page = (await client.get(f"{subscription}/webhooks?limit=2")).json()
    assert (page["total"], len(page["_embedded"]["webhooks"])) == (3, 2)
    rest = (await client.get(page["_links"]["next"]["href"])).json()
    assert len(rest["_embedded"]["webhooks"]) == 1
    today, day_before = (to_iso(gateway.clock.now_ms() - n * DAY_MS)[:10] for n in (0, 1))
    counts = {
        f"?startDate={today}": 2,
        f"?startDate={day_before}": 3,
        f"?endDate={day_before}": 1,
        f"?startDate={day_before}&endDate={today}": 3,
        "?startDate=nonsense&endDate=2026-99-99": 3,
        f"?resourceId={customers[0].rpartition('/')[2].upper()}": 1,
        "?resourceId=nobody": 0,
    }
    for query, count in counts.items():
        answer = (await client.get(f"{subscription}/webhooks{query}")).json()
        assert (answer["total"], len(answer["_embedded"]["webhooks"])) == (count, count), query
    kept = (await client.get(f"{subscription}/webhooks?limit=1&startDate={today}")).json()
    assert f"startDate={today}" in kept["_links"]["next"]["href"]


async def test_retries_are_resources(gateway):
    client, other = await gateway.application(), await gateway.application()
    subscription = await client.create(PATH, GOOD)
    await client.post(subscription, json={"paused": True})
    await client.customer()
    (webhook,) = await webhooks(client, subscription)
    retries = webhook["_links"]["retry"]["href"]
    assert (await client.get(retries)).json()["total"] == 0
    key = {"headers": {"Idempotency-Key": "k"}}
    made = [(await client.post(retries, **key)).headers["location"] for _ in range(2)]
    made.append((await client.post(retries, json={})).headers["location"])
    assert made[0] == made[1]
    listed = (await client.get(retries)).json()
    assert [each["_links"]["self"]["href"] for each in listed["_embedded"]["retries"]] == [
        made[2],
        made[0],
    ]
    assert (
        listed["_embedded"]["retries"][0]["_links"]["webhook"]["href"]
        == (webhook["_links"]["self"]["href"])
    )
    for answer in (await other.post(retries), await other.get(retries)):
        assert (answer.status_code, answer.json()["code"]) == (404, "NotFound")
    await client.delete(subscription)
    assert (await client.post(retries)).status_code == 404
    assert (await client.get(webhook["_links"]["self"]["href"])).status_code == 200
    assert (await client.get(retries)).json()["total"] == 2
