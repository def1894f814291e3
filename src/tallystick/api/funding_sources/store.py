"""The table `funding_source`."""

from __future__ import annotations

import msgspec

from tallystick.store.db import Reads, Statement, Transaction

TABLE, NUMBERS, CARD = "funding_source", "numbers", "card"

_COLUMNS = (
    "id, app_id, owner_id, customer_id, exchange_id, status, type, bank_account_type, name,"
    " bank_name, channels, fingerprint, numbers_sealed, account_external_id, removed, removed_at,"
    " created_at, card_sealed, bank_usage_type"
)
_ADD = Statement(
    f"INSERT INTO funding_source ({_COLUMNS})"
    " VALUES (:id, :app_id, :owner_id, :customer_id, :exchange_id, :status, :type,"
    " :bank_account_type, :name, :bank_name, :channels, :fingerprint, :numbers_sealed,"
    " :account_external_id, :removed, :removed_at, :created_at, :card_sealed, :bank_usage_type)"
    " ON CONFLICT DO NOTHING"
)
_FIND = Statement(f"SELECT {_COLUMNS} FROM funding_source WHERE app_id = :app_id AND id = :id")
_FIND_ANY = Statement(f"SELECT {_COLUMNS} FROM funding_source WHERE id = :id")
_LIST = Statement(
    f"SELECT {_COLUMNS} FROM funding_source WHERE app_id = :app_id AND owner_id = :owner_id"
    " ORDER BY id DESC"
)
_LIVE_BANK = Statement(
    f"SELECT {_COLUMNS} FROM funding_source WHERE app_id = :app_id AND owner_id = :owner_id"
    " AND fingerprint = :fingerprint AND NOT removed"
)
_LIVE_EXCHANGE = Statement(
    f"SELECT {_COLUMNS} FROM funding_source WHERE app_id = :app_id"
    " AND exchange_id = :exchange_id AND NOT removed"
)
_COUNT_CARDS = Statement(
    "SELECT count(*) FROM funding_source WHERE app_id = :app_id AND owner_id = :owner_id"
    " AND type = 'card' AND NOT removed"
)
_REVIVABLE = Statement(
    f"SELECT {_COLUMNS} FROM funding_source WHERE app_id = :app_id AND owner_id = :owner_id"
    " AND fingerprint = :fingerprint AND removed AND status = 'unverified'"
    " AND removed_at > :since ORDER BY removed_at DESC"
)
# Changes nothing, but until the transaction ends nobody else changes the row: SQLite has no
# SELECT … FOR UPDATE, and READ COMMITTED would let two callers overwrite each other.
_HOLD = Statement("UPDATE funding_source SET removed = removed WHERE app_id = :app_id AND id = :id")
_REVIVE = Statement(
    "UPDATE funding_source SET name = :name, bank_account_type = :bank_account_type,"
    " removed = FALSE, removed_at = NULL WHERE app_id = :app_id AND id = :id AND removed"
)
_UPDATE = Statement(
    "UPDATE funding_source SET name = :name, status = :status,"
    " bank_account_type = :bank_account_type,"
    " fingerprint = :fingerprint, numbers_sealed = :numbers_sealed, removed = :removed,"
    " removed_at = :removed_at WHERE app_id = :app_id AND id = :id"
)
_TO_FORGET = (
    " WHERE removed AND (numbers_sealed IS NOT NULL OR card_sealed IS NOT NULL)"
    " AND removed_at <= :before"
)
_FORGET = Statement(
    f"UPDATE funding_source SET numbers_sealed = NULL, card_sealed = NULL{_TO_FORGET}"
)
_ANY_TO_FORGET = Statement(f"SELECT 1 FROM funding_source{_TO_FORGET} LIMIT 1")


