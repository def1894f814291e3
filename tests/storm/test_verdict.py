"""What the verdict lets pass and what it does not, where a storm would meet it once in a thousand."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from contextlib import closing
from math import inf

import pytest

from tallystick.api.webhooks.queue import LEASE_MS
from tallystick.delivery.post import DEADLINE_S
from tallystick.store.postgres import CONNECT_S
from tests.databases import _do as do

from . import storm
from .clock import SharedClock
from .history import History, Resource, Subscription, Told
from .rows import Rows
from .sinks import Receipt, Sinks
from .verdict import (
    Evidence,
    Webhook,
    events_match,
    in_order,
    nothing_is_half_made,
    resources_match,
    retries_were_made,
)

pytestmark = pytest.mark.anyio

DAY_MS = 24 * 3_600_000
_TABLES = """
CREATE TABLE event (id, app_id, topic, resource, resource_id);
CREATE TABLE audit (resource_id, change, created_at);
CREATE TABLE customer (id, email, status);
CREATE TABLE funding_source (id, name, status, removed);
CREATE TABLE exchange (id, customer_id, partner_key, external_id, status, grant_sealed);
CREATE TABLE exchange_intent (id, state, customer_id);
CREATE TABLE exchange_session (id);
CREATE TABLE retry (webhook_id, subscription_id, state);
CREATE TABLE subscription (id, paused, removed);
"""


@pytest.fixture
def store(tmp_path):
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as db:
        db.executescript(_TABLES)
        yield db


@pytest.fixture
def evidence(tmp_path):
    rows = Rows(f"sqlite:///{tmp_path}/store.db")
    return lambda history: Evidence(history, Sinks(1, 0), rows, {}, 0)


async def test_a_change_that_was_told_needs_its_event_also_if_nobody_has_it(store, evidence):
    history = History(told=[Told("app", "lost", ("customer_created",), 0, 1)])
    found = evidence(history)
    await events_match(found)
    assert found.wrong == ["customer_created of lost was told, and nobody has it"]


async def test_what_was_never_answered_is_done_once_or_not_at_all(store, evidence):
    history = History(unanswered=Counter({("app", "customer_created"): 2}))
    store.execute(
        "INSERT INTO event (app_id, topic, resource_id) VALUES ('app', 'customer_created', 'one')"
    )
    once = evidence(history)
    await events_match(once)
    assert once.wrong == []
    store.execute(
        "INSERT INTO event (app_id, topic, resource_id) VALUES ('app', 'customer_created', 'one')"
    )
    twice = evidence(history)
    await events_match(twice)
    assert twice.wrong == ["customer_created of one: 2 events"]


@pytest.mark.parametrize(
    ("wanting", "after_days", "event", "right"),
    [
        (True, 7, True, True),
        (True, 6.9, True, False),
        (True, 7, False, False),
        (False, 7, True, False),
    ],
)
async def test_an_exchange_is_deactivated_when_a_person_did_not_come_in_time(
    store, evidence, wanting, after_days, event, right
):
    state = {"customer_id": "ada", "status": "active"} | ({"wanting": True} if wanting else {})
    history = History()
    history.add(Resource("exchange", "x", "app", state))
    store.execute(
        "INSERT INTO exchange (id, customer_id, status) VALUES ('x', 'ada', 'deactivated')"
    )
    if event:
        store.execute(
            "INSERT INTO event (topic, resource_id) VALUES ('customer_exchange_reauth_required', 'x')"
        )
    said = [("x", "active: person", 0), ("x", "deactivated: person", int(after_days * DAY_MS))]
    store.executemany("INSERT INTO audit VALUES (?, ?, ?)", said)
    found = evidence(history)
    await resources_match(found)
    assert (not found.wrong) == right


async def test_a_recorded_intent_has_an_exchange(store, evidence):
    store.execute("INSERT INTO exchange_intent VALUES ('i', 'recorded', 'ada')")
    found = evidence(History())
    await nothing_is_half_made(found)
    assert found.wrong == ["1 recorded intents without an exchange: ['i']"]


@pytest.mark.parametrize("asked", [False, True])
def test_only_what_was_asked_for_once_more_overtakes(evidence, asked):
    first, second = (
        Webhook(each, "s", number, each, "ada", "delivered", 0, attempts=1, first_ok=True)
        for number, each in enumerate(("created", "verified"))
    )
    first.receipts = [Receipt("good/1", first.id, first.topic, "ada", at=2.0, status=200)]
    second.receipts = [Receipt("good/1", second.id, second.topic, "ada", at=1.0, status=200)]
    found = evidence(History(retries=Counter({second.id: int(asked)})))
    in_order(found, Subscription("subscription", "s", "app", {}, sink="good/1"), [first, second])
    assert found.wrong == ([] if asked else ["good/1 heard verified before created of ada"])


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_retry_is_made_unless_its_subscription_was_deleted(store, evidence, deleted):
    history = History(retries=Counter({"w": 1}))
    history.add(Subscription("subscription", "s", "app", {"removed": True} if deleted else {}))
    store.execute("INSERT INTO retry VALUES ('w', 's', 'stopped')")
    found = evidence(history)
    await retries_were_made(found)
    assert found.wrong == ([] if deleted else ["a retry of w is stopped"])


def test_all_that_is_wrong_is_counted_by_kind():
    wrong = [f"customer 01a1fde0-d134-714a-b2db-{n:012x} is lost" for n in range(25)] + ["else"]
    lines = str(storm.Report(wrong)).splitlines()
    assert "WRONG 25 times: customer … is lost" in lines
    assert "WRONG 1 times: else" in lines
    assert len([line for line in lines if line.startswith("    customer")]) == 10


async def test_a_page_of_sqlite_that_is_not_as_it_was_is_noticed(tmp_path):
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE event (id TEXT PRIMARY KEY)")
        db.executemany("INSERT INTO event VALUES (?)", [(f"{n:032}",) for n in range(1_000)])
        db.commit()
    rows = Rows(f"sqlite:///{path}")
    assert await rows.complaints() == []
    spoil(path, 4_096)
    assert await rows.complaints()


@pytest.mark.slow
def test_a_page_of_postgresql_that_is_not_as_it_was_is_noticed(cluster):
    made = "CREATE TABLE event AS SELECT md5(n::text) FROM generate_series(1, 1000) n"
    do(cluster.execute("tallystick", made))
    where = do(cluster.execute("tallystick", "SELECT pg_relation_filepath('event')"))
    assert cluster.complaints() == []
    do(cluster.execute("tallystick", "CHECKPOINT"))  # else it is mended from the log
    cluster.stop()
    spoil(cluster.data / where, 8_192)
    cluster.start()
    assert "event" in cluster.complaints()[0]


def spoil(path, page_bytes):
    """Turn every bit at the end of its second page, where the first rows are."""
    with path.open("r+b") as file:
        file.seek(2 * page_bytes - 64)
        piece = file.read(64)
        file.seek(-64, os.SEEK_CUR)
        file.write(bytes(255 - each for each in piece))


@pytest.mark.parametrize(
    ("ends_after_s", "noticed"), [(DEADLINE_S + CONNECT_S, True), (inf, False)]
)
async def test_a_run_waits_for_what_takes_long_and_not_for_ever(
    monkeypatch, tmp_path, ends_after_s, noticed
):
    """One webhook is left, and is settled so late; meanwhile nothing moves."""
    passed = 0.0

    async def sleep(for_s):
        nonlocal passed
        passed += for_s

    class OneLeft:
        async def one(self, _sql):
            return (int(passed < ends_after_s), 0, 0)

    class NoProcesses:
        def revive(self):
            pass

    monkeypatch.setattr(storm, "sleep", sleep)
    monkeypatch.setattr(storm, "monotonic", lambda: passed)
    clock, history = SharedClock(tmp_path / "clock"), History()
    assert noticed == await storm.quiet(NoProcesses(), clock, OneLeft(), history, storm.STUCK_S)
    assert clock.shift_ms > LEASE_MS
    assert round(history.longest_still_s) >= min(ends_after_s, storm.STUCK_S)
