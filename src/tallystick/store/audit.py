"""Every change of state, also where Dwolla has no topic (decision 16). Only ever added to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from tallystick.store.db import Reads, Statement, Transaction

_ADD = Statement(
    "INSERT INTO audit (app_id, resource, resource_id, change, created_at)"
    " VALUES (:app_id, :resource, :resource_id, :change, :created_at)"
)


async def note(
    tx: Transaction, app_id: str, resource: str, resource_id: str, change: str, now_ms: int
) -> None:
    """Write that `resource` (`exchanges`) underwent `change` (`created`), in its transaction."""
    await tx.run(
        _ADD,
        app_id=app_id,
        resource=resource,
        resource_id=resource_id,
        change=change,
        created_at=now_ms,
    )


class Entry(NamedTuple):
    """One change. `number` counts up over all applications."""

    number: int
    app_id: str
    resource: str
    resource_id: str
    change: str
    created_at: int


_COLUMNS = ", ".join(Entry._fields)
_FILTERS = ("app_id", "resource", "resource_id")


async def newest(reads: Reads, limit: int, **only: str | None) -> Sequence[Entry]:
    """At most `limit` entries, newest first; `only` is an `app_id`, `resource` or `resource_id`."""
    given = {name: only[name] for name in _FILTERS if only.get(name) is not None}
    rows = await reads.all(_newest(*given), **given, limit=limit)
    return [Entry(*row) for row in rows]


@cache
def _newest(*names: str) -> Statement:
    """A statement is for good, so there is one for each choice of filters: eight at most."""
    where = " AND ".join(f"{name} = :{name}" for name in names) or "TRUE"
    return Statement(
        f"SELECT {_COLUMNS} FROM audit WHERE {where} ORDER BY number DESC LIMIT :limit"
    )
