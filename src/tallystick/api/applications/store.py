"""The table `application`."""

from __future__ import annotations

import msgspec

from tallystick.store.db import Reads, Statement, Transaction

_COLUMNS = (
    "id, client_id, client_secret_hash, account_id, account_name, status, account_status,"
    " withheld, redirect_urls, created_at"
)

_ADD = Statement(
    f"INSERT INTO application ({_COLUMNS})"
    " VALUES (:id, :client_id, :client_secret_hash, :account_id, :account_name, :status,"
    " :account_status, :withheld, :redirect_urls, :created_at) ON CONFLICT DO NOTHING"
)
_BY_CLIENT_ID = Statement(f"SELECT {_COLUMNS} FROM application WHERE client_id = :client_id")
_HOLD = Statement(f"SELECT {_COLUMNS} FROM application WHERE id = :id /* for update */")
_ALL = Statement(f"SELECT {_COLUMNS} FROM application ORDER BY id")
_UPDATE = Statement(
    "UPDATE application SET client_secret_hash = :client_secret_hash, status = :status,"
    " account_status = :account_status, withheld = :withheld, redirect_urls = :redirect_urls"
    " WHERE id = :id"
)


class ApplicationRow(msgspec.Struct, frozen=True):
    """`withheld` and `redirect_urls` are JSON lists of text."""

    id: str
    client_id: str
    client_secret_hash: bytes
    account_id: str
    account_name: str
    status: str
    account_status: str
    withheld: str
    redirect_urls: str
    created_at: int


async def add(tx: Transaction, row: ApplicationRow) -> bool:
    """False when the client id is taken."""
    return await tx.run(_ADD, **msgspec.structs.asdict(row)) > 0


async def find_by_client_id(reads: Reads, client_id: str) -> ApplicationRow | None:
    row = await reads.one(_BY_CLIENT_ID, client_id=client_id)
    return ApplicationRow(*row) if row else None


async def hold(tx: Transaction, app_id: str) -> ApplicationRow | None:
    """The row, which nobody else changes until the transaction ends."""
    row = await tx.one(_HOLD, id=app_id)
    return ApplicationRow(*row) if row else None


async def list_all(reads: Reads) -> list[ApplicationRow]:
    return [ApplicationRow(*row) for row in await reads.all(_ALL)]


async def update(tx: Transaction, row: ApplicationRow) -> None:
    await tx.run(
        _UPDATE,
        id=row.id,
        client_secret_hash=row.client_secret_hash,
        status=row.status,
        account_status=row.account_status,
        withheld=row.withheld,
        redirect_urls=row.redirect_urls,
    )
