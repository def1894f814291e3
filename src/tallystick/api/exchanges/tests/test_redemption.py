"""A grant that a partner gives only once: what may happen before it is written down."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tests.gateway import in_process

from tallystick.api.exchanges import redemption
from tallystick.clock import MINUTE_MS, SECOND_MS
from tallystick.errors import StoreFailed
from tallystick.partners.contract import Proof
from tallystick.partners.errors import PartnerUnavailable
from tallystick.partners.registry import GuardedPartner
from tallystick.store.db import Statement

pytestmark = pytest.mark.anyio

PROOFS = Statement("SELECT proof_sealed, state FROM exchange_intent")


@pytest.fixture
async def client(gateway):
    return await gateway.application()


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept all the same"])
async def test_a_grant_waits_for_a_store_that_is_away_for_a_moment(
    gateway, client, monkeypatch, kept
):
    customer = await client.customer()
    proof = await client.plaid_proof(customer)
    transact = gateway.core.db.transact
    failures = []

    async def failing(unit):
        if unit.__name__ != "hold" or len(failures) == 2:
            return await transact(unit)
        if kept:
            await transact(unit)
        failures.append(unit)
        raise StoreFailed("it is away", committed=None)

    monkeypatch.setattr(gateway.core.db, "transact", failing)
    monkeypatch.setattr(redemption, "HOLD_AGAIN_S", (0.0, 0.0, 0.0))
    exchange = await client.create(f"{customer}/exchanges", proof)
    assert len(failures) == 2
    assert (await client.get(exchange)).json()["status"] == "active"
    assert await redemption.list_orphans(gateway.core) == []


async def test_a_store_that_stays_away_is_not_waited_for_beyond_the_lease():
    assert sum(redemption.HOLD_AGAIN_S) * SECOND_MS < redemption.LEASE_MS / 3


@pytest.mark.parametrize("way", ["asked for", "resumed"])
async def test_a_process_that_ends_waits_for_what_a_partner_is_giving(
    tmp_path, database_url, monkeypatch, way
):
    """After its time to drain the server cancels every call, and then the store is closed."""
    redeem = GuardedPartner.redeem
    asked = asyncio.Event()

    async def slow(self, proof):
        grant = await redeem(self, proof)
        asked.set()
        await asyncio.sleep(0.3)
        return grant

    async def silent(_self, _proof):
        raise PartnerUnavailable("TIMED_OUT")

    async with in_process(tmp_path, database_url) as gateway:
        client = gateway.client()
        await client.sign_in()
        customer = await client.customer()
        body = await client.plaid_proof(customer)
        if way == "resumed":
            monkeypatch.setattr(GuardedPartner, "redeem", silent)
            await client.post(f"{customer}/exchanges", json=body)
            gateway.clock.advance(redemption.LEASE_MS + SECOND_MS)
        monkeypatch.setattr(GuardedPartner, "redeem", slow)
        if way == "asked for":
            work = asyncio.create_task(client.post(f"{customer}/exchanges", json=body))
        else:
            work = asyncio.create_task(redemption.resume(gateway.core))
        await asked.wait()
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
    async with in_process(tmp_path, database_url) as gateway:
        client = gateway.client()
        await client.sign_in()
        assert (await client.get(f"{customer}/exchanges")).json()["total"] == 1
        assert await redemption.list_orphans(gateway.core) == []


@pytest.mark.parametrize(("looks", "state"), [(False, "orphan"), (True, "failed")])
async def test_a_proof_is_not_kept_for_a_partner_that_stays_silent(
    gateway, client, monkeypatch, looks, state
):
    """There may be a grant unless redeeming only looks."""

    async def silent(_self, _proof):
        raise PartnerUnavailable("TIMED_OUT")

    customer = await client.customer()
    body = await client.plaid_proof(customer)
    monkeypatch.setattr(GuardedPartner, "redeem", silent)
    assert (await client.post(f"{customer}/exchanges", json=body)).status_code == 500
    monkeypatch.setattr(Proof, "only_looked_at", looks)
    gateway.clock.advance(redemption.PROOF_MS - MINUTE_MS)
    await redemption.resume(gateway.core)
    assert [row[1] for row in await gateway.core.db.all(PROOFS)] == ["calling"]
    gateway.clock.advance(MINUTE_MS)
    await redemption.resume(gateway.core)
    ((sealed, now),) = await gateway.core.db.all(PROOFS)
    assert (sealed, now) == (None, state)
