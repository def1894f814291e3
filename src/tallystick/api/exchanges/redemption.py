"""Redeeming a proof: intent, partner, grant, exchange (security-reliability 3.2).

T1   the intent, with the sealed proof, the idempotency key and the id the exchange will have
X    the partner, with no transaction open
T2   the sealed grant: the first durable thing after the partner's answer
T3   the exchange, its audit entry, the kept answer, and the intent's end, together

A crash after T1 leaves an intent that `resume` finishes: it asks the partner again, and a proof
that the partner says is used up means that a grant may exist which we never saw: an orphan, listed
for the operator. So does a partner that says nothing for an hour. A crash after T2 costs nothing
but time. No proof makes two exchanges, because the intent's proof hash is unique.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import msgspec
import structlog

from tallystick.api.available_connections import service as available_connections
from tallystick.api.exchanges import grants, health, store
from tallystick.api.exchanges.store import ExchangeRow, IntentRow
from tallystick.clock import HOUR_MS, SECOND_MS
from tallystick.core import Core
from tallystick.errors import (
    Conflict,
    InvalidExchangeToken,
    NotFound,
    StoreFailed,
    UnauthorizedExchangeToken,
)
from tallystick.partners.contract import Grant, Partner, Proof
from tallystick.partners.errors import (
    PartnerError,
    PartnerRefused,
    PartnerUnavailable,
    ProofExpired,
    ProofRejected,
)
from tallystick.partners.explain import explained
from tallystick.store import audit, idempotency
from tallystick.store.db import Transaction
from tallystick.store.idempotency import Claim, Outcome

EXPIRED = "Exchange token is expired."
BUSY = "This exchange token is being redeemed by another request."

# Longer than a partner call may last, so that nobody takes over what is still at work.
LEASE_MS = 30 * SECOND_MS
RESUME_MAX = 100
# A proof is kept no longer than this (security-reliability 4.6). Partners forget theirs sooner.
PROOF_MS = HOUR_MS
# How long a grant waits between tries to write it down; within the lease.
HOLD_AGAIN_S = (0.1, 0.4, 1.0, 2.0, 4.0)

T = TypeVar("T")

_log = structlog.get_logger("tallystick.exchanges")


async def redeem(
    core: Core,
    app_id: str,
    customer_id: str | None,
    partner: Partner,
    proof: Proof,
    claim: Claim | None = None,
    empty: bytes = b"",
) -> Outcome:
    """Turn a proof into an exchange; the answer to give, whose body is `empty`.

    Raises InvalidExchangeToken (400 or, for a customer, 401), InvalidExchange, Conflict, and what
    `explained` makes of the partner's errors.
    """
    intent = _intent(core, app_id, customer_id, partner, proof, claim)

    async def begin(tx: Transaction) -> None:
        await idempotency.claim_key(tx, claim, intent.created_at)
        state = await store.begin(tx, intent)
        if state is not None:
            # Raised inside, so that the claimed key is taken back with the transaction.
            raise Conflict(BUSY) if state in ("calling", "granted") else _rejected(intent)

    await core.db.transact(begin)
    # A client that hangs up cancels the waiting, never the work.
    return await asyncio.shield(_keep(_carry_out(core, intent, partner, proof, claim, empty)))


def _intent(
    core: Core,
    app_id: str,
    customer_id: str | None,
    partner: Partner,
    proof: Proof,
    claim: Claim | None,
) -> IntentRow:
    exchange_id = core.ids.new()
    now_ms = core.clock.now_ms()
    key = partner.manifest.key
    identity = f"proof\n{app_id}\n{key}\n{proof.identity()}"
    return IntentRow(
        id=exchange_id,
        app_id=app_id,
        customer_id=customer_id,
        partner_key=key,
        proof_hash=core.vault.hash(identity.encode()),
        proof_sealed=grants.seal_proof(core, app_id, exchange_id, proof),
        state="calling",
        tried=1,
        lease_until=now_ms + LEASE_MS,
        grant_sealed=None,
        idempotency_hash=claim.key_hash if claim else None,
        failure=None,
        created_at=now_ms,
    )


_at_work: set[asyncio.Task[Any]] = set()


def _keep(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task that nobody can lose: the event loop itself holds only weak references."""
    task = asyncio.create_task(work)
    _at_work.add(task)
    task.add_done_callback(_at_work.discard)
    return task


