"""SQLite: reads in place, writes in batches that share one commit.

`synchronous = FULL`, because NORMAL lost acknowledged rows in 48 of 145 simulated power cuts
(decision 9). A durable commit costs a flush to disk; that price is paid once for every unit of work
that is waiting. If one fails, each is run again in a savepoint of its own.

Statements take microseconds and run on the event loop. Only what can take long happens in a thread:
the flush, the waiting for another process's lock, and the few reads that walk. With every statement
in one, each had to win the interpreter's lock back from a busy loop, up to 5 ms at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tallystick.errors import StoreFailed
from tallystick.store.db import Row, Statement, Taken, Transaction, Unit, Value

T = TypeVar("T")

# More units in one commit would only make the first of them wait longer.
BATCH_MAX = 64
BUSY_MS = 5_000
# A read that walks is given up after so long (as on PostgreSQL), looked at every so many steps.
WALK_S = 5.0
WALK_STEPS = 10_000

_PRAGMAS = """
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
"""


def open_connection(path: str) -> sqlite3.Connection:
    """A connection set up as every connection of ours must be; the file is private to its owner."""
    if path != ":memory:" and not os.path.exists(path):  # noqa: PTH110  # a str, not a Path
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(
        path,
        isolation_level=None,
        timeout=BUSY_MS / 1_000,
        check_same_thread=False,
        cached_statements=512,
    )
    db.executescript(_PRAGMAS)
    _write_ahead(db)
    # SQLite's own knows only ASCII; PostgreSQL folds every letter, and so do we.
    db.create_function("lower", 1, _lower, deterministic=True)
    return db


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switch to WAL, which the file remembers.

    Only the first process to open a new file really switches it, and whoever comes meanwhile is
    told at once that it is locked: SQLite does not call its busy handler for this one.
    """
    give_up_at = time.monotonic() + BUSY_MS / 1_000
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)
        else:
            return


@dataclass(slots=True)
class _Waiting:
    unit: Unit[Any]
    future: asyncio.Future[Any]
    result: Any = field(default=None)
    error: BaseException | None = field(default=None)


class SqliteDatabase:
    """A database file, used from one event loop. `:memory:` is not supported: reader and writer
    are two connections.
    """

    engine = "sqlite"
    risks: Sequence[str] = ()

    def __init__(self, path: str) -> None:
        self._path = path
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._walker: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "tallystick-commit")
        self._walks = ThreadPoolExecutor(1, "tallystick-walk")
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._reader = open_connection(self._path)
        self._writer = open_connection(self._path)

    async def close(self) -> None:
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()
        self._walks.shutdown(cancel_futures=True)
        for connection in (self._reader, self._writer, self._walker):
            if connection is not None:
                connection.close()
        self._reader = self._writer = self._walker = None

    async def one(self, statement: Statement, **values: Value) -> Row | None:
        if statement.walks:
            return next(iter(await self.all(statement, **values)), None)
        try:
            row: Row | None = self._read(statement, values).fetchone()
        except sqlite3.DatabaseError as error:
            raise _told(error) from None
        return row

    async def all(self, statement: Statement, **values: Value) -> Sequence[Row]:
        try:
            if statement.walks and self._reader is not None:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._walks, self._walk, statement.sql, values)
            return self._read(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise _told(error) from None

    def _read(self, statement: Statement, values: dict[str, Value]) -> sqlite3.Cursor:
        """Reads of one turn of the event loop share a snapshot: half of a read's price is its lock.

        Nobody sees less than what was committed before they asked: who asks during the turn is
        heard after it, and a commit is told to nobody before the turn is over.
        """
        reader = self._reader
        if reader is None:
            raise StoreFailed("the database is not open")
        if not reader.in_transaction:
            reader.execute("BEGIN")
            asyncio.get_running_loop().call_soon(self._end_snapshot)
        return reader.execute(statement.sql, values)

    def _walk(self, sql: str, values: dict[str, Value]) -> Sequence[Row]:
        if self._walker is None:
            self._walker = open_connection(self._path)
        give_up_at = time.monotonic() + WALK_S
        self._walker.set_progress_handler(lambda: time.monotonic() > give_up_at, WALK_STEPS)
        return self._walker.execute(sql, values).fetchall()

    def _end_snapshot(self) -> None:
        if self._reader is not None:
            self._reader.rollback()  # there is nothing to commit, and this cannot fail

    async def transact(self, unit: Unit[T]) -> T:
        if self._writer is None:
            raise StoreFailed("the database is not open")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Waiting(unit, future))
        if self._writing is None:
            self._writing = loop.create_task(self._write(self._writer))
        return await future

    async def _write(self, db: sqlite3.Connection) -> None:
        """Write until nobody waits. There is one such task at a time."""
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            committed: bool | None = False
            try:
                await self._begin(db)
                _run_all(db, batch)
                # If the flush fails, a process that is started now may find it committed.
                committed = None
                await self._in_thread(db.execute, "COMMIT")
            except sqlite3.Error as error:
                _roll_back(db)
                for waiting in batch:
                    waiting.error = StoreFailed(str(error), committed=committed)
            _resolve(batch)
        self._writing = None

    async def _begin(self, db: sqlite3.Connection) -> None:
        try:
            db.execute("PRAGMA busy_timeout = 0")
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            # Another process writes: wait for it, but not on the event loop.
            db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            await self._in_thread(db.execute, "BEGIN IMMEDIATE")

    async def _in_thread(self, function: Callable[[str], object], sql: str) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, function, sql)


