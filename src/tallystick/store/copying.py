"""All rows of a database: taken out, put back, wiped. For the sandbox; live mode never does it.

The tables and their columns are read from the database itself, so a migration needs no line here.
A copy holds what the tables hold: sealed boxes stay sealed, and wrapped keys wrapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Reversible, Sequence
from graphlib import TopologicalSorter
from typing import Any

import msgspec

from tallystick.store.db import Database, Reads, Statement, Transaction

VERSION_TABLE = "alembic_version"


class Copy(msgspec.Struct, frozen=True):
    """Every row of every table: name of a table → its columns and rows."""

    engine: str
    tables: dict[str, tuple[list[str], list[list[Any]]]]


class CannotPutBack(Exception):
    """The copy is damaged or does not fit this database; nothing was changed."""


class _Made(Statement):
    """A statement for one engine, or made from the schema: it is not in `EVERY`."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.walks = False


_COLUMNS: Mapping[str, Statement] = {
    "sqlite": _Made(
        "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c"
        " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        " ORDER BY t.name, c.cid"
    ),
    "postgresql": _Made(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
    ),
}
_REFERENCES: Mapping[str, Statement] = {
    "sqlite": _Made(
        'SELECT t.name, f."table" FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) f'
        " WHERE t.type = 'table'"
    ),
    "postgresql": _Made(
        "SELECT c.relname, p.relname FROM pg_constraint f"
        " JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid"
        " WHERE f.contype = 'f' AND c.relnamespace = CAST(current_schema() AS regnamespace)"
    ),
}
_SERIALS = _Made(
    "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND column_default LIKE 'nextval(%'"
)


def to_bytes(copy: Copy) -> bytes:
    return msgspec.msgpack.encode(copy)


def from_bytes(raw: bytes) -> Copy:
    """The reverse of `to_bytes`. Raises CannotPutBack."""
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CannotPutBack("it is damaged") from None


_decoder = msgspec.msgpack.Decoder(Copy)


async def take(db: Database) -> Copy:
    """A copy of everything that is committed."""

    async def read(tx: Transaction) -> Copy:
        tables = {}
        for table, columns in (await _tables(tx, db.engine)).items():
            rows = await tx.all(_Made(f'SELECT {_quoted(columns)} FROM "{table}"'))
            tables[table] = (list(columns), [list(row) for row in rows])
        return Copy(db.engine, tables)

    return await db.transact(read)


async def put_back(db: Database, copy: Copy) -> None:
    """Replace everything by the copy, in one transaction. Raises CannotPutBack."""

    async def replace(tx: Transaction) -> None:
        tables = await _tables(tx, db.engine)
        held = {table: tuple(columns) for table, (columns, _) in copy.tables.items()}
        if copy.engine != db.engine or held != tables:
            raise CannotPutBack("it was taken from another engine or version of the schema")
        await _delete_all(tx, tables)
        for table, columns in tables.items():
            values = ", ".join(f":{name}" for name in columns)
            add = _Made(f'INSERT INTO "{table}" ({_quoted(columns)}) VALUES ({values})')
            for row in copy.tables[table][1]:
                await tx.run(add, **dict(zip(columns, row, strict=True)))
        await _count_on(tx, db.engine)

    await db.transact(replace)


async def wipe(db: Database) -> None:
    """Delete every row; the next ones are numbered from 1."""

    async def delete(tx: Transaction) -> None:
        await _delete_all(tx, await _tables(tx, db.engine))
        await _count_on(tx, db.engine)

    await db.transact(delete)


async def wipe_application(db: Database, app_id: str, keep: Sequence[str]) -> None:
    """Delete what belongs to one application, but for the tables `keep`."""

    async def delete(tx: Transaction) -> None:
        for table, columns in reversed((await _tables(tx, db.engine)).items()):
            if "app_id" in columns and table not in keep:
                await tx.run(_Made(f'DELETE FROM "{table}" WHERE app_id = :app_id'), app_id=app_id)

    await db.transact(delete)


async def _tables(reads: Reads, engine: str) -> dict[str, tuple[str, ...]]:
    """Every table of ours and its columns; a table comes after those that it refers to."""
    found: dict[str, tuple[str, ...]] = {}
    for table, column in await reads.all(_COLUMNS[engine]):
        if table != VERSION_TABLE:
            found[table] = (*found.get(table, ()), column)
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(found, ()))
    for table, other in await reads.all(_REFERENCES[engine]):
        if table != other:
            order.add(table, other)
    return {table: found[table] for table in order.static_order()}


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


async def _delete_all(tx: Transaction, tables: Reversible[str]) -> None:
    for table in reversed(tables):
        await tx.run(_Made(f'DELETE FROM "{table}"'))


async def _count_on(tx: Transaction, engine: str) -> None:
    """Let PostgreSQL number new rows after those that are there; SQLite does so by itself."""
    if engine != "postgresql":
        return
    for table, column in await tx.all(_SERIALS):
        await tx.all(
            _Made(
                f"SELECT setval(pg_get_serial_sequence('\"{table}\"', '{column}'),"
                f' COALESCE(max("{column}"), 0) + 1, false) FROM "{table}"'
            )
        )
