"""The table `exchange_session`."""

from __future__ import annotations

import msgspec

from tallystick.store.db import Reads, Statement, Transaction

TABLE = "exchange_session"
SEALED = "provider_session"

_COLUMNS = (
    "id, app_id, customer_id, exchange_id, partner_key, external_id, provider_session_sealed,"
    " expires_at, created_at"
)
_ADD = Statement(
    f"INSERT INTO exchange_session ({_COLUMNS})"
    " VALUES (:id, :app_id, :customer_id, :exchange_id, :partner_key, :external_id,"
    " :provider_session_sealed, :expires_at, :created_at)"
)
_FIND = Statement(f"SELECT {_COLUMNS} FROM exchange_session WHERE app_id = :app_id AND id = :id")


class ExchangeSessionRow(msgspec.Struct, frozen=True):
    """`exchange_id` is that of the exchange to repair; None for a first consent."""

    id: str
    app_id: str
    customer_id: str | None
    exchange_id: str | None
    partner_key: str
    external_id: str | None
    provider_session_sealed: bytes
    expires_at: int
    created_at: int


async def add(tx: Transaction, row: ExchangeSessionRow) -> None:
    await tx.run(_ADD, **msgspec.structs.asdict(row))


async def find(reads: Reads, app_id: str, session_id: str) -> ExchangeSessionRow | None:
    row = await reads.one(_FIND, app_id=app_id, id=session_id)
    return ExchangeSessionRow(*row) if row else None
