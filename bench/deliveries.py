"""Durable deliveries a second to a local sink: workers against claim, POST and commit alone.

A delivery counts when its attempt is committed. Each contestant is given the same rows, due at
once, and is counted over a window that begins when all its processes are at work.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import ROUNDS, SECONDS, Bars, Note
from bench.serving import Missing, free_port, postgres
from tallystick.api.events import service as events
from tallystick.api.webhook_subscriptions import service as subscriptions
from tallystick.core import Core
from tallystick.server import config
from tallystick.server.process import opened
from tallystick.store.db import Statement, Transaction

BARS: Bars = {}
TAKES_LONG = "all rows are made due again before each figure: most of a minute a round"

SUBSCRIPTIONS = 5
ROWS = int(os.environ.get("ROWS", "60000"))
# For the last of several workers to have looked at least once.
WARM_S = 1.5
GIVE_UP_S = 60.0

_DELIVERED = Statement("SELECT count(*) FROM webhook WHERE state = 'delivered'")
_FORGET = Statement("DELETE FROM attempt")
_AGAIN = Statement("UPDATE webhook SET state = 'due', tried = 0, first_at = NULL, lease_until = 0")


class Engine:
    """A database full of webhooks for one sink."""

    def __init__(self, name: str, folder: Path, url: str, port: int) -> None:
        self.name = name
        self.folder = folder
        self.url = url
        self.port = port
        self.settings = config.load(
            {"data_dir": str(folder), "database_url": url, "log_level": "error"}, environ={}
        )

    async def fill(self) -> None:
        async with opened(self.settings) as core:
            row = await core.db.one(_APPLICATION)
            assert row is not None
            for _ in range(SUBSCRIPTIONS):
                body = {"url": f"http://127.0.0.1:{self.port}/hook", "secret": "sshhhhhh"}
                await subscriptions.create(core, row[0], body, None)
            await core.db.transact(lambda tx: record(core, tx, row[0]))

    async def rate(self, command: Sequence[str], processes: int) -> float:
        """Deliveries a second of so many processes that run `command`."""
        async with opened(self.settings) as core:
            await core.db.transact(lambda tx: tx.run(_FORGET))
            await core.db.transact(lambda tx: tx.run(_AGAIN))
            with running(command, processes):
                await self._next_commit(core, 0)
                await asyncio.sleep(WARM_S)
                before, began = await self._next_commit(core)
                await asyncio.sleep(SECONDS)
                after, ended = await self._next_commit(core)
        return (after - before) / (ended - began)

    async def _next_commit(self, core: Core, seen: int | None = None) -> tuple[int, float]:
        """How many are delivered, and when that was: just after it has changed.

        Deliveries are committed by the batch. A window that begins and ends anywhere would count
        one batch more or less, which is much of a short one.
        """
        seen = await self._delivered(core) if seen is None else seen
        give_up_at = time.perf_counter() + GIVE_UP_S
        while (now := await self._delivered(core)) == seen:
            if seen == ROWS:
                raise SystemExit(f"{ROWS} rows were not enough: give more as ROWS")
            if time.perf_counter() > give_up_at:
                raise SystemExit(f"{self.name}: nothing was delivered for {GIVE_UP_S:.0f} s")
            await asyncio.sleep(0.005)
        return now, time.perf_counter()

    async def _delivered(self, core: Core) -> int:
        row = await core.db.one(_DELIVERED)
        assert row is not None
        return int(row[0])


_APPLICATION = Statement("SELECT id FROM application")


async def record(core: Core, tx: Transaction, app_id: str) -> None:
    for _ in range(ROWS // SUBSCRIPTIONS):
        about = core.ids.new()
        await events.record(core, tx, app_id, "customer_created", "customers", about, about)


@contextlib.contextmanager
def running(command: Sequence[str], processes: int) -> Iterator[None]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK")}
    made = [
        subprocess.Popen([sys.executable, "-m", *command], env=environment)
        for _ in range(processes)
    ]
    try:
        yield
    finally:
        for each in made:
            each.send_signal(signal.SIGKILL)
            each.wait(20)


@contextlib.contextmanager
def engines(folder: Path, port: int) -> Iterator[list[Engine]]:
    made = [Engine("sqlite", folder / "sqlite", f"sqlite:///{folder}/sqlite/bench.db", port)]
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(postgres())
        except Missing as missing:
            print(f"postgresql is left out: {missing}", file=sys.stderr)
        else:
            made.append(Engine("postgresql", folder / "postgresql", url, port))
        yield made


def run(note: Note) -> None:
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as name,
        running(("bench.sink", str(port)), 1),
        engines(Path(name), port) as made,
    ):
        for engine in made:
            asyncio.run(engine.fill())
        for _ in range(ROUNDS):
            for engine in made:
                measure(note, engine)


def measure(note: Note, engine: Engine) -> None:
    raw = ("bench.raw_deliveries", engine.url, str(engine.port))
    note(f"{engine.name}_raw_per_s", asyncio.run(engine.rate(raw, 1)))
    worker = (
        "tallystick", "worker", "--database-url", engine.url, "--data-dir", str(engine.folder),
    )  # fmt: skip
    for workers in (1, 2):
        rate = asyncio.run(engine.rate(worker, workers))
        note(f"{engine.name}_{workers}_workers_per_s", rate)


def ratios(medians: dict[str, float]) -> dict[str, float]:
    return {
        f"{engine}_{workers}_workers_of_raw": medians[f"{engine}_{workers}_workers_per_s"]
        / medians[f"{engine}_raw_per_s"]
        for engine in ("sqlite", "postgresql")
        for workers in (1, 2)
        if f"{engine}_raw_per_s" in medians
    }