async def finish(for_s: float) -> None:
    """Wait until nothing is being redeemed, for so long at most. A partner may have answered with a
    grant, or be about to, and gives it once.
    """
    if _at_work:
        await asyncio.wait(_at_work, timeout=for_s)


async def _carry_out(
    core: Core,
    intent: IntentRow,
    partner: Partner,
    proof: Proof,
    claim: Claim | None,
    empty: bytes,
) -> Outcome:
    try:
        grant = await _redeem(core, intent, partner, proof)
    except PartnerError as error:
        # What the partner surely did not act upon is over. Else the intent stays open, its lease
        # runs out, and `resume` finds out.
        if not (isinstance(error, PartnerUnavailable) and error.acted is None):
            await _give_up(core, intent, "failed", error, claim)
        if isinstance(error, ProofExpired):
            raise InvalidExchangeToken(EXPIRED) from error
        if isinstance(error, ProofRejected):
            raise _rejected(intent) from error
        with explained(partner):
            raise
    await _hold(core, intent, grant)
    return await _record(core, intent, grant, claim, empty)


async def _give_up(
    core: Core, intent: IntentRow, state: str, error: PartnerError, claim: Claim | None
) -> bool:
    """Whether it was ours to give up: who took it over meanwhile answers for its key as well."""
    code = error.code
    ours = await core.db.transact(lambda tx: store.give_up(tx, intent, state, code))
    if ours:
        await idempotency.release(core.db, claim)
    return ours


def _rejected(intent: IntentRow) -> InvalidExchangeToken:
    """401 for a customer's exchange, 400 for the account's: so the documents have it (10.9)."""
    return InvalidExchangeToken() if intent.customer_id is None else UnauthorizedExchangeToken()


async def _redeem(core: Core, intent: IntentRow, partner: Partner, proof: Proof) -> Grant:
    """X: no transaction is open here."""
    if proof.sealed_by_us:
        handle = available_connections.open_token(
            core, intent.app_id, intent.partner_key, intent.customer_id or "", proof.identity()
        )
        proof = proof.opened(handle)
    grant = await partner.redeem(proof)
    # Threat T9. Sessions are customers', so what names a person is never the account's own.
    if grant.person not in (None, intent.customer_id):
        raise ProofRejected("ANOTHER_PERSON")
    return grant


async def _hold(core: Core, intent: IntentRow, grant: Grant) -> None:
    """T2. A fenced-out worker stops here: whoever took the intent over has the grant as well.

    Nobody else has it yet, and the partner gives it once: a store that is away for a moment is
    asked again. What it may have kept in spite of its error is kept twice.
    """
    sealed = grants.seal_grant(core, intent.app_id, store.INTENT, intent.id, grant)

    async def hold(tx: Transaction) -> bool:
        return await store.grant(tx, intent, sealed)

    for pause_s in HOLD_AGAIN_S:
        try:
            held = await core.db.transact(hold)
            break
        except StoreFailed as error:
            _log.warning("grant waits for the store", exchange=intent.id, error=str(error))
            await asyncio.sleep(pause_s)
    else:
        held = await core.db.transact(hold)
    if not held:
        raise Conflict(BUSY)


async def _record(
    core: Core, intent: IntentRow, grant: Grant, claim: Claim | None, empty: bytes
) -> Outcome:
    """T3."""
    now_ms = core.clock.now_ms()
    row = ExchangeRow(
        id=intent.id,
        app_id=intent.app_id,
        customer_id=intent.customer_id,
        partner_key=intent.partner_key,
        status="active",
        external_id=grant.external_id,
        grant_sealed=grants.seal_grant(core, intent.app_id, store.TABLE, intent.id, grant),
        consent_expires_at=grant.consent_expires_at,
        created_at=now_ms,
        checked_at=now_ms,
        seen_well_at=now_ms,
        name_match=grant.name_match,
    )

    async def finish(tx: Transaction) -> tuple[ExchangeRow, Outcome] | None:
        if not await store.conclude(tx, intent):
            return None
        kept = await _holder(tx, row, grant)
        if kept is None:
            await store.add(tx, row)
            await audit.note(tx, row.app_id, "exchanges", row.id, "created", row.created_at)
        outcome = Outcome(201, f"/exchanges/{(kept or row).id}", empty)
        await idempotency.settle(tx, core.vault, claim, outcome)
        return kept or row, outcome

    finished = await core.db.transact(finish)
    if finished is None:
        raise Conflict(BUSY)
    kept, outcome = finished
    if kept.id != row.id:
        await health.check(core, kept)  # what the person has just repaired works again
    return outcome


