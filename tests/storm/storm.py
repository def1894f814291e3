"""One run: random operations while processes are killed, then quiet, then the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import pickle
import random
import re
from asyncio import sleep
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic

import httpx2

from tallystick.clock import MINUTE_MS, SECOND_MS

from . import operations
from .client import Client, Unanswered
from .clock import SharedClock
from .cluster import Cluster
from .fleet import Fleet
from .history import History
from .operations import Operator
from .rows import Rows
from .sinks import Sinks
from .verdict import ATTEMPTS, PAUSE_AFTER_FAILURES, Evidence, judge

CLIENTS_PER_APPLICATION = 2
# In all, while clients are at work, so that a key is not forgotten while it is repeated.
MOVED_MAX_MS = 15 * 60 * MINUTE_MS
# Nothing moves for so long: the clock goes past the leases of the dead.
STILL_S = 2.0
# Nothing moves for so long, whoever is dead: it is stuck. Longer than an attempt, a start and what
# is waited for a database may take one after the other; `quick` shortens the first.
STUCK_S = 90.0
STUCK_QUICK_S = 12.0
# Of each kind of what is wrong.
EXAMPLES = 10
# So many rounds of retries are made while processes are still killed.
UNDER_KILLS = 3


@dataclass
class Plan:
    """`kills`: so many rounds of them, however many operations that takes. `bug`: one of bugs.BUGS.
    `quick`: deadlines and polls are shortened, as a test needs them.
    """

    operations: int
    seed: int = 1
    bug: str | None = None
    quick: bool = False
    gateways: int = 1
    workers: int = 2
    applications: int = 2
    operations_per_kill: float = 10.0
    kills: int | None = None


@dataclass
class Report:
    """`wrong` is empty if nothing was lost, doubled or half made. `longest_s`: of what was timed."""

    wrong: list[str]
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    longest_s: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{count:>9,}  {name}" for name, count in self.counts.items()]
        lines += [f"{each:>9.2f}  s at most: {name}" for name, each in self.longest_s.items()]
        lines.append(f"{len(self.wrong):>9,}  things wrong, in {self.seconds:.0f} s")
        by_kind: dict[str, list[str]] = defaultdict(list)
        for each in self.wrong:
            by_kind[_PARTICULAR.sub("…", each)[:70]].append(each)
        for kind, found in by_kind.items():
            lines.append(f"WRONG {len(found):,} times: {kind}")
            lines += [f"    {each}" for each in found[:EXAMPLES]]
        return "\n".join(lines)


# What makes one thing that is wrong differ from the next of its kind: ids, names and numbers.
_PARTICULAR = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|a\d+c\d+|\d+")


async def storm(
    plan: Plan, folder: Path, database_url: str, cluster: Cluster | None = None
) -> Report:
    """Run it in `folder`; `cluster` is the database's server if that may be killed."""
    started = monotonic()
    rng = random.Random(plan.seed)
    clock = SharedClock(folder / "clock")
    history = History()
    fleet = Fleet(
        folder, database_url, plan.gateways, plan.workers, plan.bug, plan.quick,
        random.Random(rng.random()), cluster,
    )  # fmt: skip
    rows = Rows(database_url)
    try:
        async with Sinks(plan.seed, 2.0 if plan.quick else 12.0) as sinks:
            await fleet.start()
            operators = await enrol(plan, fleet, clock, history, sinks, rng)
            wait = partial(some_operations, plan, history, rng)
            trouble = fleet.keep_killing(wait), move(clock, rng, history)
            async with under(fleet.supervise(), *trouble):
                budget = itertools.count()

                def takes() -> bool:
                    if plan.kills is not None:
                        return fleet.rounds < plan.kills
                    return next(budget) < plan.operations

                await asyncio.gather(*(each.work(takes) for each in operators))
            history.counts["rounds of kill -9 under load"] = fleet.rounds
            worked = monotonic() - started
            kill_on = fleet.keep_killing(partial(sleep, 3.0))
            async with under(fleet.supervise(), kill_on):
                await settle(plan, fleet, clock, rows, operators, history, rounds=UNDER_KILLS)
            if stuck := await settle(plan, fleet, clock, rows, operators, history):
                history.wrong.append(stuck)
            fleet.stop()
            history.counts["starts that failed"] = fleet.failed_starts
            for what, count in cluster.kills.items() if cluster else ():
                history.counts[f"kill -9 of {what}"] = count
            history.wrong += await rows.complaints() if cluster is None else cluster.complaints()
            (folder / "evidence.pickle").write_bytes(pickle.dumps((history, sinks.receipts)))
            evidence = Evidence(history, sinks, rows, dict(fleet.kills), history.counts["jumps"])
            report = Report(*await judge(evidence))
    finally:
        fleet.stop()
        with contextlib.suppress(NameError):
            await asyncio.gather(*(each.client.aclose() for each in operators))
    report.seconds = monotonic() - started
    report.counts["seconds of operations"] = round(worked)
    report.counts["seconds at most that nothing moved"] = round(history.longest_still_s)
    return report