class FundingSourceRow(msgspec.Struct, frozen=True):
    """`owner_id` is the customer, or the account itself when `customer_id` is None.

    `numbers_sealed` stays for `service.REVIVAL_MS` after `removed_at`, because until then the
    account may come back; after that nothing needs it, and `service.forget` destroys it.
    """

    id: str
    app_id: str
    owner_id: str
    customer_id: str | None
    exchange_id: str | None
    status: str
    type: str
    bank_account_type: str | None
    name: str
    bank_name: str | None
    channels: str
    fingerprint: str | None
    numbers_sealed: bytes | None
    account_external_id: str | None
    removed: bool
    removed_at: int | None
    created_at: int
    card_sealed: bytes | None = None
    bank_usage_type: str | None = None


async def add(tx: Transaction, row: FundingSourceRow) -> bool:
    """False when the owner has this account already, or the exchange has a live source."""
    return await tx.run(_ADD, **msgspec.structs.asdict(row)) > 0


async def find(reads: Reads, app_id: str, source_id: str) -> FundingSourceRow | None:
    row = await reads.one(_FIND, app_id=app_id, id=source_id)
    return FundingSourceRow(*row) if row else None


async def find_any(reads: Reads, source_id: str) -> FundingSourceRow | None:
    """Any application's."""
    row = await reads.one(_FIND_ANY, id=source_id)
    return FundingSourceRow(*row) if row else None


async def list_newest(reads: Reads, app_id: str, owner_id: str) -> list[FundingSourceRow]:
    rows = await reads.all(_LIST, app_id=app_id, owner_id=owner_id)
    return [FundingSourceRow(*row) for row in rows]


async def find_live_bank(
    reads: Reads, app_id: str, owner_id: str, fingerprint: str
) -> FundingSourceRow | None:
    row = await reads.one(_LIVE_BANK, app_id=app_id, owner_id=owner_id, fingerprint=fingerprint)
    return FundingSourceRow(*row) if row else None


async def find_live_exchange(
    reads: Reads, app_id: str, exchange_id: str
) -> FundingSourceRow | None:
    row = await reads.one(_LIVE_EXCHANGE, app_id=app_id, exchange_id=exchange_id)
    return FundingSourceRow(*row) if row else None


async def any_to_forget(reads: Reads, before: int) -> bool:
    return await reads.one(_ANY_TO_FORGET, before=before) is not None


async def forget(tx: Transaction, before: int) -> int:
    """Destroy what is sealed of sources that were removed by `before`; how many there were."""
    return await tx.run(_FORGET, before=before)


async def count_live_cards(reads: Reads, app_id: str, owner_id: str) -> int:
    row = await reads.one(_COUNT_CARDS, app_id=app_id, owner_id=owner_id)
    return row[0] if row else 0


async def find_revivable(
    reads: Reads, app_id: str, owner_id: str, fingerprint: str, since: int
) -> FundingSourceRow | None:
    """An unverified account that was removed after `since`."""
    row = await reads.one(
        _REVIVABLE, app_id=app_id, owner_id=owner_id, fingerprint=fingerprint, since=since
    )
    return FundingSourceRow(*row) if row else None


async def hold(tx: Transaction, app_id: str, source_id: str) -> FundingSourceRow | None:
    """The row, which nobody else changes until the transaction ends."""
    await tx.run(_HOLD, app_id=app_id, id=source_id)
    return await find(tx, app_id, source_id)


async def revive(tx: Transaction, row: FundingSourceRow) -> bool:
    """False when it is live already. Raises Taken when the owner has the account under another id.

    Of `row` only the name and the kind of account are written.
    """
    revived = await tx.run(
        _REVIVE,
        id=row.id,
        app_id=row.app_id,
        name=row.name,
        bank_account_type=row.bank_account_type,
    )
    return revived > 0


async def update(tx: Transaction, row: FundingSourceRow) -> None:
    """Raises Taken when the owner has the account under another id."""
    await tx.run(
        _UPDATE,
        id=row.id,
        app_id=row.app_id,
        name=row.name,
        status=row.status,
        bank_account_type=row.bank_account_type,
        fingerprint=row.fingerprint,
        numbers_sealed=row.numbers_sealed,
        removed=row.removed,
        removed_at=row.removed_at,
    )
