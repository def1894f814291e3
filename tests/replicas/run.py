"""One run: hosts, processes, load and trouble; then all is mended, and the verdict is given."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.storm.client import Client, id_of
from tests.storm.clock import SharedClock
from tests.storm.history import Subscription
from tests.storm.rows import Rows
from tests.storm.sinks import SECRET, Sinks
from tests.storm.storm import Report, settle, under

from .bugs import ASYNCHRONOUS
from .fleet import Fleet, prepare
from .history import History, Said
from .load import Worker
from .network import Network
from .pair import Pair
from .revocation import Revoker
from .trouble import Trouble
from .verdict import judge

SWITCHES = {"outside": "10.77.1", "inside": "10.77.2", "back": "10.77.3"}
# Past the lease of a key whose first request died: two minutes.
LEASE_MS = 121_000
LAST_WORDS = 4


@dataclass
class Plan:
    """`bug`: one of bugs.BUGS. `quick`: cables are plugged in again soon, as a test needs it."""

    seconds: float
    seed: int = 1
    bug: str | None = None
    quick: bool = False
    apis: int = 3
    workers: int = 2
    applications: int = 2
    clients_per_application: int = 4


def replicas(plan: Plan, folder: Path) -> Report:
    """Run it in `folder`."""
    prepare()
    with _network() as network, network.at("clients"):
        return asyncio.run(_Run(plan, folder, network).go())


@contextlib.contextmanager
def _network() -> Iterator[Network]:
    network = Network(SWITCHES)
    try:
        network.add_host("clients")
        for switch in SWITCHES:
            network.connect("clients", switch, 2)
        yield network
    finally:
        network.close()


class _Run:
    def __init__(self, plan: Plan, folder: Path, network: Network) -> None:
        self.plan = plan
        self.rng = random.Random(plan.seed)
        self.history = History()
        self.clock = SharedClock(folder / "clock")
        self.pair = Pair(folder, network, synchronous=plan.bug != ASYNCHRONOUS)
        self.fleet = Fleet(folder, network, self.pair.url, plan.apis, plan.workers, plan.bug)
        self.trouble = Trouble(
            self.fleet, network, self.pair, self.history, random.Random(self.rng.random()),
            plan.quick,
        )  # fmt: skip
        self.subscriptions: list[Subscription] = []
        self.clients: list[Client] = []

    async def go(self) -> Report:
        started = time.monotonic()
        host = f"{SWITCHES['outside']}.2"
        try:
            async with Sinks(self.plan.seed, 2.0, host) as sinks:
                await self.pair.create()
                await self.fleet.start()
                workers = await self._enrol(sinks)
                await self._under_trouble(workers)
                await self._last_words(workers)
                await self._verdict(sinks)
        finally:
            self.fleet.stop()
            self.pair.stop()
            await asyncio.gather(*(each.aclose() for each in self.clients))
        return Report(
            self.history.wrong, self.history.counts, time.monotonic() - started,
            self.history.longest_s,
        )  # fmt: skip

    async def _enrol(self, sinks: Sinks) -> list[Worker]:
        """Applications, their clients, and a subscription for each; and the one to be revoked."""
        workers = []
        for number in range(self.plan.applications):
            made = await self._application()
            for nth in range(self.plan.clients_per_application):
                client = await self._client(made)
                workers.append(
                    Worker(f"a{number}c{nth}", made["id"], client, self.fleet.apis, self.history)
                )
            await self._subscribe(made["id"], client, sinks, f"good/{number}")
        made = await self._application()
        self.revoker = Revoker(made["id"], await self._client(made), self.fleet.apis, self.history)
        return workers

    async def _application(self) -> dict[str, str]:
        url = f"{self.fleet.apis[0].base}/_tallystick/control/applications"
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.post(url, json={})
            assert answer.status_code == 201, answer.text
            return answer.json()

    async def _client(self, made: dict[str, str]) -> Client:
        rng = random.Random(self.rng.random())
        client = Client(lambda: rng.choice(self.fleet.apis).base, self.clock, self.history, rng)
        await client.enter(made["client_id"], made["client_secret"])
        client.once = True  # what stands before an operation is begun anew when it was cut off
        self.clients.append(client)
        return client

    async def _subscribe(self, app: str, client: Client, sinks: Sinks, sink: str) -> None:
        body = {"url": sinks.url(sink), "secret": SECRET}
        answer = await client.post("/webhook-subscriptions", json=body)
        assert answer.status_code == 201, answer.text
        self.subscriptions.append(
            Subscription(
                "subscription", id_of(answer.headers["location"]), app, {"paused": False},
                url=body["url"], sink=sink, since=time.monotonic(),
            )
        )  # fmt: skip

    async def _under_trouble(self, workers: list[Worker]) -> None:
        until = time.monotonic() + self.plan.seconds
        going_on = lambda: time.monotonic() < until  # noqa: E731
        async with under(self.trouble.among_processes(), self.trouble.in_the_database()):
            await asyncio.gather(*(each.work(going_on) for each in (*workers, self.revoker)))

    async def _last_words(self, workers: list[Worker]) -> None:
        """All is well again: what was not answered for good is, and what was is repeated."""
        self.fleet.revive()
        await asyncio.gather(*map(self.fleet.ready, self.fleet.apis))
        for _ in range(LAST_WORDS):
            await asyncio.gather(*(self._insist(each) for each in workers))
            if all(each.settled for each in self.history.requests):
                break
            self.clock.advance(LEASE_MS)
            self.history.counts["jumps"] += 1
            await asyncio.sleep(3.0)  # so that what a crash left open is taken up

        async def repeat(worker: Worker) -> None:
            for request in worker.requests:
                await worker.send(request, self.rng.choice(self.fleet.apis))

        await asyncio.gather(*map(repeat, workers))

    async def _insist(self, worker: Worker) -> None:
        for request in worker.requests:
            if not request.settled:
                await worker.send(request, self.rng.choice(self.fleet.apis))

    async def _verdict(self, sinks: Sinks) -> None:
        rows = Rows(self.pair.url)
        if stuck := await settle(self.plan, self.fleet, self.clock, rows, [], self.history):
            self.history.wrong.append(stuck)
        counts = self.history.counts
        self.fleet.stop()
        self._time_failovers()
        cuts = counts["cut worker"] + counts["kill worker"]
        cuts += (counts["fail over"] + counts["fail over late"] + counts["cut standby"]) * 2
        await judge(self.history, self.trouble.spells, self.subscriptions, sinks, rows, cuts)

    def _time_failovers(self) -> None:
        """How long nothing was acknowledged to anybody after a primary was lost, unless the new one
        was without its standby before that.
        """
        acknowledged = sorted(
            call.ended for request in self.history.requests for call in request.calls
            if call.said == Said.DONE
        )  # fmt: skip
        for lost_at in self.trouble.lost_at:
            after = acknowledged[bisect.bisect(acknowledged, lost_at) :]
            for one in after[:1]:
                if any(lost_at < alone_at < one for alone_at in self.trouble.alone_at):
                    self.history.counts["failovers, and no standby soon after"] += 1
                else:
                    name = "until a change was acknowledged after a failover"
                    self.history.took(name, one - lost_at)
