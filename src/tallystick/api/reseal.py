"""Key rotation: every sealed cell of every table is opened and sealed with the key in use.

Runs while the gateway serves: rows are taken in small transactions, each followed by a rest of its
own length, and a row that was changed in between is left to its new value, which the key in use has
sealed already.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tallystick.core import Core
from tallystick.store.db import Statement, Transaction
from tallystick.store.vault import Place

ROWS_AT_ONCE = 200


@dataclass(frozen=True)
class SealedColumn:
    """`column` is the name in the place of a box; in the table it ends in `_sealed`."""

    table: str
    column: str
    key: str = "id"

    @property
    def order(self) -> str:
        """What the rows are walked by: their primary key."""
        return "id" if self.key == "id" else f"app_id, {self.key}"

    @property
    def beyond(self) -> str:
        return "id > :after" if self.key == "id" else f"(app_id, {self.key}) > (:after_app, :after)"

    @property
    def select(self) -> Statement:
        return _SELECT[self.table, self.column]

    @property
    def update(self) -> Statement:
        return _UPDATE[self.table, self.column]


# Every column that ends in `_sealed`; a test compares this list with the schema.
SEALED = (
    SealedColumn("exchange_session", "provider_session"),
    SealedColumn("exchange_intent", "proof"),
    SealedColumn("exchange_intent", "grant"),
    SealedColumn("exchange", "grant"),
    SealedColumn("funding_source", "numbers"),
    SealedColumn("funding_source", "card"),
    SealedColumn("subscription", "secret"),
    SealedColumn("subscription", "secret_old"),
    SealedColumn("idempotency", "reply", "key_hash"),
)

# Empty cells come as well: to look for the next one that is not could walk a whole table at once.
_SELECT = {
    (each.table, each.column): Statement(
        f"SELECT {each.key}, app_id, {each.column}_sealed FROM {each.table}"
        f" WHERE {each.beyond} ORDER BY {each.order} LIMIT :limit"
    )
    for each in SEALED
}
_UPDATE = {
    (each.table, each.column): Statement(
        f"UPDATE {each.table} SET {each.column}_sealed = :fresh"
        f" WHERE {each.key} = :key AND app_id = :app_id AND {each.column}_sealed = :stale"
    )
    for each in SEALED
}


async def reseal_all(core: Core) -> Sequence[dict[str, Any]]:
    """One entry per sealed column: its table and column, and how many cells were sealed anew."""
    return [
        {"table": each.table, "column": each.column, "cells": await _reseal(core, each)}
        for each in SEALED
    ]


async def _reseal(core: Core, column: SealedColumn) -> int:
    done = 0
    after: Any = b"" if column.key == "key_hash" else ""
    after_app = ""
    while rows := await core.db.all(
        column.select, after=after, after_app=after_app, limit=ROWS_AT_ONCE
    ):
        # Another process may have made an application since, and sealed with its key.
        await core.vault.learn(core.db)
        stale = [row for row in rows if row[2] and not core.vault.is_current(bytes(row[2]))]
        after, after_app = rows[-1][:2]
        if stale:
            started = time.monotonic()
            done += await core.db.transact(lambda tx, stale=stale: _renew(core, tx, column, stale))  # type: ignore[misc]
            # SQLite's lock is not given in turn: who takes it again at once keeps others out.
            await asyncio.sleep(time.monotonic() - started)
    return done


async def _renew(
    core: Core, tx: Transaction, column: SealedColumn, rows: Sequence[Sequence[Any]]
) -> int:
    changed = 0
    for key, app_id, box in rows:
        row_id = bytes(key).hex() if isinstance(key, bytes) else key
        place = Place(app_id, column.table, column.column, row_id)
        opened = core.vault.open_box(place, bytes(box))
        changed += await tx.run(
            column.update,
            key=key,
            app_id=app_id,
            stale=bytes(box),
            fresh=core.vault.seal(place, opened.reveal()),
        )
    return changed
