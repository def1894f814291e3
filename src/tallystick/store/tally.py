"""How many rows an application has of a kind, without counting them.

Every page of a list has a `total`, and to count ten million rows takes seconds. So a row that is
added raises a number, in the same transaction. The number is spread over SLOTS rows: transactions
that add at the same time would else wait for each other until they commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from tallystick.store.db import Reads, Row, Statement, Transaction

SLOTS = 64

# Whoever skips more rows than this has a statement that `walks`: a million take 0.13 s.
FAR = 10_000

_ADD = Statement(
    "INSERT INTO tally (app_id, kind, slot, total) VALUES (:app_id, :kind, :slot, 1)"
    " ON CONFLICT (app_id, kind, slot) DO UPDATE SET total = tally.total + 1"
)
_TOTAL = Statement(
    "SELECT CAST(coalesce(sum(total), 0) AS bigint) FROM tally"
    " WHERE app_id = :app_id AND kind = :kind"
)


async def add(tx: Transaction, app_id: str, kind: str, about: str) -> None:
    """One more of `kind`: `customers`, `events`, or the id of the subscription that a webhook is
    for. `about` is the id that the transaction is about.

    Always the same slot for the same id, so that no two transactions take slots crosswise.
    """
    await tx.run(_ADD, app_id=app_id, kind=kind, slot=crc32(about.encode()) % SLOTS)


async def total(reads: Reads, app_id: str, kind: str) -> int:
    row = await reads.one(_TOTAL, app_id=app_id, kind=kind)
    return row[0] if row else 0


async def is_beyond(reads: Reads, app_id: str, kind: str, offset: int) -> bool:
    """Whether a page that is FAR from the newest has nothing, so that nothing need be skipped."""
    return offset > FAR and offset >= await total(reads, app_id, kind)


async def page(
    reads: Reads,
    statements: tuple[Statement, Statement],
    app_id: str,
    kind: str,
    limit: int,
    offset: int,
) -> tuple[Sequence[Row], int]:
    """One page of all rows of a kind, and how many there are in all.

    `statements` are the same but that the second `walks`: it is for pages FAR from the newest. The
    total is asked for after the rows: one that came between must have a next page.
    """
    rows: Sequence[Row] = ()
    if not await is_beyond(reads, app_id, kind, offset):
        near, far = statements
        chosen = far if offset > FAR else near
        rows = await reads.all(chosen, app_id=app_id, limit=limit, offset=offset)
    return rows, await total(reads, app_id, kind)