@contextlib.asynccontextmanager
async def under(*trouble):
    """While the block runs, so do these; one that fails ends the block."""
    block = asyncio.current_task()
    tasks = [asyncio.create_task(each) for each in trouble]
    for task in tasks:
        task.add_done_callback(lambda done: done.cancelled() or block.cancel())
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(done, asyncio.CancelledError):
                raise done


async def enrol(
    plan: Plan,
    fleet: Fleet,
    clock: SharedClock,
    history: History,
    sinks: Sinks,
    rng: random.Random,
) -> list[Operator]:
    """Applications, their clients, and the subscriptions that stay."""
    made = []
    for number in range(plan.applications):
        answer = await asyncio.to_thread(
            httpx2.post, f"{fleet.serving[0].base}/_tallystick/control/applications", json={}
        )
        app = answer.json()
        for nth in range(CLIENTS_PER_APPLICATION):
            client = Client(fleet.base, clock, history, random.Random(rng.random()))
            await client.enter(app["client_id"], app["client_secret"])
            made.append(Operator(f"a{number}c{nth}", app["id"], client, sinks.url))
        sorts = ("good", "flaky", "slow", "dead") if number == 0 else ("good", "flaky")
        for sort in sorts:
            staying = await operations.subscribe(made[-1], f"{sort}/{number}")
            assert staying is not None
        made[-1].churning.clear()
    return made


async def some_operations(plan: Plan, history: History, rng: random.Random) -> None:
    """Return when so many more were begun as are to be between two kills."""
    until = history.counts["operations"] + rng.expovariate(1 / plan.operations_per_kill)
    while history.counts["operations"] < until:
        await sleep(0.01)


async def move(clock: SharedClock, rng: random.Random, history: History) -> None:
    """Time passes: leases run out, retries fall due, access tokens expire."""
    while True:
        await sleep(rng.uniform(0.5, 2.0))
        steps = (31 * SECOND_MS, 31 * SECOND_MS, 31 * SECOND_MS, 5 * MINUTE_MS, 16 * MINUTE_MS)
        step = rng.choice(steps)
        clock.advance(step if clock.shift_ms < MOVED_MAX_MS else steps[0])
        history.counts["jumps"] += 1


# What a worker may take now: `{now}` is the time by the clock.
_LEFT = (
    "SELECT (SELECT count(*) FROM webhook w JOIN subscription s ON s.id = w.subscription_id"
    " WHERE w.state = 'due' AND w.due_at <= {now} AND NOT s.paused AND NOT s.removed),"
    " (SELECT count(*) FROM retry r JOIN subscription s ON s.id = r.subscription_id"
    " WHERE r.state = 'due' AND NOT s.removed),"
    " (SELECT count(*) FROM exchange_intent WHERE state IN ('calling', 'granted'))"
)
_LAST_DUE = (
    "SELECT max(w.due_at), count(*) FROM webhook w JOIN subscription s ON s.id = w.subscription_id"
    " WHERE w.state = 'due' AND NOT s.paused AND NOT s.removed"
)


async def settle(
    plan: Plan, fleet: Fleet, clock: SharedClock, rows: Rows, operators: list[Operator],
    history: History, *, rounds: int | None = None,
) -> str | None:  # fmt: skip
    """Let time pass until no webhook is due any more, however late, or for so many rounds of
    retries; what is left if that fails.
    """
    for _ in itertools.count() if rounds is None else range(rounds):
        fleet.revive()
        stuck_s = STUCK_QUICK_S if plan.quick else STUCK_S
        if not await quiet(fleet, clock, rows, history, stuck_s):
            return f"never quiet: {await left(clock, rows)} webhooks, retries and intents are left"
        last_due, still_due = await rows.one(_LAST_DUE)
        if last_due is None:
            return None
        clock.advance(max(last_due - clock.now_ms(), 0) + 31 * SECOND_MS)
        history.counts["jumps"] += 1
        # A success now and then, so that a receiver that mostly works is not given up.
        enough = still_due * ATTEMPTS >= PAUSE_AFTER_FAILURES
        for operator in operators if enough else ():
            with contextlib.suppress(Unanswered):
                await operations.create_customer(operator)
            operator.client.once = False
    return None


async def left(clock: SharedClock, rows: Rows) -> tuple[int, int, int]:
    return tuple(await rows.one(_LEFT.format(now=clock.now_ms())))


async def quiet(
    fleet: Fleet, clock: SharedClock, rows: Rows, history: History, stuck_s: float
) -> bool:
    """Wait until nothing is left to do now, moving the clock past the leases of the dead.

    False if nothing happens any more for `stuck_s`, although there is something to do.
    """
    seen, since, moved = await left(clock, rows), monotonic(), 0
    while any(seen):
        await sleep(0.1)
        now = await left(clock, rows)
        still_s = monotonic() - since
        history.longest_still_s = max(history.longest_still_s, still_s)
        if now != seen:
            seen, since, moved = now, monotonic(), 0
        elif still_s > stuck_s:
            return False
        elif still_s > STILL_S * (moved + 1):
            fleet.revive()  # one whose database was away when it started
            clock.advance(31 * SECOND_MS)
            moved += 1
    return True
