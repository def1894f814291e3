"""`total` is kept, not counted: it must be what counting would find, whatever was done before."""

from __future__ import annotations

import asyncio

import pytest

from tallystick.store import migrations, tally
from tallystick.store.copying import _Made as Statement  # not among the product's own

pytestmark = pytest.mark.anyio

COUNTED = {
    "customers": Statement("SELECT count(*) FROM customer WHERE app_id = :app_id"),
    "events": Statement("SELECT count(*) FROM event WHERE app_id = :app_id"),
    "webhooks": Statement("SELECT count(*) FROM webhook WHERE app_id = :app_id"),
}


async def totals(client, subscription):
    lists = {
        "customers": "/customers",
        "events": "/events",
        "webhooks": f"{subscription}/webhooks",
    }
    return {name: (await client.get(path)).json()["total"] for name, path in lists.items()}


async def counted(gateway, client):
    app_id = client.made["id"]
    return {
        name: (await gateway.core.db.one(each, app_id=app_id))[0] for name, each in COUNTED.items()
    }


async def test_totals_are_what_counting_finds(gateway):
    client = await gateway.application()
    other = await gateway.application()
    body = {"url": "http://127.0.0.1:9/hook", "secret": "a secret of some length"}
    subscription = await client.create("/webhook-subscriptions", body)
    assert await totals(client, subscription) == {"customers": 0, "events": 0, "webhooks": 0}
    customers = await asyncio.gather(*(client.customer(f"c{n}@example.com") for n in range(12)))
    refused = await client.post(
        "/customers",
        json={"firstName": "Ada", "lastName": "Byron", "email": "C1@example.com"},
    )
    assert refused.status_code == 400
    await client.funding_source(customers[0], await client.exchange(customers[0]))
    await other.customer()
    found = await totals(client, subscription)
    assert found == await counted(gateway, client)
    assert found["customers"] == 12
    assert found["events"] == found["webhooks"] > 12


async def test_far_from_the_newest_is_read_beside_the_event_loop(gateway, monkeypatch):
    """And where there is nothing any more, nothing is read."""
    client = await gateway.application()
    body = {"url": "http://127.0.0.1:9/hook", "secret": "a secret of some length"}
    subscription = await client.create("/webhook-subscriptions", body)
    for _ in range(4):
        await client.customer()
    monkeypatch.setattr(tally, "FAR", 2, raising=False)
    read, all_of = [], gateway.core.db.all

    async def spy(statement, **values):
        if "OFFSET" in statement.sql:
            read.append(statement.walks)
        return await all_of(statement, **values)

    monkeypatch.setattr(gateway.core.db, "all", spy)
    for path in ("/customers", "/events", f"{subscription}/webhooks"):
        (everything,) = (await client.get(path)).json()["_embedded"].values()
        for offset, walks in {2: [False], 3: [True], 4: [], 999_999_999: []}.items():
            read.clear()
            answer = (await client.get(f"{path}?offset={offset}")).json()
            assert (answer["total"], *answer["_embedded"].values()) == (4, everything[offset:])
            assert read == ([True] if walks and "webhook" in path else walks), (path, offset)


async def test_a_total_that_missed_a_row_is_caught(gateway):
    """The seeded bug: a customer written without its tally."""
    client = await gateway.application()
    await client.customer()
    body = {"url": "http://127.0.0.1:9/hook", "secret": "a secret of some length"}
    subscription = await client.create("/webhook-subscriptions", body)
    forget = Statement("UPDATE tally SET total = total - 1 WHERE kind = 'customers'")
    await gateway.core.db.transact(lambda tx: tx.run(forget))
    assert await totals(client, subscription) != await counted(gateway, client)


async def test_an_older_store_is_counted_once_when_it_is_migrated(gateway, database_url):
    client = await gateway.application()
    body = {"url": "http://127.0.0.1:9/hook", "secret": "a secret of some length"}
    subscription = await client.create("/webhook-subscriptions", body)
    for _ in range(3):
        await client.customer()
    before = await totals(client, subscription)

    async def go_back(tx):
        await tx.run(Statement("DROP TABLE tally"))
        await tx.run(Statement("DROP INDEX exchange_intent_orphan"))
        await tx.run(Statement("ALTER TABLE exchange DROP COLUMN name_match"))
        await tx.run(Statement("DROP INDEX exchange_session_sealed"))
        await tx.run(Statement("UPDATE alembic_version SET version_num = '0004'"))

    await gateway.core.db.transact(go_back)
    await migrations.migrate(database_url)
    assert await totals(client, subscription) == before
    await client.customer()
    assert await totals(client, subscription) == await counted(gateway, client)
