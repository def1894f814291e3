"""Fills a store with exchanges as if they had been made one by one: customer, session, intent,
exchange, funding source, events, audit entries. The sealed cells are real boxes.

Written past the gateway, because ten million exchanges through it would take a day.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from tallystick.api.applications import service as applications
from tallystick.api.customers.store import CustomerRow
from tallystick.api.events.store import EventRow
from tallystick.api.exchange_sessions.store import ExchangeSessionRow
from tallystick.api.exchanges import grants
from tallystick.api.exchanges.store import INTENT, TABLE, ExchangeRow, IntentRow
from tallystick.api.funding_sources import numbers
from tallystick.api.funding_sources.numbers import Numbers
from tallystick.api.funding_sources.store import FundingSourceRow
from tallystick.core import Core
from tallystick.partners.contract import Grant
from tallystick.secret import Secret
from tallystick.server import config
from tallystick.server.process import opened
from tallystick.store.vault import Place

CHUNK = 2_000
SAMPLE = 5_000
PER_CUSTOMER = 2

Rows = dict[str, list[dict[str, Any]]]


async def fill(data_dir: Path, url: str, exchanges: int) -> tuple[list[str], list[str]]:
    """Ids of some exchanges and of some customers, spread over all. The sandbox's own application
    owns them.
    """
    settings = config.load({"data_dir": str(data_dir), "database_url": url}, environ={})
    samples: dict[str, list[str]] = {TABLE: [], "customer": []}
    every = max(exchanges // SAMPLE, 1)
    async with opened(settings) as core:
        app_id = (await applications.list_all(core))[0].id
        await asyncio.sleep(0)  # or the snapshot of that read keeps the whole log from being folded
        made = _made(core, app_id, exchanges)
        put = _into_sqlite if core.db.engine == "sqlite" else _into_postgres
        while chunk := _joined(islice(made, CHUNK)):
            await put(url, chunk)
            for table, sample in samples.items():
                sample += [row["id"] for row in chunk[table][::every]]
    return samples[TABLE], samples["customer"]


def _made(core: Core, app_id: str, exchanges: int) -> Iterator[Rows]:
    customer_id = ""
    for number in range(exchanges):
        first = number % PER_CUSTOMER == 0
        customer_id = core.ids.new() if first else customer_id
        yield rows_of(core, app_id, customer_id, number, with_customer=first)


def _joined(parts: Iterator[Rows]) -> Rows:
    joined: Rows = {}
    for part in parts:
        for table, rows in part.items():
            joined.setdefault(table, []).extend(rows)
    return joined


def rows_of(core: Core, app_id: str, customer_id: str, number: int, *, with_customer: bool) -> Rows:
    """Every row that exchange `number` leaves behind, by table."""
    now_ms = core.clock.now_ms()
    rows: Rows = {}

    def add(table: str, row: msgspec.Struct | dict[str, Any]) -> None:
        fields = row if isinstance(row, dict) else msgspec.structs.asdict(row)
        rows.setdefault(table, []).append(fields)

    def record(resource: str, resource_id: str, *topics: str) -> None:
        for topic in topics:
            event = EventRow(
                core.ids.new(), app_id, topic, resource, resource_id, customer_id, now_ms
            )
            add("event", event)
            note(resource, resource_id, topic)

    def note(resource: str, resource_id: str, change: str) -> None:
        entry = {"app_id": app_id, "resource": resource, "resource_id": resource_id}
        add("audit", {**entry, "change": change, "created_at": now_ms})

    if with_customer:
        add("customer", _customer(customer_id, app_id, number, now_ms))
        record("customers", customer_id, "customer_created")
    session_id, exchange_id = core.ids.new(), core.ids.new()
    add("exchange_session", _session(core, session_id, app_id, customer_id))
    note("exchange-sessions", session_id, "created")
    add(INTENT, _intent(core, exchange_id, app_id, customer_id, number))
    add(TABLE, _exchange(core, exchange_id, app_id, customer_id, number))
    note("exchanges", exchange_id, "created")
    source = _source(core, app_id, customer_id, exchange_id, number)
    add("funding_source", source)
    topics = ("customer_funding_source_added", "customer_funding_source_verified")
    record("funding-sources", source.id, *topics)
    return rows


def _customer(customer_id: str, app_id: str, number: int, now_ms: int) -> CustomerRow:
    email = f"ada{number}@grown.example.com"
    return CustomerRow(
        id=customer_id, app_id=app_id, type="unverified", status="unverified", status_before=None,
        first_name="Ada", last_name="Byron", email=email, email_folded=email, business_name=None,
        correlation_id=None, details="{}", created_at=now_ms,
    )  # fmt: skip


def _session(core: Core, session_id: str, app_id: str, customer_id: str) -> ExchangeSessionRow:
    now_ms = core.clock.now_ms()
    place = Place(app_id, "exchange_session", "provider_session", session_id)
    provider = b'{"token":"link-sandbox-00000000-0000-4000-8000-000000000000"}'
    return ExchangeSessionRow(
        id=session_id, app_id=app_id, customer_id=customer_id, exchange_id=None,
        partner_key="plaid", external_id=None,
        provider_session_sealed=core.vault.seal(place, provider),
        expires_at=now_ms, created_at=now_ms,
    )  # fmt: skip


def _intent(core: Core, exchange_id: str, app_id: str, customer_id: str, number: int) -> IntentRow:
    return IntentRow(
        id=exchange_id, app_id=app_id, customer_id=customer_id, partner_key="plaid",
        proof_hash=core.vault.hash(b"grown-%d" % number), proof_sealed=None, state="recorded",
        tried=1, lease_until=0, grant_sealed=None, idempotency_hash=None, failure=None,
        created_at=core.clock.now_ms(),
    )  # fmt: skip


def _exchange(
    core: Core, exchange_id: str, app_id: str, customer_id: str, number: int
) -> ExchangeRow:
    now_ms = core.clock.now_ms()
    # The bench's connector reads the account's number from the end of the grant.
    secret = f"public-grown-{number:012d}"
    grant = Grant(Secret(secret), external_id=secret)
    return ExchangeRow(
        id=exchange_id, app_id=app_id, customer_id=customer_id, partner_key="plaid",
        status="active", external_id=secret,
        grant_sealed=grants.seal_grant(core, app_id, TABLE, exchange_id, grant),
        consent_expires_at=None, created_at=now_ms, checked_at=now_ms, seen_well_at=now_ms,
    )  # fmt: skip


def _source(
    core: Core, app_id: str, customer_id: str, exchange_id: str, number: int
) -> FundingSourceRow:
    source_id = core.ids.new()
    own = Numbers("222222226", f"9{number:011d}")
    return FundingSourceRow(
        id=source_id, app_id=app_id, owner_id=customer_id, customer_id=customer_id,
        exchange_id=exchange_id, status="verified", type="bank", bank_account_type="checking",
        name="Checking", bank_name="Bench Bank", channels="ach",
        fingerprint=numbers.fingerprint(core, app_id, own),
        numbers_sealed=numbers.seal(core, app_id, source_id, own),
        account_external_id=None, removed=False, removed_at=None,
        created_at=core.clock.now_ms(),
    )  # fmt: skip


# ── into the database ─────────────────────────────────────────────────────────────────────────


def _tallies(chunk: Rows) -> list[tuple[str, str, int]]:
    """What `store/tally.py` would have counted, all of it in one slot."""
    counted = Counter(
        (row["app_id"], kind)
        for table, kind in (("customer", "customers"), ("event", "events"))
        for row in chunk[table]
    )
    return [(app_id, kind, total) for (app_id, kind), total in counted.items()]


def _columns(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[tuple[Any, ...]]]:
    columns = list(rows[0])
    return columns, [tuple(row[column] for column in columns) for row in rows]


_TALLY = (
    "INSERT INTO tally (app_id, kind, slot, total) VALUES ({}, {}, 0, {})"
    " ON CONFLICT (app_id, kind, slot) DO UPDATE SET total = tally.total + excluded.total"
)


async def _into_sqlite(url: str, chunk: Rows) -> None:
    db = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -500000")
    db.execute("BEGIN IMMEDIATE")
    for table, rows in chunk.items():
        columns, values = _columns(rows)
        marks = ", ".join("?" * len(columns))
        db.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", values)
    db.executemany(_TALLY.format("?", "?", "?"), _tallies(chunk))
    db.execute("COMMIT")
    db.close()


async def _into_postgres(url: str, chunk: Rows) -> None:
    import asyncpg  # an extra

    db = await asyncpg.connect(url)
    async with db.transaction():
        for table, rows in chunk.items():
            columns, values = _columns(rows)
            await db.copy_records_to_table(table, columns=columns, records=values)
        await db.executemany(_TALLY.format("$1", "$2", "$3"), _tallies(chunk))
    await db.close()
