"""Runs every partner's simulator under `/_partners/{key}`: the only place that loads them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

import httpx2
import structlog
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tallystick.clock import Clock
from tallystick.ids import VirtualEntropy
from tallystick.partners import registry
from tallystick.sandbox.kit import (
    ASSETS,
    ASSETS_URL,
    Document,
    Kit,
    Shelf,
    all_documents,
    count_start,
    open_shelves,
    replace_documents,
)

PREFIX = "/_partners"
NOTICE_S = 10.0

_log = structlog.get_logger("tallystick.sandbox")


class Poster:
    """Posts the simulators' notices, each in its own task; a lost one is logged, not repeated."""

    def __init__(self, transport: httpx2.AsyncBaseTransport | None) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport = transport

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        task = asyncio.get_running_loop().create_task(self._post(url, body, dict(headers)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        try:
            async with httpx2.AsyncClient(
                timeout=NOTICE_S, trust_env=False, transport=self._transport
            ) as client:
                await client.post(url, content=body, headers=dict(headers))
        except httpx2.HTTPError as error:
            _log.warning("notice not delivered", error=type(error).__name__)


class Sandbox:
    """The simulators of all partners that have one, on one database of their own.

    `transport` may replace the network that their notices travel, in tests.
    """

    def __init__(
        self, path: str, clock: Clock, *, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db: sqlite3.Connection = open_shelves(path)
        self.started_before = count_start(self._db)
        self._entropies: list[VirtualEntropy] = []
        self.simulators: dict[str, Starlette] = {}
        send = Poster(transport)
        for manifest in registry.manifests():
            entropy = VirtualEntropy()
            self._entropies.append(entropy)
            if manifest.simulator is None:
                continue
            kit = Kit(
                partner=manifest.key,
                prefix=f"{PREFIX}/{manifest.key}",
                shelf=Shelf(self._db, manifest.key),
                clock=clock,
                entropy=entropy,
                send=send,
            )
            self.simulators[manifest.key] = registry.load(manifest.simulator)(kit)

    def seed(self, seed: int | None) -> None:
        """With a seed each simulator draws from its own stream, so that what one partner does never
        shifts the ids of another.
        """
        for number, entropy in enumerate(self._entropies):
            entropy.seed(None if seed is None else seed * 1_000 + number)

    def documents(self) -> list[Document]:
        """All that the simulators know."""
        return all_documents(self._db)

    def replace(self, documents: Iterable[Document] = ()) -> None:
        """Let them know this instead: nothing, as in the beginning, unless it is given."""
        replace_documents(self._db, documents)

    def app(self) -> Starlette:
        """What is mounted at `/_partners`."""
        mounts = [Mount(f"{PREFIX}/{key}", simulator) for key, simulator in self.simulators.items()]
        return Starlette(routes=[Mount(ASSETS_URL, StaticFiles(directory=ASSETS)), *mounts])

    def close(self) -> None:
        self._db.close()
