"""PostgreSQL when it does not answer: a standby that is away, a connection that broke, a silence."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from types import SimpleNamespace
from urllib.parse import urlsplit

import asyncpg
import pytest
from asyncpg.pool import PoolConnectionProxy

from tallystick.errors import ConfigurationError, StoreFailed
from tallystick.server import config, process
from tallystick.store import migrations, postgres as store_postgres
from tallystick.store.db import Statement, connect
from tallystick.store.sqlite import SqliteDatabase
from tests.databases import POSTGRES, postgres
from tests.requirements import missing
from tests.storm.cluster import Cluster, binaries

pytestmark = pytest.mark.anyio

ADD = Statement(
    "INSERT INTO audit (app_id, resource, resource_id, change, created_at)"
    " VALUES ('a', 'tests', 'r', 'x', 1)"
)
SERVER = urlsplit(POSTGRES)
COUNT = Statement("SELECT count(*) FROM audit")


async def counted(db):
    row = await db.one(COUNT)
    return row[0]


async def test_an_address_with_options_is_migrated_as_it_is_opened():
    with postgres() as url:
        with_options = f"{url}{'&' if '?' in url else '?'}sslmode=prefer&application_name=tally"
        await migrations.migrate(with_options)
        db = connect(with_options)
        await db.open()
        assert await migrations.current(db) == migrations.head()
        await db.close()


@pytest.mark.parametrize(
    "password", ["hush#hush", "hush?hush", "hush/hush", "[hush", "hush@h?hush"]
)
async def test_an_address_that_cannot_be_read_is_told_without_its_password(password):
    """The driver's own words quote the part that it stumbled over."""
    with pytest.raises(ConfigurationError, match="percent-encoded") as failed:
        await connect(f"postgresql://user:{password}@127.0.0.1:1/db").open()
    assert "hush" not in str(failed.value)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InternalClientError("got result for unknown protocol state 3"),
        asyncpg.DiskFullError("could not extend file: No space left on device"),
        asyncpg.OutOfMemoryError("out of memory"),
        asyncpg.PostgresIOError("could not read block 7: Input/output error"),
        asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_is_nobodys_fault_is_an_outage(monkeypatch, error):
    """The first is asyncpg's name for a connection that broke between two messages."""

    async def broken(*_arguments, **_options):
        raise error

    with postgres() as url:
        await migrations.migrate(url)
        db = connect(url)
        await db.open()
        for name in ("fetch", "fetchrow"):
            monkeypatch.setattr(PoolConnectionProxy, name, broken)
        with pytest.raises(StoreFailed, match=type(error).__name__):
            await db.all(COUNT)
        with pytest.raises(StoreFailed, match=type(error).__name__) as failed:
            await db.transact(lambda tx: tx.one(COUNT))
        assert failed.value.committed is False
        monkeypatch.undo()
        assert await counted(db) == 0
        await db.close()


@pytest.mark.parametrize("ended", ["too late", "cancelled"])
async def test_a_commit_that_waits_for_a_standby_is_never_seen_before_it_is_there(
    tmp_path, monkeypatch, ended
):
    """The server would make visible what it is asked to cancel, and a failover would lose it."""
    if binaries() is None:
        missing("initdb, of PostgreSQL's server,")
    cluster = Cluster(tmp_path, random.Random(1))
    try:
        cluster.create()
        await migrations.migrate(cluster.url)
        operator = await asyncpg.connect(cluster.url)
        await operator.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        await operator.close()
        # Not reloaded: that takes effect at some time, and a commit before it would not wait.
        cluster.stop()
        cluster.start()
        db = connect(cluster.url)
        await db.open()
        operator = await asyncpg.connect(cluster.url)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        monkeypatch.setattr(store_postgres, "STATEMENT_S", 60 if ended == "cancelled" else 3)
        writing = asyncio.ensure_future(db.transact(lambda tx: tx.run(ADD)))
        while not await operator.fetchval(waits):
            await asyncio.sleep(0.01)
        if ended == "cancelled":
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
        else:
            with pytest.raises(StoreFailed) as failed:
                await writing
            assert failed.value.committed is None
        await asyncio.sleep(0.2)  # long enough for a request to cancel to arrive
        assert await operator.fetchval(waits) == 1
        assert await counted(db) == 0
        await operator.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        await operator.execute("SELECT pg_reload_conf()")
        while await operator.fetchval(waits):
            await asyncio.sleep(0.01)
        assert await counted(db) == 1
        await operator.close()
        await db.close()
    finally:
        cluster.remove()


