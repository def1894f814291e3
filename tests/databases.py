"""A fresh, migrated database for a test, on either engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import asyncpg

from tallystick.store import migrations

from .requirements import missing

POSTGRES = os.environ.get("TALLYSTICK_TESTS_POSTGRES", "postgresql://postgres@127.0.0.1:5432")


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of a new database, a copy of one that was migrated once; dropped afterwards."""
    name = f"tallystick_test_{uuid.uuid4().hex[:12]}"
    template = _template()
    _do(_execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    try:
        yield f"{POSTGRES}/{name}"
    finally:
        _do(_execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@cache
def _template() -> str:
    name = f"tallystick_template_{os.getpid()}"
    try:
        _do(_execute(f'DROP DATABASE IF EXISTS "{name}"', f'CREATE DATABASE "{name}"'))
    except (OSError, asyncpg.PostgresError) as error:
        missing(f"PostgreSQL at {POSTGRES} ({type(error).__name__})")
    _do(migrations.migrate(f"{POSTGRES}/{name}"))
    _templates.append(name)
    return name


_templates: list[str] = []


def drop_templates() -> None:
    """At the end of a test run."""
    for name in _templates:
        _do(_execute(f'DROP DATABASE IF EXISTS "{name}"'))


def _do(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end in a thread of its own: the caller may be inside an event loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


async def _execute(*statements: str) -> None:
    connection = await asyncpg.connect(f"{POSTGRES}/postgres")
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
