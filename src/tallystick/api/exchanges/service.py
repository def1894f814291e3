"""Redeeming a proof: intent, partner, grant, exchange (security-reliability 3.2).

T1   the intent, with the sealed proof, the idempotency key and the id the exchange will have
X    the partner, with no transaction open
T2   the sealed grant: the first durable thing after the partner's answer
T3   the exchange, its audit entry, the kept answer, and the intent's end, together

A crash after T1 leaves an intent that `resume` finishes: it asks the partner again, and a proof
that the partner says is used up means that a grant may exist which we never saw: an orphan, listed
for the operator. A crash after T2 costs nothing but time. No proof makes two exchanges, because the
intent's proof hash is unique.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from tallystick.api.available_connections import service as available_connections
from tallystick.api.customers import service as customers
from tallystick.api.exchanges import store
from tallystick.api.exchanges.proofs import Create, read_body
from tallystick.api.exchanges.store import ExchangeRow, IntentRow
from tallystick.clock import SECOND_MS
from tallystick.core import Core, Principal
from tallystick.errors import (
    Conflict,
    Forbidden,
    InvalidExchangeToken,
    NotFound,
    UnauthorizedExchangeToken,
)
from tallystick.partners.contract import Grant, Partner, Proof, Redeems
from tallystick.partners.errors import (
    PartnerError,
    PartnerUnavailable,
    ProofExpired,
    ProofRejected,
)
from tallystick.partners.explain import explained
from tallystick.secret import Secret
from tallystick.store import audit, idempotency
from tallystick.store.db import Transaction
from tallystick.store.idempotency import Claim, Outcome
from tallystick.store.vault import Place

ABSENT = "The requested resource was not found. Check Exchange ID."
EXPIRED = "Exchange token is expired."
BUSY = "This exchange token is being redeemed by another request."

# Longer than a partner call may last, so that nobody takes over what is still at work.
LEASE_MS = 30 * SECOND_MS
RESUME_MAX = 100

# What other services call a row of this resource.
Held = ExchangeRow

_log = structlog.get_logger("tallystick.exchanges")


class SealedProof(msgspec.Struct, frozen=True):
    """A proof as it is kept for `resume`: which kind it was, and its fields."""

    member: str
    fields: Any


class SealedGrant(msgspec.Struct, frozen=True):
    secret: str
    external_id: str
    consent_expires_at: int | None


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
    intent = _intent(core, principal, command.customer_id, partner, proof, claim)

    async def begin(tx: Transaction) -> str | None:
        await idempotency.claim_key(tx, claim, intent.created_at)
        state = await store.begin(tx, intent)
        if state is not None:
            # Raised inside, so that the claimed key is taken back with the transaction.
            raise Conflict(BUSY) if state in ("calling", "granted") else _rejected(command)
        return state

    await core.db.transact(begin)
    # A client that hangs up cancels the waiting, never the work.
    return await asyncio.shield(_keep(_carry_out(core, intent, partner, proof, claim, empty)))


_at_work: set[asyncio.Task[Any]] = set()


def _keep(work: Any) -> asyncio.Task[Outcome]:
    """A task that nobody can lose: the event loop itself holds only weak references."""
    task: asyncio.Task[Outcome] = asyncio.create_task(work)
    _at_work.add(task)
    task.add_done_callback(_at_work.discard)
    return task


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
) -> None:
    code = error.code
    await core.db.transact(lambda tx: store.give_up(tx, intent, state, code))
    await idempotency.release(core.db, claim)


def _rejected(what: Create | IntentRow) -> InvalidExchangeToken:
    """401 for a customer's exchange, 400 for the account's: so the documents have it (10.9)."""
    return InvalidExchangeToken() if what.customer_id is None else UnauthorizedExchangeToken()


async def _redeem(core: Core, intent: IntentRow, partner: Partner, proof: Proof) -> Grant:
    """X: no transaction is open here."""
    if proof.sealed_by_us:
        handle = available_connections.open_token(
            core, intent.app_id, intent.partner_key, intent.customer_id or "", proof.identity()
        )
        proof = proof.opened(handle)
    return await partner.redeem(proof)


async def _hold(core: Core, intent: IntentRow, grant: Grant) -> None:
    """T2. A fenced-out worker stops here: whoever took the intent over has the grant as well."""
    sealed = core.vault.seal(_intent_place(intent, store.GRANT), _encode_grant(grant))
    if not await core.db.transact(lambda tx: store.grant(tx, intent, sealed)):
        raise Conflict(BUSY)


async def _record(
    core: Core, intent: IntentRow, grant: Grant, claim: Claim | None, empty: bytes
) -> Outcome:
    """T3."""
    row = ExchangeRow(
        id=intent.id,
        app_id=intent.app_id,
        customer_id=intent.customer_id,
        partner_key=intent.partner_key,
        status="active",
        external_id=grant.external_id,
        grant_sealed=core.vault.seal(
            Place(intent.app_id, store.TABLE, store.GRANT, intent.id), _encode_grant(grant)
        ),
        consent_expires_at=grant.consent_expires_at,
        created_at=core.clock.now_ms(),
    )
    outcome = Outcome(201, f"/exchanges/{row.id}", empty)

    async def finish(tx: Transaction) -> bool:
        if not await store.conclude(tx, intent):
            return False
        await store.add(tx, row)
        await audit.note(tx, row.app_id, "exchanges", row.id, "created", row.created_at)
        await idempotency.settle(tx, core.vault, claim, outcome)
        return True

    if not await core.db.transact(finish):
        raise Conflict(BUSY)
    return outcome


# ── what a crash or a silent partner left open ────────────────────────────────────────────────


async def resume(core: Core) -> int:
    """Finish every intent whose lease is over; how many were taken up.

    Any number of processes may do this at once: an intent is taken by raising its `tried`.
    """
    now_ms = core.clock.now_ms()
    taken = 0
    for intent in await store.list_open(core.db, now_ms, RESUME_MAX):
        lease_until = now_ms + LEASE_MS
        ours = msgspec.structs.replace(intent, tried=intent.tried + 1)
        if await core.db.transact(lambda tx, i=intent, u=lease_until: store.take(tx, i, u)):  # type: ignore[misc]
            taken += 1
            await _resume(core, ours)
    return taken


async def _resume(core: Core, intent: IntentRow) -> None:
    await core.vault.ready(core.db, intent.app_id)
    claim = Claim(intent.app_id, intent.idempotency_hash, b"") if intent.idempotency_hash else None
    partner = core.partners.by_key(intent.partner_key)
    empty = b"" if intent.customer_id else b"{}"
    if intent.state == "granted" and intent.grant_sealed is not None:
        box = core.vault.open_box(_intent_place(intent, store.GRANT), intent.grant_sealed)
        await _record(core, intent, _decode_grant(box), claim, empty)
        return
    try:
        grant = await _redeem(core, intent, partner, _open_proof(core, partner, intent))
    except PartnerUnavailable:
        return  # the lease runs out again
    except PartnerError as error:
        orphan = isinstance(error, ProofRejected)
        state = "orphan" if orphan else "failed"
        await _give_up(core, intent, state, error, claim)
        if orphan:
            _log.error("orphaned grant", exchange=intent.id, partner=intent.partner_key)
        return
    await _hold(core, intent, grant)
    await _record(core, intent, grant, claim, empty)


async def list_orphans(core: Core) -> Sequence[IntentRow]:
    """Intents whose grant the partner may have given while the answer was lost."""
    return await store.list_orphans(core.db)


# ── reading ───────────────────────────────────────────────────────────────────────────────────


async def find(core: Core, app_id: str, exchange_id: str) -> ExchangeRow:
    """Raises NotFound, for another application's exchange as well."""
    row = await store.find(core.db, app_id, exchange_id)
    if row is None:
        raise NotFound(ABSENT)
    return row


