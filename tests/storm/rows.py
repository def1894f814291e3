"""Reads the store with nothing of ours in between."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import asyncpg

BACK_IN_S = 120.0
_FOREIGN_KEYS = "PRAGMA foreign_key_check"


class Rows:
    """`sql` is in what both engines share; it is given no values."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url

    async def all(self, sql: str) -> Sequence[Any]:
        if self._url.startswith("sqlite:///"):
            with closing(sqlite3.connect(self._url.removeprefix("sqlite:///"))) as db:
                return db.execute(sql).fetchall()
        give_up_at = time.monotonic() + BACK_IN_S
        while True:
            try:
                return await self._fetch(sql)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if time.monotonic() > give_up_at:
                    raise
            await asyncio.sleep(0.2)  # it was killed, and recovers

    async def complaints(self) -> list[str]:
        """What SQLite finds wrong with its file; a PostgreSQL server is asked elsewhere."""
        if not self._url.startswith("sqlite:///"):
            return []
        try:
            found = [*await self.all("PRAGMA integrity_check"), *await self.all(_FOREIGN_KEYS)]
        except sqlite3.DatabaseError as error:
            return [f"integrity_check: {error}"]
        return [f"integrity_check: {row}" for row in found if row != ("ok",)]

    async def _fetch(self, sql: str) -> Sequence[Any]:
        connection = await asyncpg.connect(self._url, timeout=30)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    async def one(self, sql: str) -> Any:
        return (await self.all(sql))[0]
