"""Brings a database to the schema of this version: numbered steps, forward only.

Alembic and SQLAlchemy are imported only when there is something to do; a process that starts on an
up-to-date database asks one question and goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from pathlib import Path
from typing import Any

from tallystick.errors import ConfigurationError, StoreFailed
from tallystick.store.db import Database, Statement

_VERSIONS = Path(__file__).parent / "versions"

# Any number that no other program locks on; it spells "tally".
_LOCK_KEY = 0x74616C6C79

_CURRENT = Statement("SELECT version_num FROM alembic_version")


def head() -> str:
    """The newest version this code knows: `0001`, from the names of the files."""
    return max(path.name.partition("_")[0] for path in _VERSIONS.glob("[0-9]*_*.py"))


async def current(db: Database) -> str | None:
    """The version of an open database, None when it is empty."""
    try:
        row = await db.one(_CURRENT)
    except StoreFailed:
        return None
    except Exception as error:  # asyncpg's name must not be needed here
        if type(error).__name__ != "UndefinedTableError":
            raise
        return None
    return str(row[0]) if row else None


def require_known(version: str | None) -> None:
    """Raises ConfigurationError for the version of a tallystick that comes after this one."""
    if version is not None and version > head():
        raise ConfigurationError(
            f"the store is of a newer tallystick: its schema is {version}, ours {head()}"
        )


async def migrate(url: str) -> None:
    """Bring the database at `url` to `head()`. Safe to call from several processes at once.

    Raises StoreFailed when PostgreSQL does not let us in, and ConfigurationError when the database
    is of a newer version.
    """
    if url.startswith("sqlite:///"):
        await asyncio.to_thread(_migrate_sqlite, url)
    else:
        await _migrate_postgres(url)


def _migrate_sqlite(url: str) -> None:
    from sqlalchemy import create_engine, event  # see above

    from tallystick.store.sqlite import open_connection

    path = url.removeprefix("sqlite:///")
    engine = create_engine(url, creator=lambda: open_connection(path))
    # One process migrates, the next waits and finds nothing to do.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            _upgrade(connection)
    finally:
        engine.dispose()


async def _migrate_postgres(url: str) -> None:
    import asyncpg
    from sqlalchemy import text  # see above
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import create_async_engine

    # SQLAlchemy would read the address by rules of its own, and has none for "sslmode".
    connect = functools.partial(asyncpg.connect, url)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        try:
            connection = await stack.enter_async_context(engine.begin())
        except (OSError, asyncpg.PostgresError, SQLAlchemyError) as error:
            # SQLAlchemy wraps what PostgreSQL said in errors of its own.
            said = getattr(error, "orig", None) or error
            raise StoreFailed(type(said.__cause__ or said).__name__) from None
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})"))
        await connection.run_sync(_upgrade)


def _upgrade(connection: Any) -> None:
    from alembic.config import Config
    from alembic.operations import Operations  # see above
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_VERSIONS.parent))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)

    def steps(revision: Any, _context: Any) -> Any:
        require_known(max(revision, default=None))
        return script._upgrade_revs("head", revision)  # noqa: SLF001  # as alembic's own command does

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=connection, transactional_ddl=False)
        with Operations.context(environment.get_context()):
            environment.run_migrations()