async def _holder(tx: Transaction, row: ExchangeRow, grant: Grant) -> ExchangeRow | None:
    """The person's exchange that stands on this consent already, where there can be but one.

    After a re-authentication the same exchange works again; no second one appears (contract 5.10).
    """
    if not grant.sole or row.customer_id is None:  # an account's proofs are never of this kind
        return None
    # Whoever redeems another proof of the same consent waits here until we have committed.
    await store.hold_customer(tx, row.app_id, row.customer_id)
    held = await store.list_of_consent(tx, row.partner_key, row.external_id)
    whose = (row.app_id, row.customer_id)
    return next((each for each in held if (each.app_id, each.customer_id) == whose), None)


# ── what a crash or a silent partner left open ────────────────────────────────────────────────


async def resume(core: Core) -> int:
    """Finish every intent whose lease is over; how many were taken up.

    Any number of processes may do this at once: an intent is taken by raising its `tried`. One
    that cannot be resumed, say because its partner is no longer there, does not stop the others.
    """
    taken = 0
    for intent in await store.list_open(core.db, core.clock.now_ms(), RESUME_MAX):
        # From now on, not from the start: each of those before it may have taken its time.
        lease_until = core.clock.now_ms() + LEASE_MS
        ours = msgspec.structs.replace(intent, tried=intent.tried + 1)
        if await core.db.transact(lambda tx, i=intent, u=lease_until: store.take(tx, i, u)):  # type: ignore[misc]
            taken += 1
            try:
                await asyncio.shield(_keep(_resume(core, ours)))
            except StoreFailed:
                raise
            except Conflict:
                continue  # taken over meanwhile; whoever has it finishes it
            except Exception as error:  # noqa: BLE001  # whatever it is, it is this intent's
                _log.error(
                    "resume failed",
                    exchange=intent.id,
                    partner=intent.partner_key,
                    error=type(error).__name__,
                )
    return taken


async def _resume(core: Core, intent: IntentRow) -> None:
    await core.vault.ready(core.db, intent.app_id)
    claim = Claim(intent.app_id, intent.idempotency_hash, b"") if intent.idempotency_hash else None
    partner = core.partners.by_key(intent.partner_key)
    empty = b"" if intent.customer_id else b"{}"
    if intent.state == "granted" and intent.grant_sealed is not None:
        await _record(core, intent, grants.held_grant(core, intent), claim, empty)
        return
    proof = grants.open_proof(core, partner, intent)
    try:
        grant = await _redeem(core, intent, partner, proof)
    except PartnerError as error:
        # Neither of these says what became of the first call: keys that stopped working since then
        # do not take back a grant that it was given. The lease runs out again, for an hour.
        undecided = isinstance(error, (PartnerUnavailable, PartnerRefused))
        if undecided and core.clock.now_ms() < intent.created_at + PROOF_MS:
            return
        spent = undecided or isinstance(error, ProofRejected)
        orphan = spent and not proof.only_looked_at
        state = "orphan" if orphan else "failed"
        ours = await _give_up(core, intent, state, error, claim)
        if orphan and ours:
            _log.error("orphaned grant", exchange=intent.id, partner=intent.partner_key)
        return
    await _hold(core, intent, grant)
    await _record(core, intent, grant, claim, empty)


async def list_orphans(core: Core) -> Sequence[IntentRow]:
    """Intents whose grant the partner may have given while the answer was lost."""
    return await store.list_orphans(core.db)


async def resolve_orphan(core: Core, intent_id: str) -> None:
    """Take an orphan off the list, once an operator has seen to it. Raises NotFound."""

    async def resolve(tx: Transaction) -> None:
        app_id = await store.resolve(tx, intent_id)
        if app_id is None:
            raise NotFound(f"There is no orphan {intent_id}.")
        now_ms = core.clock.now_ms()
        await audit.note(tx, app_id, "exchanges", intent_id, "orphan resolved", now_ms)

    await core.db.transact(resolve)
