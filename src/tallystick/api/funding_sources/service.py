"""Making, finding, changing and removing funding sources.

From an exchange: the partner is asked for the account's numbers with no transaction open, then one
transaction writes the source and its two events. It is verified at once, because the person signed
in at the institution. From bare numbers it is unverified.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tallystick.api.customers import service as customers
from tallystick.api.events import service as events
from tallystick.api.funding_sources import cards, store
from tallystick.api.funding_sources.changes import edited
from tallystick.api.funding_sources.creation import (
    AUTHORIZED_ALREADY,
    Create,
    from_exchange,
    from_numbers,
    refuse_variants,
)
from tallystick.api.funding_sources.store import FundingSourceRow
from tallystick.clock import HOUR_MS
from tallystick.core import Core, Principal
from tallystick.errors import (
    Conflict,
    DuplicateResource,
    InvalidResourceState,
    NotFound,
    ValidationFailed,
)
from tallystick.store import idempotency
from tallystick.store.db import Taken, Transaction, Unit
from tallystick.store.idempotency import Claim, Outcome

ABSENT = "Funding source not found."
NO_CUSTOMER = "Customer not found."
NO_ACCOUNT = "Account not found."
CHECK_CUSTOMER = "Customer ID not found. Check Customer ID."
REMOVED = "A removed bank cannot be updated."
NOT_YOURS = "A settlement account cannot be removed."
OVERTAKEN = "The bank account was changed by another request at the same time."

# An unverified account that comes back within this time keeps its id (contract 6.3).
REVIVAL_MS = 48 * HOUR_MS


async def create(core: Core, principal: Principal, command: Create, claim: Claim | None) -> Outcome:
    """Make a funding source; the answer to give.

    Raises NotFound, ValidationFailed, DuplicateResource, InactiveExchange, InvalidExchangeToken,
    Conflict, and what `explained` makes of the partner's errors.
    """
    if command.customer_id is not None:
        await _customer(core, principal, command.customer_id, CHECK_CUSTOMER)
    refuse_variants(command.body)
    if not command.names_exchange and command.body.get("cardDetails") is None:
        row = from_numbers(core, principal, command)
        return await _add(core, principal, row, claim, to_claim=claim)
    if claim is not None:
        now_ms = core.clock.now_ms()
        await core.db.transact(lambda tx: idempotency.claim_key(tx, claim, now_ms))
    try:
        row = await from_exchange(core, principal, command)
        return await _add(core, principal, row, claim)
    except BaseException:
        await idempotency.release(core.db, claim)
        raise


async def _add(
    core: Core,
    principal: Principal,
    row: FundingSourceRow,
    claim: Claim | None,
    *,
    to_claim: Claim | None = None,
) -> Outcome:
    """Write the source. `to_claim` is the claim if it was not made before."""

    async def add(tx: Transaction) -> Outcome:
        await idempotency.claim_key(tx, to_claim, row.created_at)
        kept = await _revive(tx, row) if row.status == "unverified" else None
        if kept is None:
            if not await store.add(tx, row):
                raise await _duplicate(tx, row)
            kept = row
        if kept.type == "card":
            await store.add(tx, cards.settlement(core, principal, row.created_at))
        await _record(core, tx, kept, "added")
        if kept.status == "verified":
            await _record(core, tx, kept, "verified")
        outcome = Outcome(201, f"/funding-sources/{kept.id}", b"")
        await idempotency.settle(tx, core.vault, claim, outcome)
        return outcome

    return await _transact(core, add)


async def _transact(core: Core, unit: Unit[Outcome]) -> Outcome:
    """Run `unit`, and once more if somebody took the same account after it had looked.

    The second time it sees who, and says so. Raises Conflict if even that was overtaken.
    """
    try:
        return await core.db.transact(unit)
    except Taken:
        pass
    try:
        return await core.db.transact(unit)
    except Taken:
        raise Conflict(OVERTAKEN) from None


async def _revive(tx: Transaction, row: FundingSourceRow) -> FundingSourceRow | None:
    """The removed source with the same numbers, live again under its old id; or None."""
    if row.fingerprint is None or await store.find_live_bank(
        tx, row.app_id, row.owner_id, row.fingerprint
    ):
        return None
    old = await store.find_revivable(
        tx, row.app_id, row.owner_id, row.fingerprint, row.created_at - REVIVAL_MS
    )
    if old is None:
        return None
    back = msgspec.structs.replace(
        old,
        name=row.name,
        bank_account_type=row.bank_account_type,
        removed=False,
        removed_at=None,
    )
    return back if await store.revive(tx, back) else None


async def _duplicate(
    tx: Transaction, row: FundingSourceRow
) -> DuplicateResource | ValidationFailed | Conflict:
    """Whose way `row` is in. An exchange that is in use is told first, as before the partner call,
    so that those who lose a race hear what those who come late hear.
    """
    if row.exchange_id and await store.find_live_exchange(tx, row.app_id, row.exchange_id):
        return ValidationFailed(AUTHORIZED_ALREADY)
    same = await store.find_live_bank(tx, row.app_id, row.owner_id, row.fingerprint or "")
    if same is None:
        return Conflict(OVERTAKEN)  # it was removed again in the meantime
    return DuplicateResource(
        f"Bank already exists: id={same.id}", about=("funding-sources", same.id)
    )


async def forget(core: Core) -> int:
    """Destroy the numbers of sources that can no longer come back; how many there were."""
    before = core.clock.now_ms() - REVIVAL_MS
    if not await store.any_to_forget(core.db, before):
        return 0
    return await core.db.transact(lambda tx: store.forget(tx, before))


async def find(core: Core, app_id: str, source_id: str) -> FundingSourceRow:
    """Raises NotFound, for another application's funding source as well."""
    row = await store.find(core.db, app_id, source_id)
    if row is None:
        raise NotFound(ABSENT)
    return row


