"""A key whose first request died half way: the same request may have it after a while."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tallystick.store import idempotency
from tallystick.store.idempotency import Claim

pytestmark = pytest.mark.anyio

KEY = "order-7"


async def test_the_same_request_takes_over_a_key_that_a_crash_left(gateway):
    client = await gateway.application()
    customer = await client.customer()
    href = await client.partner_href("Plaid")
    body = {"_links": {"exchange-partner": {"href": href}}}
    path = f"{urlsplit(customer).path}/exchange-sessions"

    async def post(sent=body):
        return await client.post(path, json=sent, headers={"Idempotency-Key": KEY})

    claim = Claim.of(gateway.core.vault, client.made["id"], KEY, "POST", path, body)
    now_ms = gateway.clock.now_ms()
    await gateway.core.db.transact(lambda tx: idempotency.claim_key(tx, claim, now_ms))
    assert (await post()).status_code == 409
    gateway.clock.advance(idempotency.LEASE_MS)
    another = await post({"_links": {"exchange-partner": {"href": f"{href}?"}}})
    assert another.json()["message"] == idempotency.DIFFERENT
    made = await post()
    assert made.status_code == 201
    gateway.clock.advance(idempotency.LEASE_MS)
    again = await post()
    assert (again.status_code, again.headers["location"]) == (201, made.headers["location"])
