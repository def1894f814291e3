"""A gateway behind the disk of disk.c, with its clients: `python -m tests.power.child PLAN`.

It is a process of its own because of LD_PRELOAD. The history is left beside the tape.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tallystick.api.exchanges import redemption
from tallystick.clock import MINUTE_MS, SECOND_MS
from tallystick.store import idempotency, sqlite
from tests.gateway import InProcess, in_process

from . import work
from .bugs import BEFORE_THE_START, ONCE_IT_RUNS
from .disk import Disk, Way
from .history import History, Round
from .work import Worker

# In pages; as it is by default, a checkpoint would come once in fifty rounds.
CHECKPOINT_IN_ROUNDS = 40
# So many 5xx, and a fault that lasts is mended.
REFUSALS = 3
# A call that is not reached any more: the series is over.
MISSES = 3


class Plan(msgspec.Struct):
    """`mode`: `cuts` makes `operations` changes; `calls` lets the calls `first`, `first + step` …
    fail in each of the `ways` while a round of changes is made; `starts` does so while a gateway
    starts in a new folder. `bug` is one of bugs.BUGS.
    """

    mode: str
    folder: str
    out: str
    operations: int = 0
    seed: int = 1
    first: int = 1
    step: int = 1
    ways: list[Way] = []
    last: int = sys.maxsize
    bug: str | None = None


class Clients:
    """Four clients of two applications, and what they do when they hear 5xx."""

    def __init__(self, gateway: InProcess, disk: Disk, history: History) -> None:
        self.gateway, self.disk, self.history = gateway, disk, history
        self.refusals = 0
        self.signed_in_ms = gateway.clock.now_ms()
        self.workers: list[Worker] = []
        self.credentials: list[tuple[str, str]] = []

    async def enter(self, plan: Plan) -> None:
        for number in range(4):
            client = self.gateway.client()
            if number % 2 == 0:
                path = "/_tallystick/control/applications"
                made = (await client.post(path, json={})).json()
            worker = Worker(
                client, f"{plan.seed}w{number}", made["id"], self.disk, self.history,
                self.trouble, self.recover,
            )  # fmt: skip
            self.workers.append(worker)
            self.credentials.append((made["client_id"], made["client_secret"]))
            await worker.sign_in(*self.credentials[-1])
            if number % 2 == 0:
                await worker.work(work.subscribe)
            await worker.work(work.create_customer, work.create_customer)
        if plan.bug in ONCE_IT_RUNS:
            ONCE_IT_RUNS[plan.bug]()

    async def stay_signed_in(self) -> None:
        now_ms = self.gateway.clock.now_ms()
        if now_ms > self.signed_in_ms + 30 * MINUTE_MS:
            self.signed_in_ms = now_ms
            for worker, credentials in zip(self.workers, self.credentials, strict=True):
                await worker.sign_in(*credentials)

    async def trouble(self) -> None:
        self.refusals += 1
        if self.refusals == REFUSALS:
            self.disk.mend()
        await asyncio.sleep(0)

    async def recover(self) -> None:
        """As if two minutes had passed, and the gateway had looked what was left open."""
        self.history.count("leases waited for")
        self.disk.mend()
        self.gateway.clock.advance(max(redemption.LEASE_MS, idempotency.LEASE_MS) + SECOND_MS)
        await redemption.resume(self.gateway.core)

    async def churn(self, operations: int, seed: int) -> None:
        rng = random.Random(seed)
        names, weights = list(work.ANY), list(work.ANY.values())
        left = rng.choices(names, weights, k=operations)

        async def one(worker: Worker) -> None:
            while left:
                await worker.work(left.pop())

        await asyncio.gather(*map(one, self.workers))

    async def round(self) -> None:
        one, other, third, fourth = self.workers
        await asyncio.gather(
            one.work(work.create_customer, work.change_customer, work.pause),
            other.work(work.redeem, work.add_source),
            third.work(work.add_source_by_numbers, work.change_source),
            fourth.work(work.start_session, work.change_customer),
        )


async def cuts(plan: Plan, disk: Disk, history: History) -> None:
    async with in_process(Path(plan.folder), _url(plan.folder), deliver_webhooks=False) as gateway:
        clients = Clients(gateway, disk, history)
        await clients.enter(plan)
        await clients.churn(plan.operations, plan.seed)
        history.ended_ms = gateway.clock.now_ms()


async def calls(plan: Plan, disk: Disk, history: History) -> None:
    sqlite._PRAGMAS += f"PRAGMA wal_autocheckpoint = {CHECKPOINT_IN_ROUNDS};\n"
    async with in_process(Path(plan.folder), _url(plan.folder), deliver_webhooks=False) as gateway:
        clients = Clients(gateway, disk, history)
        await clients.enter(plan)

        async def fail(at: int, way: Way) -> int:
            await clients.stay_signed_in()
            begun, clients.refusals = disk.position(), 0
            for worker in clients.workers:
                worker.reads = not way.reads
            disk.fail(at, way)
            await clients.round()
            failed = disk.failed()
            disk.mend()
            history.rounds.append(Round(begun, disk.position(), at, way, failed))
            return failed

        await _series(plan, fail)
        await clients.recover()
        orphans = len(await redemption.list_orphans(gateway.core))
        if orphans != history.counts.get("exchanges that became orphans", 0):
            history.wrong.append(f"{orphans} orphans are in the ledger: {history.counts}")
        history.ended_ms = gateway.clock.now_ms()


async def _series(plan: Plan, fail: Callable[[int, Way], Any]) -> None:
    for way in plan.ways:
        at, misses = plan.first, 0
        while misses < MISSES and at <= plan.last:
            misses = 0 if await fail(at, way) else misses + 1
            at += plan.step


async def starts(plan: Plan, disk: Disk, history: History) -> None:
    """A start that meets a fault may end with an error; the next one, without it, must not."""

    async def once(folder: Path) -> int:
        """The status with which the first change is answered."""
        async with asyncio.timeout(work.HANGS_S):
            async with in_process(folder, _url(str(folder)), deliver_webhooks=False) as gateway:
                client = gateway.client()
                form = {"grant_type": "client_credentials"}
                credentials = ("sandbox-key", "sandbox-secret")
                return (await client.post("/token", auth=credentials, data=form)).status_code

    async def fail(at: int, way: Way) -> int:
        folder = Path(plan.folder) / f"{way} {at}"
        folder.mkdir()
        disk.fail(at, way)
        try:
            outcome = f"went on and answered {await once(folder)}"
        except Exception as failure:
            outcome = f"ended with {type(failure).__name__}"
        failed = disk.failed()
        disk.mend()
        if failed:
            history.count(f"start {outcome}")
            history.rounds.append(Round(0, 0, at, way, failed))
        try:
            again = await once(folder)
        except Exception as failure:
            again = repr(failure)
        if again != 200:
            history.wrong.append(f"after call {at}, {way}, a start: {again}")
        return failed

    await _series(plan, fail)


def _url(folder: str) -> str:
    return f"sqlite:///{folder}/tallystick.db"


def main() -> None:
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    if plan.bug in BEFORE_THE_START:
        BEFORE_THE_START[plan.bug]()
    history = History()
    modes = {"cuts": cuts, "calls": calls, "starts": starts}
    asyncio.run(modes[plan.mode](plan, Disk(), history))
    history.save(Path(plan.out))


if __name__ == "__main__":
    main()
