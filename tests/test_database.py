"""The two engines behave the same, as far as the services can see."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import pkgutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import tallystick
from tallystick.errors import ConfigurationError, StoreFailed
from tallystick.server import config
from tallystick.server.process import opened
from tallystick.store import migrations, sqlite as store_sqlite
from tallystick.store.db import EVERY, Statement, connect
from tallystick.store.sqlite import open_connection
from tests.databases import sqlite

pytestmark = pytest.mark.anyio

ADD = Statement(
    "INSERT INTO audit (app_id, resource, resource_id, change, created_at)"
    " VALUES (:app_id, 'tests', :resource_id, :change, 1)"
)
COUNT = Statement("SELECT count(*) FROM audit WHERE app_id = :app_id")
LIST = Statement("SELECT change FROM audit WHERE app_id = :app_id ORDER BY number")


@pytest.fixture
async def db(database_url):
    await migrations.migrate(database_url)
    made = connect(database_url)
    await made.open()
    yield made
    await made.close()


def add(change="x", app="a"):
    return {"app_id": app, "resource_id": "r", "change": change}


async def count(db, app="a"):
    row = await db.one(COUNT, app_id=app)
    return row[0]


async def test_a_unit_is_kept_whole_or_not_at_all(db):
    async def fails(tx):
        await tx.run(ADD, **add())
        raise LookupError("no")

    with pytest.raises(LookupError):
        await db.transact(fails)
    assert await count(db) == 0

    async def works(tx):
        await tx.run(ADD, **add("1"))
        row = await tx.one(COUNT, app_id="a")
        return row[0]

    assert await db.transact(works) == 1
    assert await count(db) == 1


async def test_units_that_fail_take_back_only_themselves(db):
    """On SQLite all of these share commits; none may lose or keep another's rows."""

    async def unit(number, tx):
        await tx.run(ADD, **add(str(number)))
        if number % 3 == 0:
            raise LookupError(number)
        return number

    results = await asyncio.gather(
        *(db.transact(lambda tx, n=n: unit(n, tx)) for n in range(200)), return_exceptions=True
    )
    kept = {int(row[0]) for row in await db.all(LIST, app_id="a")}
    assert kept == {n for n in range(200) if n % 3}
    assert [isinstance(each, LookupError) for each in results] == [n % 3 == 0 for n in range(200)]


async def test_run_tells_how_many_rows(db):
    async def unit(tx):
        done = [await tx.run(ADD, **add()) for _ in range(3)]
        done.append(await tx.run(Statement("UPDATE audit SET change = 'y' WHERE app_id = 'a'")))
        done.append(await tx.run(Statement("DELETE FROM audit WHERE app_id = 'b'")))
        return done

    assert await db.transact(unit) == [1, 1, 1, 3, 0]


async def test_what_is_committed_is_seen_at_once(db):
    for n in range(20):
        await db.transact(lambda tx, n=n: tx.run(ADD, **add(str(n))))
        assert await count(db) == n + 1


async def late_reads(db):
    """How many of many reads did not see a commit that somebody had been told of before."""
    told, late = 0, 0

    async def write(number):
        nonlocal told
        for _ in range(20):
            await db.transact(lambda tx: tx.run(ADD, **add(str(number))))
            told += 1
            await read()

    async def read():
        nonlocal late
        known = told
        late += await count(db) < known
        await asyncio.sleep(0)

    async def read_on():
        while told < 100:
            await read()

    await asyncio.gather(*map(write, range(5)), *(read_on() for _ in range(5)))
    return late


async def test_readers_see_every_commit_that_somebody_was_told_of(db):
    """Reads of one turn of the loop share a snapshot: none may be older than its question."""
    assert await late_reads(db) == 0


async def test_a_snapshot_that_is_held_too_long_would_be_noticed(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'late.db'}"
    await migrations.migrate(url)
    db = connect(url)
    await db.open()
    end = db._end_snapshot
    monkeypatch.setattr(
        db, "_end_snapshot", lambda: asyncio.get_running_loop().call_later(0.02, end)
    )
    assert await late_reads(db) > 0
    await asyncio.sleep(0.05)
    await db.close()


async def test_readers_see_what_another_process_commits(db, database_url):
    other = connect(database_url)
    await other.open()
    try:
        for number in range(10):
            assert await count(db) == number
            await other.transact(lambda tx: tx.run(ADD, **add()))
            assert await count(db) == number + 1
    finally:
        await other.close()


async def test_a_cancelled_caller_leaves_the_store_usable(db):
    waiting = [
        asyncio.ensure_future(db.transact(lambda tx: tx.run(ADD, **add()))) for _ in range(20)
    ]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await db.transact(lambda tx: tx.run(ADD, **add(app="b")))
    assert await count(db, "b") == 1


async def test_every_statement_of_the_product_is_valid_on_both_engines(database_url):
    """Prepared against the migrated schema, so that a typo cannot wait for its first call."""
    for module in pkgutil.walk_packages(tallystick.__path__, "tallystick."):
        if module.name.split(".")[-1] in ("store", "vault", "idempotency", "audit", "reseal"):
            importlib.import_module(module.name)
    statements = [each for each in EVERY if "audit SET change" not in each.sql]
    assert len(statements) > 40
    await migrations.migrate(database_url)
    if database_url.startswith("sqlite"):
        connection = sqlite3.connect(database_url.removeprefix("sqlite:///"))
        for each in statements:
            names = dict.fromkeys(each.numbered[1])
            connection.execute(f"EXPLAIN {each.sql}", names)
        connection.close()
        return
    import asyncpg

    connection = await asyncpg.connect(database_url)
    for each in statements:
        await connection.prepare(each.numbered[0])
    await connection.close()


