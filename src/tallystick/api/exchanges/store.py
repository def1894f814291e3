"""The tables `exchange` and `exchange_intent`."""

from __future__ import annotations

import msgspec

from tallystick.store.db import Reads, Statement, Transaction

TABLE, INTENT = "exchange", "exchange_intent"
GRANT, PROOF = "grant", "proof"

_COLUMNS = (
    "id, app_id, customer_id, partner_key, status, external_id, grant_sealed,"
    " consent_expires_at, created_at"
)
_ADD = Statement(
    f"INSERT INTO exchange ({_COLUMNS})"
    " VALUES (:id, :app_id, :customer_id, :partner_key, :status, :external_id, :grant_sealed,"
    " :consent_expires_at, :created_at) ON CONFLICT DO NOTHING"
)
_FIND = Statement(f"SELECT {_COLUMNS} FROM exchange WHERE app_id = :app_id AND id = :id")
_OF_CUSTOMER = Statement(
    f"SELECT {_COLUMNS} FROM exchange WHERE app_id = :app_id AND customer_id = :customer_id"
    " ORDER BY id DESC"
)
_OF_ACCOUNT = Statement(
    f"SELECT {_COLUMNS} FROM exchange WHERE app_id = :app_id AND customer_id IS NULL"
    " ORDER BY id DESC"
)

_INTENT_COLUMNS = (
    "id, app_id, customer_id, partner_key, proof_hash, proof_sealed, state, tried, lease_until,"
    " grant_sealed, idempotency_hash, failure, created_at"
)
_BEGIN = Statement(
    f"INSERT INTO exchange_intent ({_INTENT_COLUMNS})"
    " VALUES (:id, :app_id, :customer_id, :partner_key, :proof_hash, :proof_sealed, 'calling', 1,"
    " :lease_until, NULL, :idempotency_hash, NULL, :created_at) ON CONFLICT DO NOTHING"
)
_STATE_OF = Statement(
    "SELECT state FROM exchange_intent WHERE app_id = :app_id AND partner_key = :partner_key"
    " AND proof_hash = :proof_hash AND state <> 'failed'"
)
_GRANTED = Statement(
    "UPDATE exchange_intent SET state = 'granted', grant_sealed = :grant_sealed"
    " WHERE id = :id AND tried = :tried AND state = 'calling'"
)
_RECORDED = Statement(
    "UPDATE exchange_intent SET state = 'recorded', proof_sealed = NULL, grant_sealed = NULL"
    " WHERE id = :id AND tried = :tried AND state = 'granted'"
)
_FAILED = Statement(
    "UPDATE exchange_intent SET state = :state, failure = :failure, proof_sealed = NULL"
    " WHERE id = :id AND tried = :tried AND state = 'calling'"
)
_OPEN = Statement(
    f"SELECT {_INTENT_COLUMNS} FROM exchange_intent"
    " WHERE state IN ('calling', 'granted') AND lease_until <= :now_ms ORDER BY lease_until"
    " LIMIT :limit"
)
_TAKE = Statement(
    "UPDATE exchange_intent SET tried = tried + 1, lease_until = :lease_until"
    " WHERE id = :id AND tried = :tried AND state IN ('calling', 'granted')"
)
_COUNT_OPEN = Statement(
    "SELECT count(*) FROM exchange_intent WHERE state IN ('calling', 'granted')"
)
_ORPHANS = Statement(
    f"SELECT {_INTENT_COLUMNS} FROM exchange_intent WHERE state = 'orphan' ORDER BY id"
)


class ExchangeRow(msgspec.Struct, frozen=True):
    """`customer_id` is None for an exchange of the account itself."""

    id: str
    app_id: str
    customer_id: str | None
    partner_key: str
    status: str
    external_id: str
    grant_sealed: bytes | None
    consent_expires_at: int | None
    created_at: int


class IntentRow(msgspec.Struct, frozen=True):
    """One attempt to redeem one proof; `id` is the id that the exchange gets.

    state: calling → granted → recorded, or calling → failed | orphan. `tried` fences: an update by
    somebody whose lease was taken over changes nothing.
    """

    id: str
    app_id: str
    customer_id: str | None
    partner_key: str
    proof_hash: bytes
    proof_sealed: bytes | None
    state: str
    tried: int
    lease_until: int
    grant_sealed: bytes | None
    idempotency_hash: bytes | None
    failure: str | None
    created_at: int


async def add(tx: Transaction, row: ExchangeRow) -> None:
    await tx.run(_ADD, **msgspec.structs.asdict(row))


async def find(reads: Reads, app_id: str, exchange_id: str) -> ExchangeRow | None:
    row = await reads.one(_FIND, app_id=app_id, id=exchange_id)
    return ExchangeRow(*row) if row else None


async def list_newest(reads: Reads, app_id: str, customer_id: str | None) -> list[ExchangeRow]:
    """All exchanges of a customer, or of the account itself."""
    if customer_id is None:
        rows = await reads.all(_OF_ACCOUNT, app_id=app_id)
    else:
        rows = await reads.all(_OF_CUSTOMER, app_id=app_id, customer_id=customer_id)
    return [ExchangeRow(*row) for row in rows]


async def begin(tx: Transaction, row: IntentRow) -> str | None:
    """Write the intent. None if it is ours; else the state of the one that has this proof."""
    begun = await tx.run(
        _BEGIN,
        id=row.id,
        app_id=row.app_id,
        customer_id=row.customer_id,
        partner_key=row.partner_key,
        proof_hash=row.proof_hash,
        proof_sealed=row.proof_sealed,
        lease_until=row.lease_until,
        idempotency_hash=row.idempotency_hash,
        created_at=row.created_at,
    )
    if begun:
        return None
    other = await tx.one(
        _STATE_OF, app_id=row.app_id, partner_key=row.partner_key, proof_hash=row.proof_hash
    )
    return other[0] if other else "calling"


async def grant(tx: Transaction, intent: IntentRow, sealed: bytes) -> bool:
    """False when somebody else has taken the intent over."""
    return await tx.run(_GRANTED, id=intent.id, tried=intent.tried, grant_sealed=sealed) > 0


async def conclude(tx: Transaction, intent: IntentRow) -> bool:
    return await tx.run(_RECORDED, id=intent.id, tried=intent.tried) > 0


async def give_up(tx: Transaction, intent: IntentRow, state: str, failure: str) -> bool:
    """`state` is failed (the proof may be tried again) or orphan (the partner may have acted)."""
    return await tx.run(_FAILED, id=intent.id, tried=intent.tried, state=state, failure=failure) > 0


async def list_open(reads: Reads, now_ms: int, limit: int) -> list[IntentRow]:
    """Intents whose lease is over, the longest waiting first."""
    return [IntentRow(*row) for row in await reads.all(_OPEN, now_ms=now_ms, limit=limit)]


async def take(tx: Transaction, intent: IntentRow, lease_until: int) -> bool:
    taken = await tx.run(_TAKE, id=intent.id, tried=intent.tried, lease_until=lease_until)
    return taken > 0


async def count_open(reads: Reads) -> int:
    row = await reads.one(_COUNT_OPEN)
    return row[0] if row else 0


async def list_orphans(reads: Reads) -> list[IntentRow]:
    return [IntentRow(*row) for row in await reads.all(_ORPHANS)]
