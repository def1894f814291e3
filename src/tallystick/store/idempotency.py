"""One key, one effect: what a caller repeats is answered, not done again (contract 4.1).

A claim is written in the first transaction of a POST and settled, with the answer, in its last: so
there is no moment at which the effect exists and the answer to a repetition does not. Answers that
are not a success are not kept; the caller may mend the request and use the same key again.

Where a partner is asked in between, a crash can leave a claim that nobody will ever settle. So a
claim is a lease: the same request may take it over when its holder must long be dead.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import msgspec

from tallystick.clock import DAY_MS, MINUTE_MS
from tallystick.errors import Conflict
from tallystick.store.db import Database, Reads, Statement, Transaction
from tallystick.store.vault import Place, Vault

WINDOW_MS = DAY_MS
# Longer than a request may last, every partner call of it at its deadline.
LEASE_MS = 2 * MINUTE_MS
KEY_CHARS_MAX = 255
DIFFERENT = "Idempotency-Key was already used with a different request."

_FIND = Statement(
    "SELECT request_hash, reply_sealed, created_at FROM idempotency"
    " WHERE app_id = :app_id AND key_hash = :key_hash AND created_at > :since"
)
_CLAIM = Statement(
    "INSERT INTO idempotency (app_id, key_hash, request_hash, reply_sealed, created_at)"
    " VALUES (:app_id, :key_hash, :request_hash, NULL, :created_at)"
    " ON CONFLICT (app_id, key_hash) DO UPDATE SET created_at = excluded.created_at,"
    " request_hash = excluded.request_hash, reply_sealed = NULL"
    " WHERE idempotency.created_at <= :since"
    " OR (idempotency.reply_sealed IS NULL AND idempotency.created_at <= :abandoned"
    " AND idempotency.request_hash = excluded.request_hash)"
)
_SETTLE = Statement(
    "UPDATE idempotency SET reply_sealed = :reply_sealed"
    " WHERE app_id = :app_id AND key_hash = :key_hash AND reply_sealed IS NULL"
)
_RELEASE = Statement(
    "DELETE FROM idempotency WHERE app_id = :app_id AND key_hash = :key_hash"
    " AND reply_sealed IS NULL"
)
# A few more than the one that is added: after a quiet night no request pays for a busy day.
_PURGE = Statement(
    "DELETE FROM idempotency WHERE (app_id, key_hash) IN (SELECT app_id, key_hash FROM idempotency"
    " WHERE created_at <= :since ORDER BY created_at LIMIT 10 /* for update skip locked */)"
)


class Outcome(msgspec.Struct, frozen=True):
    """The answer that is kept. `path` is that of `Location`, without the host."""

    status: int
    path: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A key of one application, bound to one request."""

    app_id: str
    key_hash: bytes
    request_hash: bytes

    @classmethod
    def of(cls, vault: Vault, app_id: str, key: str, method: str, path: str, body: Any) -> Claim:
        """`body` is the decoded JSON: the order of its members and its blanks do not count."""
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        request = b"\n".join((method.encode(), path.encode(), canonical))
        return cls(
            app_id,
            vault.hash(f"idempotency\n{app_id}\n{key}".encode()),
            hashlib.sha256(request).digest(),
        )

    @property
    def _place(self) -> Place:
        return Place(self.app_id, "idempotency", "reply", self.key_hash.hex())


async def find(reads: Reads, vault: Vault, claim: Claim, now_ms: int) -> Outcome | None:
    """The kept answer, or None when the key is new or may be taken over.

    Raises Conflict when the first request still runs, or was a different one.
    """
    row = await reads.one(
        _FIND, app_id=claim.app_id, key_hash=claim.key_hash, since=now_ms - WINDOW_MS
    )
    if row is None:
        return None
    if bytes(row[0]) != claim.request_hash:
        raise Conflict(DIFFERENT)
    if row[1] is None:
        if row[2] <= now_ms - LEASE_MS:
            return None
        raise Conflict
    box = vault.open_box(claim._place, bytes(row[1]))  # noqa: SLF001  # the claim's own module
    return msgspec.msgpack.decode(box.reveal(), type=Outcome)


async def claim_key(tx: Transaction, claim: Claim | None, now_ms: int) -> None:
    """Take the key, or raise Conflict because another request has it. No key, nothing to do."""
    if claim is None:
        return
    await tx.run(_PURGE, since=now_ms - WINDOW_MS)
    taken = await tx.run(
        _CLAIM,
        app_id=claim.app_id,
        key_hash=claim.key_hash,
        request_hash=claim.request_hash,
        created_at=now_ms,
        since=now_ms - WINDOW_MS,
        abandoned=now_ms - LEASE_MS,
    )
    if not taken:
        raise Conflict


async def settle(tx: Transaction, vault: Vault, claim: Claim | None, outcome: Outcome) -> None:
    """Keep the answer, in the transaction that makes it true.

    Not in place of another: one that comes a day late finds that its key was used again.
    """
    if claim is not None:
        sealed = vault.seal(claim._place, msgspec.msgpack.encode(outcome))  # noqa: SLF001
        await tx.run(_SETTLE, app_id=claim.app_id, key_hash=claim.key_hash, reply_sealed=sealed)


async def release(db: Database, claim: Claim | None) -> None:
    """Give the key back after an answer that is not a success."""
    if claim is not None:
        await db.transact(lambda tx: tx.run(_RELEASE, app_id=claim.app_id, key_hash=claim.key_hash))