async def test_migrating_twice_and_at_once_is_harmless(tmp_path):
    url = f"sqlite:///{tmp_path}/m.db"
    await asyncio.gather(*(migrations.migrate(url) for _ in range(4)))
    db = connect(url)
    await db.open()
    assert await migrations.current(db) == migrations.head()
    await db.close()


async def test_a_store_of_a_newer_version_is_refused_in_a_line(database_url, tmp_path):
    """After a step back, for example: the steps of the future are not here."""
    await migrations.migrate(database_url)
    db = connect(database_url)
    await db.open()
    newer = Statement("UPDATE alembic_version SET version_num = :version")
    await db.transact(lambda tx: tx.run(newer, version="9999"))
    await db.close()
    with pytest.raises(ConfigurationError, match="newer tallystick: its schema is 9999"):
        await migrations.migrate(database_url)
    settings = config.load({"data_dir": str(tmp_path), "database_url": database_url}, environ={})
    with pytest.raises(ConfigurationError, match="newer tallystick"):
        async with opened(settings):
            pass


async def test_a_unit_may_not_wait_for_anything_but_the_store(tmp_path):
    url = f"sqlite:///{tmp_path}/m.db"
    await migrations.migrate(url)
    db = connect(url)
    await db.open()

    async def calls_a_partner(tx):
        await tx.run(ADD, **add())
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="awaited something"):
        await db.transact(calls_a_partner)
    assert await count(db) == 0
    await db.close()


def test_sqlite_is_set_up_to_keep_what_it_acknowledged(tmp_path):
    connection = open_connection(str(tmp_path / "x.db"))
    pragmas = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
    }
    connection.close()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
    }
    assert (tmp_path / "x.db").stat().st_mode & 0o077 == 0


class Failing:
    """A connection on which each of these statements fails once."""

    def __init__(self, connection, *statements):
        self._connection, self._failing = connection, list(statements)

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, sql, *values):
        if sql in self._failing:
            self._failing.remove(sql)
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(sql, *values)


async def test_a_commit_that_fails_may_have_committed_and_a_failed_rollback_stops_nobody(tmp_path):
    db = connect(sqlite(tmp_path))
    await db.open()
    db._writer = Failing(db._writer, "COMMIT", "ROLLBACK")
    with pytest.raises(StoreFailed) as failed:
        await db.transact(lambda tx: tx.run(ADD, **add()))
    assert failed.value.committed is None
    with pytest.raises(StoreFailed) as failed:  # what failed has to be rolled back first
        await asyncio.wait_for(db.transact(lambda tx: tx.run(ADD, **add())), 30)
    assert failed.value.committed is False
    await db.transact(lambda tx: tx.run(ADD, **add("kept")))
    assert [row[0] for row in await db.all(LIST, app_id="a")] == ["kept"]
    await db.close()


async def test_a_read_that_breaks_off_is_an_outage(tmp_path, monkeypatch):
    class Cursor:
        def fetchone(self):
            raise sqlite3.OperationalError("disk I/O error")

        fetchall = fetchone

    db = connect(sqlite(tmp_path))
    await db.open()
    monkeypatch.setattr(db, "_read", lambda *_: Cursor())
    for read in (db.one, db.all):
        with pytest.raises(StoreFailed):
            await read(COUNT, app_id="a")
    await db.close()


# A row for every millisecond of a minute, each looked at: far more than WALK_STEPS.
LONG = Statement(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)"
    " SELECT count(*) FROM n",
    walks=True,
)
EVERY.remove(LONG)  # of SQLite alone


async def test_a_read_that_walks_stops_nobody_and_ends(tmp_path, monkeypatch):
    await migrations.migrate(sqlite(tmp_path))
    db = connect(sqlite(tmp_path))
    await db.open()
    walking = asyncio.create_task(db.one(LONG))
    await asyncio.sleep(0)
    assert not walking.done()
    assert await count(db) == 0  # in place, as always
    assert not walking.done()
    assert tuple(await walking) == (60_000,)
    monkeypatch.setattr(store_sqlite, "WALK_S", -1.0)
    with pytest.raises(StoreFailed, match="interrupted"):
        await db.one(LONG)
    await db.close()
    with pytest.raises(StoreFailed, match="not open"):
        await db.one(LONG)


async def test_a_database_that_is_not_there_is_told(tmp_path):
    db = connect("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(StoreFailed):
        await db.open()
    with pytest.raises(ValueError, match="database URL"):
        connect("mysql://x")


def test_many_may_open_a_new_file_at_once(tmp_path):
    """Each switches it to WAL; SQLite tells all but one "locked" without waiting."""
    for number in range(20):
        path = str(tmp_path / f"{number}.db")
        start = threading.Barrier(4)

        def first(path: str = path, start: threading.Barrier = start) -> str:
            start.wait()
            with contextlib.closing(open_connection(path)) as db:
                return db.execute("PRAGMA journal_mode").fetchone()[0]

        with ThreadPoolExecutor(4) as pool:
            assert {each.result() for each in [pool.submit(first) for _ in range(4)]} == {"wal"}