async def list_of_customer(
    core: Core, principal: Principal, customer_id: str, removed: str | None
) -> Sequence[FundingSourceRow]:
    """Raises NotFound."""
    await _customer(core, principal, customer_id, NO_CUSTOMER)
    return await _list(core, principal, customer_id, removed)


async def list_of_account(
    core: Core, principal: Principal, account_id: str, removed: str | None
) -> Sequence[FundingSourceRow]:
    """Raises NotFound unless it is the caller's own account."""
    if account_id != principal.account_id:
        raise NotFound(NO_ACCOUNT)
    return await _list(core, principal, account_id, removed)


async def _list(
    core: Core, principal: Principal, owner_id: str, removed: str | None
) -> Sequence[FundingSourceRow]:
    """`removed`: `true` → removed ones only, `false` → live ones only, else all (10.41)."""
    rows = await store.list_newest(core.db, principal.app_id, owner_id)
    if removed not in ("true", "false"):
        return rows
    return [row for row in rows if bool(row.removed) == (removed == "true")]


async def update(
    core: Core,
    principal: Principal,
    source_id: str,
    body: dict[str, Any],
    claim: Claim | None,
    answer: Callable[[FundingSourceRow], bytes],
) -> Outcome:
    """Rename, correct or remove; `answer(row)` makes the body of the answer.

    Raises NotFound, ValidationFailed, DuplicateResource, InvalidResourceState, Conflict.
    """
    now_ms = core.clock.now_ms()

    async def apply(tx: Transaction) -> Outcome:
        row = await store.hold(tx, principal.app_id, source_id)
        if row is None:
            raise NotFound(ABSENT)
        await idempotency.claim_key(tx, claim, now_ms)
        if row.removed:
            raise InvalidResourceState(REMOVED)
        if body.get("removed") is True and row.bank_usage_type is not None:
            raise InvalidResourceState(NOT_YOURS)
        if body.get("removed") is True:
            changed = msgspec.structs.replace(row, removed=True, removed_at=now_ms)
            what = "removed"
        else:
            changed, what = edited(core, row, body), "updated"
            if changed.fingerprint != row.fingerprint and await store.find_live_bank(
                tx, row.app_id, row.owner_id, changed.fingerprint or ""
            ):
                raise await _duplicate(tx, changed)
        await store.update(tx, changed)
        await _record(core, tx, changed, what)
        outcome = Outcome(200, None, answer(changed))
        await idempotency.settle(tx, core.vault, claim, outcome)
        return outcome

    return await _transact(core, apply)


async def unverify_any(core: Core, source_id: str) -> FundingSourceRow:
    """Take back that any application's source was verified, for the sandbox.

    Raises NotFound, and InvalidResourceState when it is removed or not verified.
    """
    found = await store.find_any(core.db, source_id)

    async def apply(tx: Transaction) -> FundingSourceRow:
        row = None if found is None else await store.hold(tx, found.app_id, source_id)
        if row is None:
            raise NotFound(ABSENT)
        if row.removed or row.status != "verified":
            raise InvalidResourceState
        changed = msgspec.structs.replace(row, status="unverified")
        await store.update(tx, changed)
        await _record(core, tx, changed, "unverified")
        return changed

    return await core.db.transact(apply)


_TOPICS: dict[tuple[str, bool], events.Topic] = {
    ("added", True): "customer_funding_source_added",
    ("verified", True): "customer_funding_source_verified",
    ("unverified", True): "customer_funding_source_unverified",
    ("removed", True): "customer_funding_source_removed",
    ("updated", True): "customer_funding_source_updated",
    ("added", False): "funding_source_added",
    ("verified", False): "funding_source_verified",
    ("unverified", False): "funding_source_unverified",
    ("removed", False): "funding_source_removed",
    ("updated", False): "funding_source_updated",
}


async def _record(core: Core, tx: Transaction, row: FundingSourceRow, what: str) -> None:
    topic = _TOPICS[what, row.customer_id is not None]
    await events.record(core, tx, row.app_id, topic, "funding-sources", row.id, row.customer_id)


async def _customer(core: Core, principal: Principal, customer_id: str, absent: str) -> None:
    try:
        await customers.require(core, principal, customer_id)
    except NotFound:
        raise NotFound(absent) from None
