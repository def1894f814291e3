"""A migrated, empty database for a test, on either engine.

Migrating takes longer than most tests, and so do CREATE DATABASE and DROP DATABASE, which wait for
the disk. So each process migrates once. On SQLite a test gets a copy of that file. On PostgreSQL it
gets a database that another test is done with, emptied; one whose schema a test has changed is
dropped instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from tallystick.store import migrations

from .requirements import missing

T = TypeVar("T")

POSTGRES = os.environ.get("TALLYSTICK_TESTS_POSTGRES", "postgresql://postgres@127.0.0.1:5432")

# What another test must find as it was: every column, index, constraint, function and trigger.
_SCHEMA = """
SELECT md5(string_agg(line, E'\n' ORDER BY line)) FROM (
  SELECT format('column %s %s %s %s', attrelid::regclass, attname, atttypid, attnotnull) AS line
  FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
  WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
  UNION ALL SELECT format('index %s', indexdef) FROM pg_indexes WHERE schemaname = 'public'
  UNION ALL SELECT format('constraint %s %s', conrelid::regclass, pg_get_constraintdef(oid))
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT format('function %s', proname) FROM pg_proc
  WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT format('trigger %s %s', tgrelid::regclass, tgname) FROM pg_trigger
  WHERE NOT tgisinternal
  UNION ALL SELECT format('version %s', version_num) FROM alembic_version
) AS lines
"""
_TABLES = """
SELECT string_agg(format('DELETE FROM %I', tablename), ';') FROM pg_tables
WHERE schemaname = 'public' AND tablename <> 'alembic_version'
"""


def sqlite(folder: Path) -> str:
    """The URL of a new database in `folder`."""
    path = folder / "tallystick.db"
    shutil.copy(_sqlite_template(), path)
    return f"sqlite:///{path}"


@cache
def _sqlite_template() -> Path:
    path = Path(tempfile.mkdtemp(prefix="tallystick_template_")) / "tallystick.db"
    _made.callback(shutil.rmtree, path.parent)
    _do(migrations.migrate(f"sqlite:///{path}"))
    return path


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of a database that nobody else uses meanwhile."""
    name = _idle.pop() if _idle else _create()
    try:
        yield f"{POSTGRES}/{name}"
    finally:
        if _do(_on(name, _emptied)):
            _idle.append(name)
        else:
            _drop(name)


def kept() -> str:
    """The URL of a new database that nobody drops."""
    return f"{POSTGRES}/{_create()}"


_idle: list[str] = []
_made = contextlib.ExitStack()


def drop_all() -> None:
    """At the end of a test run."""
    while _idle:
        _drop(_idle.pop())
    _made.close()


def _create() -> str:
    template, _schema = _template()
    name = f"tallystick_test_{uuid.uuid4().hex[:12]}"
    _run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    # No test judges PostgreSQL's own durability: a commit need not wait for the disk.
    _run(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    return name


@cache
def _template() -> tuple[str, str]:
    """The name of a migrated database, and the fingerprint of its schema."""
    name = f"tallystick_template_{os.getpid()}"
    try:
        _drop(name)
        _run(f'CREATE DATABASE "{name}"')
    except (OSError, asyncpg.PostgresError) as error:
        missing(f"PostgreSQL at {POSTGRES} ({type(error).__name__})")
    _made.callback(_drop, name)
    _do(migrations.migrate(f"{POSTGRES}/{name}"))
    return name, _do(_on(name, lambda connection: connection.fetchval(_SCHEMA)))


async def _emptied(connection: asyncpg.Connection) -> bool:
    """Whether the database is as new: nobody is connected, every table empty, numbers begin at 1."""
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    if await connection.fetchval(_SCHEMA) != _template()[1]:
        return False
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")  # in any order
        await connection.execute(await connection.fetchval(_TABLES))
        await connection.execute(
            "SELECT setval(format('%I', sequencename)::regclass, 1, false) FROM pg_sequences"
        )
    return True


def _drop(name: str) -> None:
    _run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _run(statement: str) -> None:
    _do(_on("postgres", lambda connection: connection.execute(statement)))


async def _on(name: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    connection = await asyncpg.connect(f"{POSTGRES}/{name}")
    try:
        return await work(connection)
    finally:
        await connection.close()


def _do(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a thread of its own: the caller may be inside an event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
