"""A PostgreSQL server of one's own, which may be killed: all of it, or one backend."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg

from tests.databases import _do as do
from tests.gateway import free_port

START_S = 60.0


def binaries() -> Path | None:
    """The folder of `initdb` and `postgres`; None where they are not."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


class Cluster:
    """`kills` counts what was done to it; its log is in `folder`, and its pages have checksums.

    Its data is elsewhere: pytest closes its folders to all but root whenever a run begins, and
    PostgreSQL refuses to be root.
    """

    def __init__(self, folder: Path, rng: random.Random) -> None:
        where = binaries()
        if where is None:
            raise RuntimeError("initdb is not here: install PostgreSQL's server")
        self._bin = where
        self._folder = folder
        self.data = Path(tempfile.mkdtemp(prefix="tallystick_postgres_"))
        self._port = free_port()
        self._rng = rng
        self._server: Any = None
        self.kills: Counter[str] = Counter()
        # Who waits for a kill to be over may be cancelled; the kill goes on to its end.
        self._at_work = threading.Lock()
        self._as: dict[str, Any] = (
            {"user": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        )

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/tallystick"

    def create(self) -> None:
        if self._as:
            shutil.chown(self.data, "postgres")
        subprocess.run(
            [self._bin / "initdb", "-k", "-D", self.data, "-A", "trust", "-U", "postgres"],
            check=True, stdout=subprocess.DEVNULL, cwd="/", **self._as,
        )  # fmt: skip
        self.start()
        do(self.execute("postgres", "CREATE DATABASE tallystick"))

    def start(self) -> None:
        """Returns when it answers: after a crash, when it has recovered."""
        give_up_at = time.monotonic() + START_S
        while True:
            self._launch()
            while self._server.poll() is None:
                try:
                    do(self.execute("postgres", "SELECT 1"))
                except (OSError, asyncpg.PostgresError, TimeoutError):
                    time.sleep(0.05)
                else:
                    return
            # A backend of the one that was killed still holds the shared memory.
            assert time.monotonic() < give_up_at, f"PostgreSQL does not start; see {self._folder}"
            time.sleep(0.1)

    def _launch(self) -> None:
        with (self._folder / "postgres.log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._bin / "postgres", "-D", self.data, "-p", str(self._port),
                 "-k", self.data, "-c", "listen_addresses=127.0.0.1"],
                stdout=log, stderr=log, cwd="/", **self._as,
            )  # fmt: skip

    async def execute(self, database: str, sql: str) -> Any:
        """The first value, if there is one."""
        url = f"postgresql://postgres@127.0.0.1:{self._port}/{database}"
        connection = await asyncpg.connect(url, timeout=5)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    def kill(self) -> None:
        """`kill -9` of the server; the next time of one backend, upon which it starts all anew."""
        with self._at_work:
            backends = self._children()
            if backends and self.kills.total() % 2:
                self.kills["one process of the database"] += 1
                os.kill(self._rng.choice(backends), signal.SIGKILL)
                return
            self.kills["the database's server"] += 1
            self._server.kill()
            self._server.wait()
            self.start()

    def _children(self) -> list[int]:
        listed = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children").read_text()
        return [int(each) for each in listed.split()]

    def complaints(self) -> list[str]:
        """What pg_amcheck finds wrong with any table or index; it reads every page of them."""
        found = subprocess.run(
            [self._bin / "pg_amcheck", "-h", "127.0.0.1", "-p", str(self._port), "-U", "postgres",
             "-d", "tallystick", "--install-missing", "--heapallindexed", "--rootdescend"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return [f"pg_amcheck: {found.stdout}"] if found.returncode else []

    def stop(self) -> None:
        with self._at_work:
            if self._server is not None and self._server.poll() is None:
                self._server.send_signal(signal.SIGQUIT)
                self._server.wait(30)

    def remove(self) -> None:
        """Stop it and forget its data."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