def _is_outage(error: Exception) -> bool:
    """Whether the disk is full or broken, or the file damaged: nobody's unit can be kept then.

    SQLite may call a file malformed of which it could not read a page; that one has no class of its
    own.
    """
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


def _told(error: sqlite3.DatabaseError) -> Exception:
    return StoreFailed(str(error)) if _is_outage(error) else error


def _roll_back(db: sqlite3.Connection) -> None:
    """What fails here is tried again before the next batch, whose BEGIN fails until it is done."""
    with contextlib.suppress(sqlite3.Error):
        if db.in_transaction:
            db.execute("ROLLBACK")


def _run_all(db: sqlite3.Connection, batch: Sequence[_Waiting]) -> None:
    """The units as they are; if one of them fails, all of them again, each by itself.

    A savepoint costs as much as a statement and failures are rare. A unit may be run again: on
    PostgreSQL it is after a deadlock.
    """
    if len(batch) == 1:
        return _run_each(db, batch)
    tx = _SqliteTransaction(db)
    db.execute("SAVEPOINT batch")
    try:
        for waiting in batch:
            waiting.result = _drive(waiting.unit, tx)
    except Exception as error:  # whose it is, the second turn finds out
        if _is_outage(error):
            raise
        db.execute("ROLLBACK TO batch")
        _run_each(db, batch)
    return None


def _run_each(db: sqlite3.Connection, batch: Sequence[_Waiting]) -> None:
    """Each unit in a savepoint: one that fails takes back only itself."""
    tx = _SqliteTransaction(db)
    for waiting in batch:
        db.execute("SAVEPOINT unit")
        try:
            waiting.result = _drive(waiting.unit, tx)
        except Exception as error:  # it belongs to the caller
            if _is_outage(error):
                raise
            waiting.error = Taken() if isinstance(error, sqlite3.IntegrityError) else error
            db.execute("ROLLBACK TO unit")
        db.execute("RELEASE unit")


def _resolve(batch: Sequence[_Waiting]) -> None:
    for waiting in batch:
        if waiting.future.done():  # the caller was cancelled; what was written stays written
            continue
        if waiting.error is not None:
            waiting.future.set_exception(waiting.error)
        else:
            waiting.future.set_result(waiting.result)


def _drive(unit: Unit[T], tx: Transaction) -> T:
    """Run the unit to its end. It never suspends unless it breaks the rule, and then it fails."""
    coroutine: Any = unit(tx)
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError("a transaction awaited something other than its own statements")


class _SqliteTransaction:
    """Runs statements at once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    async def one(self, statement: Statement, **values: Value) -> Row | None:
        row: Row | None = self._db.execute(statement.sql, values).fetchone()
        return row

    async def all(self, statement: Statement, **values: Value) -> Sequence[Row]:
        return self._db.execute(statement.sql, values).fetchall()

    async def run(self, statement: Statement, **values: Value) -> int:
        return self._db.execute(statement.sql, values).rowcount

    async def many(self, statement: Statement, rows: Sequence[Mapping[str, Value]]) -> None:
        self._db.executemany(statement.sql, rows)
