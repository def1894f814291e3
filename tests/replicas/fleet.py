"""The gateway's processes, each on a host of its own: started, killed, started again."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import time
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import httpx2

from tests.storm.fleet import START_FAILED

from . import child
from .network import Network

START_S = 90.0
PORT = 7420

_context = multiprocessing.get_context("forkserver")


def prepare() -> None:
    """Start what processes are forked from, on the machine's own network: it outlives the run."""
    _context.set_forkserver_preload(["tests.replicas.child"])
    forkserver.ensure_running()


@dataclass
class Member:
    """One process and its host, which has the same name. `address`: for clients; None: a worker.

    `held`: somebody has ended it and will start it again.
    """

    name: str
    role: str
    address: str | None
    process: Any = None
    held: bool = False

    @property
    def base(self) -> str:
        return f"http://{self.address}:{PORT}"


class Fleet:
    """`apis` processes that serve and deliver nothing, and `workers` that deliver."""

    def __init__(
        self, folder: Path, network: Network, database_url: str, apis: int, workers: int,
        bug: str | None,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._network = network
        self._bug = bug
        self._flags = {
            "database_url": database_url,
            "data_dir": str(folder / "data"),
            "public_url": "http://gateway.test",
            "host": "0.0.0.0",
            "port": PORT,
            "deliver_webhooks": False,
            "log_level": "warning",
        }
        names = [("serve", f"api{n}", 11 + n) for n in range(apis)]
        names += [("worker", f"worker{n}", 21 + n) for n in range(workers)]
        self.members = []
        for role, name, number in names:
            network.add_host(name)
            network.connect(name, "inside", number)
            address = network.connect(name, "outside", number)
            self.members.append(Member(name, role, address if role == "serve" else None))

    @property
    def apis(self) -> list[Member]:
        return [each for each in self.members if each.address]

    @property
    def workers(self) -> list[Member]:
        return [each for each in self.members if not each.address]

    async def start(self) -> None:
        """The first alone: it migrates and makes the keys."""
        for member in self.members:
            self.launch(member)
            if member is self.members[0]:
                await self.ready(member)
        await asyncio.gather(*map(self.ready, self.apis))

    def launch(self, member: Member) -> None:
        member.process = _context.Process(
            target=child.run,
            args=(
                str(self._network.path(member.name)), self._bug, member.role, self._flags,
                str(self._folder), member.name,
            ),
            daemon=True,
        )  # fmt: skip
        member.process.start()
        member.held = False

    async def ready(self, member: Member) -> None:
        give_up_at = time.monotonic() + START_S
        async with httpx2.AsyncClient(base_url=member.base, trust_env=False, timeout=5) as client:
            while time.monotonic() < give_up_at:
                try:
                    if (await client.get("/_tallystick/health/ready")).status_code == 200:
                        return
                except httpx2.HTTPError:
                    pass
                self.revive()
                await asyncio.sleep(0.05)
        raise AssertionError(f"{member.name} did not start; see {self._folder}/{member.name}.log")

    def revive(self) -> None:
        """Start those again that could not start, because the database was not there."""
        for member in self.members:
            if member.process is not None and not member.held and not member.process.is_alive():
                assert member.process.exitcode in START_FAILED, member.process.exitcode
                self.launch(member)

    def kill(self, member: Member) -> None:
        member.held = True
        member.process.kill()
        member.process.join()
        code = member.process.exitcode
        # It had ended just before, because there was no database when it started.
        assert code in (-signal.SIGKILL, *START_FAILED), (member.name, code)

    def stop(self) -> None:
        for member in self.members:
            if member.process is not None and member.process.is_alive():
                member.process.kill()
                member.process.join()