async def list_for(
    core: Core, principal: Principal, customer_id: str | None
) -> Sequence[ExchangeRow]:
    """Every exchange of a customer, or of the account itself, newest first."""
    if customer_id is not None:
        await customers.require(core, principal, customer_id)
    return await store.list_newest(core.db, principal.app_id, customer_id)


def open_grant(core: Core, row: ExchangeRow) -> Grant:
    """The grant of an exchange that has one."""
    if row.grant_sealed is None:
        raise NotFound(ABSENT)
    place = Place(row.app_id, store.TABLE, store.GRANT, row.id)
    return _decode_grant(core.vault.open_box(place, row.grant_sealed))


# ── sealing ───────────────────────────────────────────────────────────────────────────────────


def _intent(
    core: Core,
    principal: Principal,
    customer_id: str | None,
    partner: Partner,
    proof: Proof,
    claim: Claim | None,
) -> IntentRow:
    exchange_id = core.ids.new()
    now_ms = core.clock.now_ms()
    key = partner.manifest.key
    sealed = msgspec.msgpack.encode(SealedProof(proof.member, msgspec.to_builtins(proof)))
    identity = f"proof\n{principal.app_id}\n{key}\n{proof.identity()}"
    return IntentRow(
        id=exchange_id,
        app_id=principal.app_id,
        customer_id=customer_id,
        partner_key=key,
        proof_hash=core.vault.hash(identity.encode()),
        proof_sealed=core.vault.seal(
            Place(principal.app_id, store.INTENT, store.PROOF, exchange_id), sealed
        ),
        state="calling",
        tried=1,
        lease_until=now_ms + LEASE_MS,
        grant_sealed=None,
        idempotency_hash=claim.key_hash if claim else None,
        failure=None,
        created_at=now_ms,
    )


def _open_proof(core: Core, partner: Partner, intent: IntentRow) -> Proof:
    box = core.vault.open_box(_intent_place(intent, store.PROOF), intent.proof_sealed or b"")
    kept = msgspec.msgpack.decode(box.reveal(), type=SealedProof)
    kind = next(kind for kind in partner.manifest.proofs if kind.member == kept.member)
    return msgspec.convert(kept.fields, kind)


def _intent_place(intent: IntentRow, column: str) -> Place:
    return Place(intent.app_id, store.INTENT, column, intent.id)


def _encode_grant(grant: Grant) -> bytes:
    return msgspec.msgpack.encode(
        SealedGrant(grant.secret.reveal(), grant.external_id, grant.consent_expires_at)
    )


def _decode_grant(box: Secret[bytes]) -> Grant:
    kept = msgspec.msgpack.decode(box.reveal(), type=SealedGrant)
    return Grant(Secret(kept.secret), kept.external_id, kept.consent_expires_at)
