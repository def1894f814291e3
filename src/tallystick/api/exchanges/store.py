"""The tables `exchange` and `exchange_intent`."""

from __future__ import annotations

import msgspec

from tallystick.store.db import Reads, Statement, Transaction

TABLE, INTENT = "exchange", "exchange_intent"
GRANT, PROOF = "grant", "proof"

_COLUMNS = (
    "id, app_id, customer_id, partner_key, status, external_id, grant_sealed,"
    " consent_expires_at, created_at, checked_at, seen_well_at, cause, cause_code, cause_at,"
    " deadline_at, name_match"
)
_ADD = Statement(
    f"INSERT INTO exchange ({_COLUMNS})"
    " VALUES (:id, :app_id, :customer_id, :partner_key, :status, :external_id, :grant_sealed,"
    " :consent_expires_at, :created_at, :checked_at, :seen_well_at, :cause, :cause_code, :cause_at,"
    " :deadline_at, :name_match) ON CONFLICT DO NOTHING"
)
_FIND = Statement(f"SELECT {_COLUMNS} FROM exchange WHERE app_id = :app_id AND id = :id")
# What its application is shown. SQLite hands over each column by itself: ten that nobody looks at
# took a third of the time of the whole read.
_SHOWN = "id, customer_id, partner_key, status, created_at, name_match"
_SHOW = Statement(f"SELECT {_SHOWN} FROM exchange WHERE app_id = :app_id AND id = :id")
_OF_CUSTOMER = Statement(
    f"SELECT {_SHOWN} FROM exchange WHERE app_id = :app_id AND customer_id = :customer_id"
    " ORDER BY id DESC"
)
_OF_ACCOUNT = Statement(
    f"SELECT {_SHOWN} FROM exchange WHERE app_id = :app_id AND customer_id IS NULL ORDER BY id DESC"
)
_FIND_ANY = Statement(f"SELECT {_COLUMNS} FROM exchange WHERE id = :id")
_OF_CONSENT = Statement(
    f"SELECT {_COLUMNS} FROM exchange WHERE partner_key = :partner_key"
    " AND external_id = :external_id AND status <> 'removed' ORDER BY id"
)
# The funding sources that stand on an exchange: one at most is live (contract 10.34).
_ACCOUNT = Statement(
    "SELECT account_external_id FROM funding_source"
    " WHERE app_id = :app_id AND exchange_id = :exchange_id AND NOT removed"
)
# Changes nothing, but until the transaction ends nobody else changes the row: SQLite has no
# SELECT … FOR UPDATE, and READ COMMITTED would let two callers overwrite each other.
_HOLD = Statement("UPDATE exchange SET status = status WHERE app_id = :app_id AND id = :id")
_HOLD_CUSTOMER = Statement(
    "UPDATE customer SET status = status WHERE app_id = :app_id AND id = :customer_id"
)
_UPDATE = Statement(
    "UPDATE exchange SET status = :status, grant_sealed = :grant_sealed,"
    " consent_expires_at = :consent_expires_at, checked_at = :checked_at,"
    " seen_well_at = :seen_well_at, cause = :cause, cause_code = :cause_code,"
    " cause_at = :cause_at, deadline_at = :deadline_at WHERE app_id = :app_id AND id = :id"
)
_DUE = Statement(
    f"SELECT {_COLUMNS} FROM exchange WHERE status IN ('active', 'deactivated')"
    " AND checked_at <= :before ORDER BY checked_at LIMIT :limit"
)
_TAKE_CHECK = Statement(
    "UPDATE exchange SET checked_at = :now_ms WHERE id = :id AND checked_at = :checked_at"
)
_OVERDUE = Statement(
    f"SELECT {_COLUMNS} FROM exchange WHERE deadline_at IS NOT NULL AND status = 'active'"
    " AND deadline_at <= :now_ms ORDER BY deadline_at LIMIT :limit"
)
_ENDING = Statement(
    f"SELECT {_COLUMNS} FROM exchange WHERE consent_expires_at IS NOT NULL AND cause IS NULL"
    " AND status = 'active' AND consent_expires_at <= :before"
    " ORDER BY consent_expires_at LIMIT :limit"
)
_EVERY = Statement(f"SELECT {_COLUMNS} FROM exchange WHERE id > :after ORDER BY id LIMIT :limit")

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
    " WHERE id = :id AND tried = :tried AND state IN ('calling', 'granted')"
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
_ORPHANS = Statement(
    f"SELECT {_INTENT_COLUMNS} FROM exchange_intent WHERE state = 'orphan' ORDER BY id"
)
_RESOLVE = Statement(
    "UPDATE exchange_intent SET state = 'resolved' WHERE id = :id AND state = 'orphan'"
    " RETURNING app_id"
)


