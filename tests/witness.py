"""What a test sees behind the API's back: the tables as they are, and the calls to partners."""

from __future__ import annotations

import inspect
import sqlite3
from typing import Any

import asyncpg
import pytest

from tallystick.partners.http import PartnerHttp
from tallystick.partners.registry import GuardedPartner

from .gateway import InProcess

# Signing in writes a row, whatever is asked afterwards; alembic's own table is not ours.
NOT_WATCHED = frozenset({"access_token", "alembic_version"})


async def query(gateway: InProcess, sql: str) -> list[tuple[Any, ...]]:
    """Rows, read past the gateway: its `Statement`s are all prepared on both engines by a test."""
    url = gateway.settings.store_url
    if url.startswith("sqlite:///"):
        db = sqlite3.connect(url.removeprefix("sqlite:///"))
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


async def columns(gateway: InProcess) -> dict[str, list[str]]:
    """Every table of the database as it is, with the names of its columns."""
    if gateway.settings.store_url.startswith("sqlite:///"):
        sql = (
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c"
            " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid"
        )
    else:
        sql = (
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
        )
    found: dict[str, list[str]] = {}
    for table, column in await query(gateway, sql):
        found.setdefault(table, []).append(column)
    return found


async def snapshot(gateway: InProcess) -> dict[str, list[str]]:
    """Every row of every watched table: an UPDATE shows as well as an INSERT."""
    return {
        table: sorted(map(repr, await query(gateway, f"SELECT * FROM {table}")))
        for table in await columns(gateway)
        if table not in NOT_WATCHED
    }


def partner_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of every call to a partner from now on: as the services make it, and on the wire."""
    calls: list[str] = []

    def watch(owner: type, name: str) -> None:
        real = getattr(owner, name)

        async def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            calls.append(f"{owner.__name__}.{name}")
            return await real(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, watched)

    for name, member in vars(GuardedPartner).items():
        if inspect.iscoroutinefunction(member) and not name.startswith("_"):
            watch(GuardedPartner, name)
    watch(PartnerHttp, "call")
    return calls
