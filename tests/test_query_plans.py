"""No statement of the product reads a whole table, or all that an application has, to find a row.

SQLite plans by rules, PostgreSQL by cost; there a sequential scan is made so dear that it is chosen
only where no index will do. The statements that may walk are listed here, each with its reason.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from bench.filling import fill

import tallystick
from tallystick.store import migrations
from tallystick.store.db import EVERY, Statement

from .databases import postgres

# Keys, applications and subscriptions are few, and read whole; all others grow with use.
FEW = frozenset({"alembic_version", "application", "data_key", "subscription", "tally"})

# What a walk may end early by is a LIMIT; these walk in the order of an index, page by page. Of each
# there are two: SQLite reads a page that is far from the newest beside the event loop (`tally.FAR`).
PAGES = (
    "FROM customer WHERE app_id = :app_id ORDER BY id DESC LIMIT",
    "FROM event WHERE app_id = :app_id ORDER BY number DESC LIMIT",
)
# These grow with use, so SQLite reads them beside the event loop (`walks`).
LONG_WALKS = {
    # GET /customers?search=: anywhere in three names. No index of both engines finds that.
    "lower(first_name": "searches",
    # The webhooks of one subscription, between two days.
    "FROM webhook WHERE app_id = :app_id AND subscription_id": "a list with a filter",
}
# So are these: along an index, but it may be long before there are enough that fit.
LONG_RANGES = ("FROM webhook w WHERE w.app_id = :app_id AND w.subscription_id",)
WALKS = {
    **LONG_WALKS,
    # Of its partial index: a person looks at each and resolves it.
    "FROM exchange_intent WHERE state = 'orphan'": "orphans",
    # When the sandbox's clock is moved.
    "SELECT min(due_at) FROM webhook": "what is due",
}


def statements() -> list[Statement]:
    """Those of the product's modules, single or in a table of several."""
    found: list[Statement] = []
    for each in pkgutil.walk_packages(tallystick.__path__, "tallystick."):
        parts = set(each.name.split("."))
        if parts & {"api", "delivery", "server", "store"} and not parts & {"tests", "versions"}:
            for value in vars(importlib.import_module(each.name)).values():
                values = value.values() if isinstance(value, dict) else [value]
                # Those that are not in EVERY are of one engine, or made from the schema.
                found += [one for one in values if isinstance(one, Statement) and one in EVERY]
    return list(dict.fromkeys(found))


def may_walk(sql: str) -> bool:
    return any(each in sql for each in (*PAGES, *WALKS))


def sqlite_walks(connection: sqlite3.Connection, each: Statement) -> list[str]:
    """The steps of the plan that visit more than the statement is about."""
    names = dict.fromkeys(each.numbered[1])
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {each.sql}", names)]
    return [step for step in plan if _walks(step, each.sql)]


