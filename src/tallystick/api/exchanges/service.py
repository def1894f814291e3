"""Exchanges: made by redeeming a proof (`redemption.py`), read, and looked after (`health.py`)."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.api.customers import service as customers
from tallystick.api.exchanges import grants, health, redemption, store
from tallystick.api.exchanges.proofs import Create, read_body
from tallystick.api.exchanges.store import ExchangeRow, ShownRow
from tallystick.core import Core, Principal
from tallystick.errors import Forbidden, InvalidExchange, NotFound
from tallystick.partners.contract import Redeems
from tallystick.store.idempotency import Claim, Outcome

ABSENT = "The requested resource was not found. Check Exchange ID."

# What other services and the server use of this resource.
Held = ExchangeRow
redeem = redemption.redeem
resume = redemption.resume
finish = redemption.finish
list_orphans = redemption.list_orphans
resolve_orphan = redemption.resolve_orphan
ask = health.ask
heed = health.heed
expect_repair = health.expect_repair
sweep = health.sweep
open_grant = grants.open_grant


async def create(
    core: Core, principal: Principal, command: Create, claim: Claim | None, empty: bytes
) -> Outcome:
    """Redeem the proof in `command`; the answer to give, whose body is `empty`.

    Raises NotFound (customer, partner), ValidationFailed, InvalidExchangeToken (400 or, for a
    customer, 401), InvalidExchange, Conflict, and what `explained` makes of the partner's errors.
    """
    if command.customer_id is not None:
        await customers.require(core, principal, command.customer_id)
    partner, proof = read_body(core.partners, command)
    if not partner.has(Redeems):
        raise Forbidden("The exchange partner specified does not support this product")
    return await redeem(core, principal.app_id, command.customer_id, partner, proof, claim, empty)


# ── reading ───────────────────────────────────────────────────────────────────────────────────


async def find(core: Core, app_id: str, exchange_id: str) -> ExchangeRow:
    """Raises NotFound, for another application's exchange as well."""
    row = await store.find(core.db, app_id, exchange_id)
    if row is None:
        raise NotFound(ABSENT)
    return row


async def show(core: Core, app_id: str, exchange_id: str) -> ShownRow:
    """What the application may see of it. Raises NotFound as `find` does."""
    row = await store.find_shown(core.db, app_id, exchange_id)
    if row is None:
        raise NotFound(ABSENT)
    return row


async def look_again(core: Core, app_id: str, exchange_id: str) -> None:
    """Ask the partner if an exchange works now. Raises NotFound, and InvalidExchange if not."""
    await health.check(core, await find(core, app_id, exchange_id))
    if (await find(core, app_id, exchange_id)).cause is not None:
        raise InvalidExchange


async def list_every(core: Core, after: str, limit: int) -> Sequence[ExchangeRow]:
    """Exchanges of all applications, for the operator: oldest first, after the id `after`."""
    return await store.list_every(core.db, after, limit)


async def check_any(core: Core, exchange_id: str) -> ExchangeRow:
    """Ask the partner of any application's exchange whether it works, for the operator."""
    row = await _any(core, exchange_id)
    await core.vault.ready(core.db, row.app_id)
    await health.check(core, row)
    return await _any(core, exchange_id)


async def drive_any(core: Core, exchange_id: str, verb: str) -> ExchangeRow:
    """Put any application's exchange into a state, for the sandbox. Raises NotFound."""
    await health.drive(core, await _any(core, exchange_id), verb)
    return await _any(core, exchange_id)


async def _any(core: Core, exchange_id: str) -> ExchangeRow:
    row = await store.find_any(core.db, exchange_id)
    if row is None:
        raise NotFound(ABSENT)
    return row


async def list_for(core: Core, principal: Principal, customer_id: str | None) -> Sequence[ShownRow]:
    """Every exchange of a customer, or of the account itself, newest first. Raises NotFound."""
    rows = await store.list_shown(core.db, principal.app_id, customer_id)
    if not rows and customer_id is not None:  # who has an exchange is there
        await customers.require(core, principal, customer_id)
    return rows
