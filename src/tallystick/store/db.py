"""What a store module speaks: statements, transactions, and a database to run them on.

SQL is written once, with `:name` for values, in the subset that both engines share; a test prepares
every statement on both. A transaction is an async function of a `Transaction`:

    async def open_account(tx: Transaction) -> None:
        await tx.run(INSERT_ACCOUNT, id=…, name=…)

    await db.transact(open_account)

It may await nothing but its own statements: no partner is ever called with a transaction open.
SQLite drives such a function to its end without suspending it, which is how one writer thread can
put many of them into one commit (`sqlite.py`); PostgreSQL awaits it (`postgres.py`).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Value = str | int | float | bytes | None
Row = Sequence[Any]

_NAME = re.compile(r":([a-z_][a-z0-9_]*)")
# A cast such as `::text` would look like a name; the shared subset has none.

# A row lock is written as a comment, `/* for update skip locked */`: PostgreSQL is given the words,
# SQLite, which has one writer, reads over them.
_LOCK = re.compile(r"/\* (for update[a-z ]*) \*/")

EVERY: list[Statement] = []


class Statement:
    """One SQL statement, its values named `:like_this`. Collected in `EVERY` for the tests.

    `walks`: it looks at all that an application has of something; SQLite reads it in a thread.
    """

    def __init__(self, sql: str, *, walks: bool = False) -> None:
        self.sql = sql
        self.walks = walks
        EVERY.append(self)

    @cached_property
    def numbered(self) -> tuple[str, tuple[str, ...]]:
        """The same with `$1, $2, …` and row locks, and the names in that order."""
        names: list[str] = []

        def number(match: re.Match[str]) -> str:
            name = match.group(1)
            if name not in names:
                names.append(name)
            return f"${names.index(name) + 1}"

        return _NAME.sub(number, _LOCK.sub(r"\1", self.sql)), tuple(names)


class Reads(Protocol):
    """Something that answers queries: a database, or a transaction on it."""

    async def one(self, statement: Statement, **values: Value) -> Row | None:
        """The first row, or None."""
        ...

    async def all(self, statement: Statement, **values: Value) -> Sequence[Row]: ...


class Transaction(Reads, Protocol):
    """What a unit of work writes through. Kept only if the unit ends without an error."""

    async def run(self, statement: Statement, **values: Value) -> int:
        """Execute; the number of rows that were inserted, changed or deleted."""
        ...

    async def many(self, statement: Statement, rows: Sequence[Mapping[str, Value]]) -> None:
        """Execute once with the values of each of `rows`, without waiting in between."""
        ...


Unit = Callable[[Transaction], Awaitable[T]]


class Database(Reads, Protocol):
    """A store engine. `one` and `all` see every committed transaction."""

    engine: str
    """`sqlite` or `postgresql`, for the few statements that the two do not share."""
    risks: Sequence[str]
    """Settings of an open database under which a commit may be lost: `fsync = off`."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def transact(self, unit: Unit[T]) -> T:
        """Run `unit` and commit. When this returns, what it wrote is durable."""
        ...


class Taken(Exception):
    """A unit would have written a second row where only one may be."""


def connect(url: str) -> Database:
    """The engine that `url` names: `sqlite:///PATH` or `postgresql://…`. Opens nothing yet."""
    if url.startswith("sqlite:///"):
        from tallystick.store.sqlite import SqliteDatabase  # one engine per process

        return SqliteDatabase(url.removeprefix("sqlite:///"))
    if url.startswith(("postgresql://", "postgres://")):
        from tallystick.store.postgres import PostgresDatabase  # an extra

        return PostgresDatabase(url)
    raise ValueError("a database URL starts with sqlite:/// or postgresql://")


def values_of(statement: Statement, values: Mapping[str, Value]) -> list[Value]:
    """The values in the order that `statement.numbered` wants them."""
    return [values[name] for name in statement.numbered[1]]
