"""The table `access_token`. Tokens are kept as keyed hashes; they are looked up by them."""

from __future__ import annotations

import msgspec

from tallystick.store.db import Reads, Statement, Transaction

_ADD = Statement(
    "INSERT INTO access_token (token_hash, app_id, expires_at, created_at)"
    " VALUES (:token_hash, :app_id, :expires_at, :created_at)"
)
# A few more than the one that is added: after a quiet night no request pays for a busy day.
_PURGE = Statement(
    "DELETE FROM access_token WHERE token_hash IN (SELECT token_hash FROM access_token"
    " WHERE expires_at < :before ORDER BY expires_at LIMIT 10 /* for update skip locked */)"
)
_FIND = Statement(
    "SELECT t.expires_at, a.id, a.account_id, a.account_name, a.status, a.account_status,"
    " a.withheld, a.redirect_urls, a.created_at"
    " FROM access_token t JOIN application a ON a.id = t.app_id"
    " WHERE t.token_hash = :token_hash"
)


class BearerRow(msgspec.Struct, frozen=True):
    """A token with the application it was issued to: one query for every call of the API."""

    expires_at: int
    app_id: str
    account_id: str
    account_name: str
    status: str
    account_status: str
    withheld: str
    redirect_urls: str
    created_at: int


async def add(
    tx: Transaction, token_hash: bytes, app_id: str, expires_at: int, created_at: int
) -> None:
    await tx.run(
        _ADD, token_hash=token_hash, app_id=app_id, expires_at=expires_at, created_at=created_at
    )


async def purge(tx: Transaction, before: int) -> None:
    await tx.run(_PURGE, before=before)


async def find(reads: Reads, token_hash: bytes) -> BearerRow | None:
    row = await reads.one(_FIND, token_hash=token_hash)
    return BearerRow(*row) if row else None
