"""Key rotation: every sealed cell of every table is opened and sealed with the key in use.

Runs while the gateway serves: rows are written in small transactions, each followed by a rest of
its own length, and a row that was changed in between is left to its new value, which the key in use
has sealed already. A box that does not open is left as it is, and told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tallystick.core import Core
from tallystick.store.db import Row, Statement, Value
from tallystick.store.vault import CannotOpen, Place, Vault

ROWS_AT_ONCE = 200
DAMAGED_MAX = 100


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
    """One entry per sealed column: its table and column, how many cells were sealed anew, and the
    ids of rows whose box does not open (DAMAGED_MAX of them), which stay as they are.
    """
    return [await _reseal(core, each) for each in SEALED]


async def _reseal(core: Core, column: SealedColumn) -> dict[str, Any]:
    cells = 0
    damaged: list[str] = []
    after: Any = b"" if column.key == "key_hash" else ""
    after_app = ""
    while rows := await core.db.all(
        column.select, after=after, after_app=after_app, limit=ROWS_AT_ONCE
    ):
        # Another process may have made an application since, and sealed with its key.
        await core.vault.learn(core.db)
        after, after_app = rows[-1][:2]
        renewed = _renewed(core.vault, column, rows, damaged)
        if renewed:
            started = time.monotonic()
            await core.db.transact(lambda tx, renewed=renewed: tx.many(column.update, renewed))  # type: ignore[misc]
            cells += len(renewed)
            # SQLite's lock is not given in turn: who takes it again at once keeps others out.
            await asyncio.sleep(time.monotonic() - started)
    return {"table": column.table, "column": column.column, "cells": cells, "damaged": damaged}


def _renewed(
    vault: Vault, column: SealedColumn, rows: Sequence[Row], damaged: list[str]
) -> list[dict[str, Value]]:
    """The values of `column.update` for every row whose box an earlier key has sealed."""
    renewed: list[dict[str, Value]] = []
    for key, app_id, box in rows:
        if not box or vault.is_current(bytes(box)):
            continue
        row_id = bytes(key).hex() if isinstance(key, bytes) else key
        place = Place(app_id, column.table, column.column, row_id)
        stale = bytes(box)
        try:
            fresh = vault.seal(place, vault.open_box(place, stale).reveal())
        except CannotOpen:
            if len(damaged) < DAMAGED_MAX:
                damaged.append(row_id)
        else:
            renewed.append({"key": key, "app_id": app_id, "stale": stale, "fresh": fresh})
    return renewed