class ExchangeRow(msgspec.Struct, frozen=True):
    """`customer_id` is None for an exchange of the account itself.

    - `seen_well_at`: when the partner last answered under this grant; `checked_at`: when it was
      last asked by the background check.
    - `cause`: why it does not work, or soon will not: `person`, `bank`, `partner` or `us`; with it
      the partner's own word `cause_code` and since when, `cause_at`.
    - `deadline_at`: when it is deactivated unless the person signs in before.
    - `name_match`: what the issuer of the card said to the name that the session asked about.
    """

    id: str
    app_id: str
    customer_id: str | None
    partner_key: str
    status: str
    external_id: str
    grant_sealed: bytes | None
    consent_expires_at: int | None
    created_at: int
    checked_at: int
    seen_well_at: int | None = None
    cause: str | None = None
    cause_code: str | None = None
    cause_at: int | None = None
    deadline_at: int | None = None
    name_match: str | None = None


class ShownRow(msgspec.Struct, frozen=True):
    """What its application is shown of an exchange; the members are those of ExchangeRow."""

    id: str
    customer_id: str | None
    partner_key: str
    status: str
    created_at: int
    name_match: str | None


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


async def find_shown(reads: Reads, app_id: str, exchange_id: str) -> ShownRow | None:
    row = await reads.one(_SHOW, app_id=app_id, id=exchange_id)
    return ShownRow(*row) if row else None


async def list_shown(reads: Reads, app_id: str, customer_id: str | None) -> list[ShownRow]:
    """All exchanges of a customer, or of the account itself, newest first."""
    if customer_id is None:
        rows = await reads.all(_OF_ACCOUNT, app_id=app_id)
    else:
        rows = await reads.all(_OF_CUSTOMER, app_id=app_id, customer_id=customer_id)
    return [ShownRow(*row) for row in rows]


async def list_of_consent(reads: Reads, partner_key: str, external_id: str) -> list[ExchangeRow]:
    """Every exchange, of whatever application, that stands on one consent at a partner."""
    rows = await reads.all(_OF_CONSENT, partner_key=partner_key, external_id=external_id)
    return [ExchangeRow(*row) for row in rows]


async def find_account(reads: Reads, row: ExchangeRow) -> str | None:
    """The partner's id of the account that the exchange's funding source is; None without one."""
    found = await reads.one(_ACCOUNT, app_id=row.app_id, exchange_id=row.id)
    return found[0] if found else None


async def hold(tx: Transaction, app_id: str, exchange_id: str) -> ExchangeRow | None:
    """The row, which nobody else changes until the transaction ends."""
    await tx.run(_HOLD, app_id=app_id, id=exchange_id)
    return await find(tx, app_id, exchange_id)


async def hold_customer(tx: Transaction, app_id: str, customer_id: str) -> None:
    """Until the transaction ends nobody else does this with the customer of an exchange."""
    await tx.run(_HOLD_CUSTOMER, app_id=app_id, customer_id=customer_id)


async def update(tx: Transaction, row: ExchangeRow) -> None:
    await tx.run(
        _UPDATE,
        id=row.id,
        app_id=row.app_id,
        status=row.status,
        grant_sealed=row.grant_sealed,
        consent_expires_at=row.consent_expires_at,
        checked_at=row.checked_at,
        seen_well_at=row.seen_well_at,
        cause=row.cause,
        cause_code=row.cause_code,
        cause_at=row.cause_at,
        deadline_at=row.deadline_at,
    )


async def list_due(reads: Reads, before: int, limit: int) -> list[ExchangeRow]:
    """Living exchanges that were last checked before `before`, the longest ago first."""
    return [ExchangeRow(*row) for row in await reads.all(_DUE, before=before, limit=limit)]


async def take_check(tx: Transaction, row: ExchangeRow, now_ms: int) -> bool:
    """False when another process has taken this check."""
    return await tx.run(_TAKE_CHECK, id=row.id, checked_at=row.checked_at, now_ms=now_ms) > 0


async def list_overdue(reads: Reads, now_ms: int, limit: int) -> list[ExchangeRow]:
    return [ExchangeRow(*row) for row in await reads.all(_OVERDUE, now_ms=now_ms, limit=limit)]


async def list_ending(reads: Reads, before: int, limit: int) -> list[ExchangeRow]:
    """Healthy exchanges whose consent ends by `before`."""
    return [ExchangeRow(*row) for row in await reads.all(_ENDING, before=before, limit=limit)]


async def list_every(reads: Reads, after: str, limit: int) -> list[ExchangeRow]:
    """Exchanges of all applications, oldest first, from the one after the id `after`."""
    return [ExchangeRow(*row) for row in await reads.all(_EVERY, after=after, limit=limit)]


async def find_any(reads: Reads, exchange_id: str) -> ExchangeRow | None:
    """An exchange of whatever application, for the operator."""
    row = await reads.one(_FIND_ANY, id=exchange_id)
    return ExchangeRow(*row) if row else None


async def resolve(tx: Transaction, intent_id: str) -> str | None:
    """The application of the orphan that was; None when there is none."""
    row = await tx.one(_RESOLVE, id=intent_id)
    return row[0] if row else None


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


async def list_orphans(reads: Reads) -> list[IntentRow]:
    return [IntentRow(*row) for row in await reads.all(_ORPHANS)]