def _walks(step: str, sql: str) -> bool:
    """`SCAN w`, where `w` may be an alias or a step before, or `SEARCH customer … (app_id=?)`."""
    found = re.match(r"(?:SCAN|SEARCH) (\w+)", step)
    if not found or not (step.startswith("SCAN") or step.endswith("(app_id=?)")):
        return False
    alias = re.search(rf"(?:FROM|JOIN|UPDATE) (\w+) {found[1]}\b", sql)
    table = alias[1] if alias else found[1]
    return table not in FEW and f"{table} AS MATERIALIZED" not in sql


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("plans") / "p.db"
    asyncio.run(migrations.migrate(f"sqlite:///{path}"))
    connection = sqlite3.connect(path)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A PostgreSQL database with enough in it that one index is cheaper than another."""
    with postgres() as url:
        asyncio.run(fill(tmp_path_factory.mktemp("filled"), url, 500))
        asyncio.run(_fill_the_rest(url))
        yield url


async def _fill_the_rest(url: str) -> None:
    """What comes and goes: under way, due, or kept for a day."""
    connection = await asyncpg.connect(url)
    for table, columns, values in (
        ("exchange_intent", ("id, app_id, partner_key, proof_hash, state, tried, lease_until,"
         " created_at"), "n, '', '', int4send(n), 'calling', 1, 0, 0"),
        ("idempotency", "app_id, key_hash, request_hash, created_at", "a.id, int4send(n), '', n"),
        ("access_token", "token_hash, app_id, expires_at, created_at", "int4send(n), a.id, n, n"),
        ("webhook", ("id, app_id, subscription_id, number, event_id, topic, resource_id, state,"
         " tried, due_at, lease_until, created_at"), "n, a.id, 's', n, n, '', n, 'due', 0, n, 0, n"),
        ("retry", "id, app_id, webhook_id, subscription_id, state, lease_until, created_at",
         "n, a.id, n, 's', 'due', 0, n"),
        ("attempt", ("id, app_id, webhook_id, subscription_id, started_at, url, request_headers,"
         " request_body, ended_at, ok"), "n, a.id, n, 's', n, '', '', 'x', n, TRUE"),
    ):  # fmt: skip
        if table == "webhook":
            await connection.execute(
                "INSERT INTO subscription (id, app_id, url, paused, removed, failures, created_at)"
                " SELECT 's', id, '', FALSE, FALSE, 0, 0 FROM application"
            )
        await connection.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values}"
            " FROM application a, generate_series(1, 2000) n"
        )
    await connection.close()


def test_what_walks_is_said_to():
    """But for a search within one address, which is one row; and pages are, where they are far."""
    long = (*LONG_WALKS, *LONG_RANGES)
    walking = {each.sql for each in statements() if any(one in each.sql for one in long)}
    by_address = {sql for sql in walking if "AND email_folded = :email_folded" in sql}
    assert len(by_address) == 2
    far = {each.sql for each in statements() if each.walks} ^ (walking - by_address)
    assert len(far) == len(PAGES)
    assert all(any(page in sql for sql in far) for page in PAGES)
    assert far <= {each.sql for each in statements() if not each.walks}


def test_sqlite_finds_every_row_by_an_index(file):
    found = {
        each.sql: steps
        for each in statements()
        if not may_walk(each.sql) and (steps := sqlite_walks(file, each))
    }
    assert not found


def test_postgres_finds_every_row_by_an_index(filled):
    asked = [each for each in statements() if not may_walk(each.sql)]
    assert len(asked) > 60
    assert not asyncio.run(postgres_walks(filled, asked))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM exchange WHERE status = 'active'",
        "SELECT count(*) FROM customer WHERE app_id = :app_id",
        "SELECT w.id FROM webhook w WHERE w.topic = 'x'",
        "SELECT id FROM exchange WHERE external_id = :external_id",
        "UPDATE funding_source SET name = '' WHERE name = 'x'",
        "DELETE FROM idempotency WHERE key_hash = :key_hash",
    ],
)
def test_a_seeded_walk_is_caught(file, filled, sql):
    seeded = Statement(sql)
    EVERY.remove(seeded)
    assert sqlite_walks(file, seeded)
    assert asyncio.run(postgres_walks(filled, [seeded]))


async def postgres_walks(url: str, asked: list[Statement]) -> dict[str, list[str]]:
    """The statements whose plan reads a table from end to end, or an index not from its front."""
    connection = await asyncpg.connect(url)
    found = {}
    try:
        await connection.execute("ANALYZE")
        await connection.execute("SET enable_seqscan = off")
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        fronts = {row[0]: (row[1], row[2]) for row in await connection.fetch(FRONTS)}
        for number, each in enumerate(asked):
            sql, names = each.numbered
            await connection.execute(f"PREPARE s{number} AS {sql}")
            values = f"({', '.join(['NULL'] * len(names))})" if names else ""
            plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE s{number}{values}")
            if steps := list(_walked(json.loads(plan)[0]["Plan"], fronts)):
                found[each.sql] = steps
    finally:
        await connection.close()
    return found


# Name of an index, its table, its first column.
FRONTS = (
    "SELECT i.relname, t.relname, a.attname FROM pg_index x"
    " JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid"
    " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]"
)


def _walked(node: dict[str, Any], fronts: dict[str, tuple[str, str]]) -> Iterator[str]:
    index = node.get("Index Name")
    if index is not None:
        table, front = fronts[index]
        condition = node.get("Index Cond", "")
        enough = re.search(rf"\b{front}\b", condition) and not _only_the_application(condition)
    else:
        table, enough = node.get("Relation Name"), node["Node Type"] != "Seq Scan"
    if table not in FEW and not enough:
        yield f"{node['Node Type']} {table} {index} {node.get('Index Cond')}"
    for child in node.get("Plans", ()):
        yield from _walked(child, fronts)


def _only_the_application(condition: str) -> bool:
    return set(re.findall(r"[a-z_]{2,}", condition)) - {"text"} == {"app_id"}