async def test_who_falls_silent_in_a_transaction_does_not_hold_its_locks_for_ever(monkeypatch):
    """As a process does whose machine is gone: TCP would hope for it for hours."""
    monkeypatch.setattr(store_postgres, "IDLE_MS", 100)
    with postgres() as url:
        await migrations.migrate(url)
        db = connect(url)
        await db.open()
        operator = await asyncpg.connect(url)

        async def falls_silent(tx):
            await tx.run(ADD)
            held = "SELECT count(*) FROM pg_locks WHERE relation = 'audit'::regclass"
            while await operator.fetchval(held):
                await asyncio.sleep(0.01)
            await tx.run(ADD)

        with pytest.raises(StoreFailed) as failed:
            await db.transact(falls_silent)
        assert failed.value.committed is False
        assert await counted(db) == 0
        await operator.close()
        await db.close()


async def test_a_statement_that_takes_too_long_leaves_the_pool_usable(monkeypatch):
    monkeypatch.setattr(store_postgres, "STATEMENT_S", 0.1)
    slow = Statement("SELECT pg_sleep(10)")
    with postgres() as url:
        await migrations.migrate(url)
        db = connect(url)
        await db.open()
        for _ in range(store_postgres.CONNECTIONS_MAX + 1):
            with pytest.raises(StoreFailed):
                await db.one(slow)
        with pytest.raises(StoreFailed) as failed:
            await db.transact(lambda tx: tx.one(slow))
        assert failed.value.committed is False
        await db.transact(lambda tx: tx.run(ADD))
        assert await counted(db) == 1
        await db.close()


async def test_a_server_that_may_lose_commits_is_told_apart():
    with postgres() as url:  # made so, because tests need not wait for a disk
        db = connect(url)
        await db.open()
        assert db.risks == ["synchronous_commit = off"]
        await db.close()
        careful = connect(f"{url}?synchronous_commit=on")
        await careful.open()
        assert careful.risks == []
        await careful.close()


@pytest.mark.parametrize(
    ("live", "risk", "starts"),
    [
        (True, "fsync = off", False),
        (False, "fsync = off", True),
        (True, "synchronous_commit = off", True),
    ],
)
async def test_money_does_not_stand_on_a_server_without_fsync(
    tmp_path, monkeypatch, live, risk, starts
):
    warned = []
    monkeypatch.setattr(
        process, "_log", SimpleNamespace(warning=lambda event, error: warned.append(error))
    )
    monkeypatch.setattr(SqliteDatabase, "risks", [risk])
    given = {"data_dir": str(tmp_path), "mode": "live" if live else "sandbox"}
    settings = config.load(
        {**given, "encryption_key": "00" * 32, "public_url": "https://api.example"}
    )
    with contextlib.nullcontext() if starts else pytest.raises(ConfigurationError, match=risk):
        async with process.Process(settings).running():
            assert risk in warned[0]


class Address:
    """Leads to the server; after `move` whoever is still connected is reset by his next word."""

    def __init__(self):
        self.moves = 0

    async def __call__(self, reader, writer):
        moves = self.moves
        there, to = await asyncio.open_connection(SERVER.hostname, SERVER.port)
        back = asyncio.create_task(self.copy(there, writer))
        while (said := await reader.read(65_536)) and moves == self.moves:
            to.write(said)
        if said:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        to.close()
        await back

    async def copy(self, reader, writer):
        while said := await reader.read(65_536):
            writer.write(said)
        writer.close()


async def test_connections_that_were_lost_unused_cost_no_request():
    address = Address()
    server = await asyncio.start_server(address, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with postgres() as url:
        await migrations.migrate(url)
        db = connect(url.replace(f":{SERVER.port}", f":{port}"))
        await db.open()
        for ask in (lambda: counted(db), lambda: db.transact(lambda tx: tx.one(COUNT))):
            await asyncio.gather(*(counted(db) for _ in range(8)))
            assert db._pool.get_size() > 1
            address.moves += 1
            assert await asyncio.gather(*(ask() for _ in range(8)))
        await db.close()
    server.close()
    await server.wait_closed()
