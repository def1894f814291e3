"""The table `exchange_session`."""

from __future__ import annotations

import msgspec

from tallystick.store.db import Reads, Statement, Transaction

TABLE = "exchange_session"
SEALED = "provider_session"

_COLUMNS = (
    "id, app_id, customer_id, exchange_id, partner_key, external_id, provider_session_sealed,"
    " expires_at, created_at, redirect_url, returned_at"
)
_ADD = Statement(
    f"INSERT INTO exchange_session ({_COLUMNS})"
    " VALUES (:id, :app_id, :customer_id, :exchange_id, :partner_key, :external_id,"
    " :provider_session_sealed, :expires_at, :created_at, :redirect_url, :returned_at)"
)
_FIND = Statement(f"SELECT {_COLUMNS} FROM exchange_session WHERE app_id = :app_id AND id = :id")
_FIND_ANY = Statement(f"SELECT {_COLUMNS} FROM exchange_session WHERE id = :id")
_RETURNED = Statement(
    "UPDATE exchange_session SET returned_at = :now_ms WHERE id = :id AND returned_at IS NULL"
)
_KEPT_TOO_LONG = "length(provider_session_sealed) > 0 AND expires_at <= :before"
_ANY_TO_FORGET = Statement(f"SELECT 1 FROM exchange_session WHERE {_KEPT_TOO_LONG} LIMIT 1")
_FORGET = Statement(
    "UPDATE exchange_session SET provider_session_sealed = :nothing WHERE id IN (SELECT id FROM"
    f" exchange_session WHERE {_KEPT_TOO_LONG} ORDER BY expires_at LIMIT :limit"
    " /* for update skip locked */)"
)


class ExchangeSessionRow(msgspec.Struct, frozen=True):
    """`exchange_id` is that of the exchange to repair; None for a first consent.

    `redirect_url` and `returned_at` are of a partner that sends the browser back to us: where the
    person goes on to, and when they came back, which happens once. `provider_session_sealed` is
    empty once it was forgotten.
    """

    id: str
    app_id: str
    customer_id: str | None
    exchange_id: str | None
    partner_key: str
    external_id: str | None
    provider_session_sealed: bytes
    expires_at: int
    created_at: int
    redirect_url: str | None = None
    returned_at: int | None = None


async def add(tx: Transaction, row: ExchangeSessionRow) -> None:
    await tx.run(_ADD, **msgspec.structs.asdict(row))


async def find(reads: Reads, app_id: str, session_id: str) -> ExchangeSessionRow | None:
    row = await reads.one(_FIND, app_id=app_id, id=session_id)
    return ExchangeSessionRow(*row) if row else None


async def find_any(reads: Reads, session_id: str) -> ExchangeSessionRow | None:
    """A session of whatever application: the browser that comes back has no access token."""
    row = await reads.one(_FIND_ANY, id=session_id)
    return ExchangeSessionRow(*row) if row else None


async def mark_returned(tx: Transaction, session_id: str, now_ms: int) -> bool:
    """False when somebody came back from it before."""
    return await tx.run(_RETURNED, id=session_id, now_ms=now_ms) > 0


async def any_to_forget(reads: Reads, before: int) -> bool:
    return await reads.one(_ANY_TO_FORGET, before=before) is not None


async def forget(tx: Transaction, before: int, limit: int) -> int:
    """Destroy what partners gave for the `limit` sessions that expired first; how many it was."""
    return await tx.run(_FORGET, before=before, limit=limit, nothing=b"")
