"""The processes: started, killed, started again."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.gateway import free_port

from . import child
from .cluster import Cluster

START_S = 60.0
# What a gateway exits with that could not start (uvicorn's STARTUP_FAILURE), and what a worker does.
START_FAILED = (3, 1)
# With a cluster: every so many rounds it is the database's turn.
ROUNDS_PER_DATABASE = 5
# How often a supervisor looks whether one has ended.
LOOK_EVERY_S = 1.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.storm.child"])


@dataclass
class Member:
    """One process, and how to start it."""

    name: str
    role: str
    flags: dict[str, Any]
    process: Any = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.flags['port']}"


@dataclass
class Fleet:
    """`gateways` processes that serve and deliver nothing, and `workers` that deliver."""

    folder: Path
    database_url: str
    gateways: int
    workers: int
    bug: str | None
    quick: bool
    rng: random.Random
    cluster: Cluster | None = None
    members: list[Member] = field(default_factory=list)
    kills: dict[str, int] = field(default_factory=lambda: {"serve": 0, "worker": 0})
    # One process, all of them, or the database: so often something was killed.
    rounds: int = 0
    # So often one could not start, mostly because the database was away, and was started again.
    failed_starts: int = 0

    def __post_init__(self) -> None:
        ports = [free_port() for _ in range(self.gateways)]
        flags = {
            "database_url": self.database_url,
            "data_dir": str(self.folder / "data"),
            "public_url": f"http://127.0.0.1:{ports[0]}",
            "log_level": "warning",
        }
        self.members = [
            Member(f"gateway{n}", "serve", {**flags, "port": port, "deliver_webhooks": False})
            for n, port in enumerate(ports)
        ]
        self.members += [Member(f"worker{n}", "worker", flags) for n in range(self.workers)]

    @property
    def serving(self) -> list[Member]:
        return [each for each in self.members if each.role == "serve"]

    def base(self) -> str:
        """Where a request goes: to any of the gateways, one that is down included."""
        return self.rng.choice(self.serving).base

    async def start(self) -> None:
        """The first alone: it migrates and makes the keys."""
        for member in self.members:
            self.launch(member)
            if member is self.members[0]:
                await self.ready(member)
        await asyncio.gather(*(self.ready(each) for each in self.serving))

    def launch(self, member: Member) -> None:
        member.process = _context.Process(
            target=child.run,
            args=(
                member.role, member.flags, str(self.folder), self.bug, self.quick, member.name,
            ),
            daemon=True,
        )  # fmt: skip
        member.process.start()

    async def ready(self, member: Member) -> None:
        give_up_at = time.monotonic() + START_S
        async with httpx2.AsyncClient(base_url=member.base, trust_env=False) as client:
            while time.monotonic() < give_up_at:
                try:
                    if (await client.get("/_tallystick/health/ready")).status_code == 200:
                        return
                except httpx2.HTTPError:
                    pass
                if not member.process.is_alive():
                    self.launch(member)  # the database was not there, or the port was still held
                await asyncio.sleep(0.05)
        raise AssertionError(f"{member.name} did not start; see {self.folder}/{member.name}.log")

    def kill(self, member: Member) -> None:
        member.process.kill()
        member.process.join()
        code = member.process.exitcode
        if code in START_FAILED:
            return  # it had ended just before: the database was away, or too slow
        assert code == -signal.SIGKILL, (member.name, code)
        self.kills[member.role] += 1

    async def keep_killing(self, wait: Callable[[], Awaitable[None]]) -> None:
        """Kill one at a random moment, now and then all at once, and start it again.

        `wait` returns when it is time for the next. A database of our own is killed as well.
        """
        while True:
            await wait()
            await asyncio.sleep(self.rng.uniform(0, 0.05))
            if self.cluster is not None and self.rounds % ROUNDS_PER_DATABASE == 0:
                await asyncio.to_thread(self.cluster.kill)
                self.rounds += 1
                continue
            before = sum(self.kills.values())
            all_at_once = self.rng.random() < 0.1
            doomed = list(self.members) if all_at_once else [self.rng.choice(self.members)]
            for member in doomed:
                if member.process.is_alive():
                    self.kill(member)
            self.rounds += sum(self.kills.values()) > before
            for member in doomed:
                self.launch(member)

    async def supervise(self) -> None:
        """Start again whatever has ended by itself, as everybody's service manager does."""
        while True:
            self.revive()
            await asyncio.sleep(LOOK_EVERY_S)

    def revive(self) -> None:
        for member in self.members:
            if not member.process.is_alive():
                assert member.process.exitcode in START_FAILED, (member.name, "ended by itself")
                self.failed_starts += 1
                self.launch(member)

    def stop(self) -> None:
        for member in self.members:
            if member.process is not None and member.process.is_alive():
                member.process.kill()
                member.process.join()
