"""Keys that may be used once more: one whose first request died half way, one whose day is over."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tallystick.store import idempotency
from tallystick.store.idempotency import Claim, Outcome

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


async def test_a_key_is_free_after_a_day_however_many_wait_to_be_forgotten(gateway):
    """A few are forgotten with every key that is claimed: after a busy day most are still there."""
    client = await gateway.application()
    keys = [f"order-{number}" for number in range(30)]
    made = set()
    for key in (*keys, keys[-1]):
        email = f"ada{len(made)}@example.com"
        body = {"firstName": "Ada", "lastName": "Byron", "email": email}
        if len(made) == len(keys):
            gateway.clock.advance(idempotency.WINDOW_MS)
            await client.sign_in(client.made["client_id"], client.made["client_secret"])
        made.add(await client.create("/customers", body, headers={"Idempotency-Key": key}))
        gateway.clock.advance(1)
    assert len(made) == len(keys) + 1
    again = await client.post("/customers", json=body, headers={"Idempotency-Key": keys[-1]})
    assert again.headers["location"] in made


async def test_who_comes_a_day_late_does_not_answer_for_another(gateway):
    """An intent may stay open for as long as its partner is silent."""
    client = await gateway.application()
    core = gateway.core

    async def use(path, at_ms):
        claim = Claim.of(core.vault, client.made["id"], KEY, "POST", path, None)
        await core.db.transact(lambda tx: idempotency.claim_key(tx, claim, at_ms))
        return claim, Outcome(201, path, b"")

    now_ms = gateway.clock.now_ms()
    late = await use("/exchanges/1", now_ms)
    used = await use("/customers/1", now_ms + idempotency.WINDOW_MS)
    for each in (used, late):
        await core.db.transact(lambda tx, each=each: idempotency.settle(tx, core.vault, *each))
    found = await idempotency.find(core.db, core.vault, used[0], now_ms + idempotency.WINDOW_MS)
    assert found == used[1]
