"""The table `event`. Rows are only ever added; `number` is the order in which they were."""

from __future__ import annotations

import msgspec

from tallystick.store import tally
from tallystick.store.db import Reads, Statement, Transaction

_COLUMNS = "id, app_id, topic, resource, resource_id, customer_id, created_at"

_ADD = Statement(
    f"INSERT INTO event ({_COLUMNS})"
    " VALUES (:id, :app_id, :topic, :resource, :resource_id, :customer_id, :created_at)"
    " RETURNING number"
)
_FIND = Statement(f"SELECT {_COLUMNS} FROM event WHERE app_id = :app_id AND id = :id")
_ALL = (
    f"SELECT {_COLUMNS} FROM event WHERE app_id = :app_id"
    " ORDER BY number DESC LIMIT :limit OFFSET :offset"
)
_NEAR, _FAR = Statement(_ALL), Statement(_ALL, walks=True)
_KIND = "events"


class EventRow(msgspec.Struct, frozen=True):
    """`resource` is the collection of what it is about: `funding-sources`."""

    id: str
    app_id: str
    topic: str
    resource: str
    resource_id: str
    customer_id: str | None
    created_at: int


async def add(tx: Transaction, row: EventRow) -> int:
    """Write it; its number."""
    added = await tx.one(_ADD, **msgspec.structs.asdict(row))
    await tally.add(tx, row.app_id, _KIND, row.resource_id)
    return added[0] if added else 0


async def find(reads: Reads, app_id: str, event_id: str) -> EventRow | None:
    row = await reads.one(_FIND, app_id=app_id, id=event_id)
    return EventRow(*row) if row else None


async def list_newest(
    reads: Reads, app_id: str, limit: int, offset: int
) -> tuple[list[EventRow], int]:
    """One page, and how many there are in all."""
    rows, total = await tally.page(reads, (_NEAR, _FAR), app_id, _KIND, limit, offset)
    return [EventRow(*row) for row in rows], total
