"""A PostgreSQL primary and its synchronous standby, each on a host of its own, and an address that
follows the primary.

Who fails it over is the run itself, as a cluster manager would: the old primary is cut off and
killed before the standby is promoted, and is made anew from the new one as its standby.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg

from tests.storm.cluster import binaries

from .network import Network

START_S = 60.0
PORT = 5432
CARD = "floating"
# No commit waits for the disk: what is killed is processes, and what they wrote outlives them.
SETTINGS = (
    "listen_addresses = '*'", "fsync = off", "max_connections = 150", "shared_buffers = '32MB'",
    "wal_sender_timeout = '2s'", "wal_receiver_timeout = '2s'", "wal_retrieve_retry_interval = '200ms'",
    "wal_keep_size = '256MB'", "log_line_prefix = '%m [%p] '",
)  # fmt: skip


class Server:
    """One of the two: its host, its address on the back switch, its folder."""

    def __init__(self, host: str, address: str, data: Path) -> None:
        self.host = host
        self.address = address
        self.data = data
        self.process: Any = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@{self.address}:{PORT}/{database}"


class Pair:
    """`synchronous` off is a seeded bug: what is acknowledged may be on one of the two only.

    Logs are in `folder`.
    """

    def __init__(self, folder: Path, network: Network, *, synchronous: bool = True) -> None:
        where = binaries()
        if where is None:
            raise RuntimeError("initdb is not here: install PostgreSQL's server")
        self._bin = where
        self._folder = folder
        self._network = network
        self._synchronous = synchronous
        # Not in `folder`, which may be one that only root can enter; PostgreSQL refuses to be root.
        self._data = Path(tempfile.mkdtemp(prefix="tallystick_postgres_"))
        self._data.chmod(0o711)
        servers = []
        for number in range(2):
            host = f"database{number}"
            network.add_host(host)
            address = network.connect(host, "back", 31 + number)
            servers.append(Server(host, address, self._data / f"{number}"))
        self.primary, self.standby = servers
        self.address = network.connect(self.primary.host, "inside", 30, CARD)

    @property
    def url(self) -> str:
        """Where the gateway finds its database, whoever that is."""
        return f"postgresql://postgres@{self.address}:{PORT}/tallystick"

    async def create(self) -> None:
        await asyncio.to_thread(self._initialize)
        await self._start(self.primary)
        await execute(self.primary.url(), "CREATE DATABASE tallystick")
        await self.rebuild()

    def _initialize(self) -> None:
        data = self.primary.data
        self._run(self.primary, "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N")
        with (data / "postgresql.conf").open("a") as file:
            file.write("\n".join(("", *SETTINGS, "")))
        with (data / "pg_hba.conf").open("a") as file:
            file.write("host all,replication all 10.77.0.0/16 trust\n")

    async def rebuild(self) -> None:
        """Make the standby from the primary; from when it follows, commits wait for it."""
        server = self.standby
        await asyncio.to_thread(shutil.rmtree, server.data, ignore_errors=True)
        await asyncio.to_thread(
            self._run, server, "pg_basebackup", "-d", f"{self.primary.url()}?connect_timeout=5",
            "-D", server.data, "-R", "-X", "stream", "-c", "fast", "-N",
        )  # fmt: skip
        with (server.data / "postgresql.auto.conf").open("a") as file:
            file.write(f"primary_conninfo = '{self.primary.url()}?connect_timeout=2'\n")
        await self._start(server)
        if self._synchronous:
            await execute(
                self.primary.url(),
                "ALTER SYSTEM SET synchronous_standby_names = '*'",
                "SELECT pg_reload_conf()",
            )
        await self.in_step()

    async def in_step(self) -> None:
        """Return when the standby has what is acknowledged, and commits wait for it."""
        sql = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        if self._synchronous:
            sql += " AND sync_state IN ('sync', 'quorum')"
        give_up_at = time.monotonic() + START_S
        while not await value(self.primary.url(), sql):
            assert time.monotonic() < give_up_at, "the standby does not follow"
            await asyncio.sleep(0.05)

    async def lose_primary(self) -> None:
        """Cut it off, and a moment later kill all of it."""
        old = self.primary
        self._network.pull(old.host, CARD)
        self._network.pull(old.host, "back")
        await asyncio.sleep(0.3)
        await asyncio.to_thread(kill, old.process)

    async def promote(self) -> None:
        """The standby is the primary, and the address is moved to it; it has no standby yet."""
        old, new = self.primary, self.standby
        await execute(
            new.url(),
            "ALTER SYSTEM SET synchronous_standby_names = ''",
            "SELECT pg_reload_conf()",
            "SELECT pg_promote(true, 60)",
        )
        self._network.move(CARD, old.host, new.host, self.address)
        self._network.plug(new.host, CARD, "inside")
        self._network.plug(old.host, "back")
        self.primary, self.standby = new, old

    async def _start(self, server: Server) -> None:
        """Returns when it answers."""
        give_up_at = time.monotonic() + START_S
        with self._network.at(server.host), (self._folder / f"{server.host}.log").open("ab") as log:
            server.process = subprocess.Popen(
                [self._bin / "postgres", "-D", server.data, "-c", "unix_socket_directories="],
                stdout=log, stderr=log, cwd="/", user="postgres", extra_groups=[],
            )  # fmt: skip
        while True:
            try:
                await execute(server.url(), "SELECT 1")
            except (OSError, asyncpg.PostgresError, TimeoutError):
                assert server.process.poll() is None, f"PostgreSQL does not start: {server.host}"
                assert time.monotonic() < give_up_at, f"PostgreSQL does not answer: {server.host}"
                await asyncio.sleep(0.05)
            else:
                return

    def _run(self, server: Server, program: str, *arguments: Any) -> None:
        server.data.mkdir(mode=0o700)
        shutil.chown(server.data, "postgres")
        with self._network.at(server.host):
            done = subprocess.run(
                [self._bin / program, *arguments],
                check=False, capture_output=True, text=True, cwd="/", user="postgres", extra_groups=[],
            )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        for each in (self.primary, self.standby):
            if each.process is not None:
                kill(each.process)
        shutil.rmtree(self._data, ignore_errors=True)


def kill(server: Any) -> None:
    """`kill -9` of a server and of all that it started."""
    if server.poll() is not None:
        return
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for each in (server.pid, *map(int, children)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    server.wait()


async def execute(url: str, *statements: str) -> None:
    await _fetch(url, statements)


async def value(url: str, sql: str) -> Any:
    return await _fetch(url, [sql])


async def _fetch(url: str, statements: Sequence[str]) -> Any:
    connection = await asyncpg.connect(url, timeout=5, command_timeout=70)
    found = None
    try:
        for each in statements:
            found = await connection.fetchval(each)
    finally:
        connection.terminate()
    return found
