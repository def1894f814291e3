"""What may be wrong with the gateway, on purpose: cuts and failing calls must bring it to light."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

from tallystick.errors import StoreFailed
from tallystick.server import config
from tallystick.store import sqlite
from tests.storm import bugs as storm

storm.GAP_S = 0.002


def _synchronous(level: str) -> None:
    sqlite._PRAGMAS = sqlite._PRAGMAS.replace("FULL", level)


def key_not_synced() -> None:
    """The sandbox's key file as it was once written."""

    def keep(path: Path, text: str) -> None:
        path.write_text(text)

    config._keep = keep


def answered_before_the_commit() -> None:
    async def write(self: Any, db: sqlite3.Connection) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            await self._begin(db)
            sqlite._run_all(db, batch)
            sqlite._resolve(batch)
            await asyncio.sleep(0.002)
            await self._in_thread(db.execute, "COMMIT")
        self._writing = None

    sqlite.SqliteDatabase._write = write


def failed_commit_is_answered_as_done() -> None:
    async def write(self: Any, db: sqlite3.Connection) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._begin(db)
                sqlite._run_all(db, batch)
            except sqlite3.Error as error:
                for waiting in batch:
                    waiting.error = StoreFailed(str(error))
            try:
                await self._in_thread(db.execute, "COMMIT")
            except sqlite3.Error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
            sqlite._resolve(batch)
        self._writing = None

    sqlite.SqliteDatabase._write = write


BEFORE_THE_START = {
    "off": lambda: _synchronous("OFF"),
    "normal": lambda: _synchronous("NORMAL"),
    "key": key_not_synced,
}
ONCE_IT_RUNS = {
    "early": answered_before_the_commit,
    "split": storm.commit_split_in_two,
    "later": storm.answer_kept_later,
    "swallowed": failed_commit_is_answered_as_done,
}
BUGS = BEFORE_THE_START | ONCE_IT_RUNS
