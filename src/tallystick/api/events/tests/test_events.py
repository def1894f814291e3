"""Events: newest first, paged without loss while more are written, each in its change's commit."""

from __future__ import annotations

import pytest

from tallystick.api.events import service
from tallystick.store.db import Statement

pytestmark = pytest.mark.anyio


async def test_pages_and_links(gateway):
    client = await gateway.application()
    made = [await client.customer() for _ in range(5)]
    page = (await client.get("/events?limit=2")).json()
    assert page["total"] == 5
    seen = [each["_links"]["resource"]["href"] for each in page["_embedded"]["events"]]
    while "next" in page["_links"]:
        page = (await client.get(page["_links"]["next"]["href"])).json()
        seen += [each["_links"]["resource"]["href"] for each in page["_embedded"]["events"]]
    assert seen == made[::-1]
    event = page["_embedded"]["events"][0]
    assert (await client.get(event["_links"]["self"]["href"])).json() == event
    assert event["_links"]["account"]["href"].endswith(client.made["account_id"])
    assert event["resourceId"] == made[0].rpartition("/")[2]


async def test_an_event_exists_exactly_if_its_change_does(gateway):
    client = await gateway.application()
    core, app_id = gateway.core, client.made["id"]

    async def fails(tx):
        await service.record(core, tx, app_id, "customer_created", "customers", "x", "x")
        raise LookupError

    with pytest.raises(LookupError):
        await core.db.transact(fails)
    assert (await client.get("/events")).json()["total"] == 0


async def test_every_event_is_in_the_audit_as_well(gateway):
    client = await gateway.application()
    customer = await client.customer()
    await client.funding_source(customer, await client.exchange(customer))
    changes = "SELECT change FROM audit WHERE resource <> 'applications' ORDER BY number"
    assert [row[0] for row in await gateway.core.db.all(Statement(changes))] == [
        "customer_created", "created", "created",
        "customer_funding_source_added", "customer_funding_source_verified",
    ]  # fmt: skip
