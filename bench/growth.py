"""The same requests to stores of growing size, and what an operator does to the largest meanwhile.

`SIZES`, in the environment, are numbers of exchanges; `WORKS` is what the operator does. With
`STORES=FOLDER` the stores stay there (of PostgreSQL their keys, and the databases on its server)
and are used again: ten million exchanges take most of an hour to write. What is asked for is chosen
anew for each request, from all over the store: a large store must not live off a few warm pages.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from bench import ROUNDS, SECONDS, Bars, Note
from bench.filling import fill
from bench.load import Result, check, fire, request
from bench.mocks import Bodies
from bench.serving import POSTGRES, Contestant, Missing, create_database, link, postgres

TAKES_LONG = "it writes large stores first"

SIZES = [int(size) for size in os.environ.get("SIZES", "1000 100000").split()]
ENGINES = os.environ.get("ENGINES", "sqlite postgres").split()
WORKS = os.environ.get("WORKS", "rotate migrate").split()
STORES = os.environ.get("STORES")
# Few connections: how long a request takes, not how many there may be.
CONNECTIONS = 4
TURN_S = SECONDS / 2
# Rounds before those that count: what was just written is on the disk, and not in memory.
WARM_UP = 2
REQUESTS = ("get_exchange", "list_exchanges", "list_customers", "list_events", "post_session",
            "post_exchange")  # fmt: skip

BARS: Bars = {f"{name}_{engine}": (1.2, "under") for engine in ENGINES for name in REQUESTS}


@dataclass
class Grown:
    """A gateway on a store of `size` exchanges; `requests` are made anew for each turn."""

    engine: str
    size: int
    data_dir: Path
    url: str
    gateway: Contestant
    requests: dict[str, tuple[Callable[[], bytes | Iterator[bytes]], int]]

    @property
    def name(self) -> str:
        return f"{self.engine}.{self.size}"


def run(note: Note) -> None:
    for engine in ENGINES:
        with contextlib.ExitStack() as stack:
            try:
                stores = [grown(stack, engine, size, note) for size in SIZES]
            except Missing as missing:
                print(f"{engine} is left out: {missing}", file=sys.stderr)
                continue
            for number in range(WARM_UP + ROUNDS):
                for name in REQUESTS:
                    for store in stores:
                        measure(note if number >= WARM_UP else _unnoted, name, store)
            largest = stores[-1]
            for name, work in (("rotate", rotate), ("migrate", migrate)):
                if name in WORKS:
                    while_serving(note, largest, f"{name}.{largest.name}", work)


def measure(note: Note, name: str, store: Grown) -> None:
    """One turn of a request to a store."""
    turn, expected = store.requests[name]
    cpu_s = store.gateway.cpu_s()
    result = fire(store.gateway.port, turn(), expected, TURN_S, CONNECTIONS)
    check(result, f"{name}.{store.name}")
    cpu_s = store.gateway.cpu_s() - cpu_s
    note(f"{name}.{store.name}_p50_ms", result.percentile(0.50))
    note(f"{name}.{store.name}_p99_ms", result.percentile(0.99))
    note(f"{name}.{store.name}_cpu_us", cpu_s / result.requests * 1e6)


def _unnoted(_figure: str, _value: float) -> None:
    """A turn that only warms."""


def ratios(medians: dict[str, float]) -> dict[str, float]:
    """p50 in the largest store, of that in the smallest; and the same of the gateway's processor
    time, for a machine that is not quiet.
    """
    small, large = SIZES[0], SIZES[-1]
    found = {}
    for engine in ENGINES:
        for name in REQUESTS:
            for figure, suffix in (("p50_ms", ""), ("cpu_us", "_cpu")):
                before = medians.get(f"{name}.{engine}.{small}_{figure}")
                after = medians.get(f"{name}.{engine}.{large}_{figure}")
                if before and after:
                    found[f"{name}_{engine}{suffix}"] = after / before
    return found


# ── stores ────────────────────────────────────────────────────────────────────────────────────


def grown(stack: contextlib.ExitStack, engine: str, size: int, note: Note) -> Grown:
    folder = STORES or stack.enter_context(tempfile.TemporaryDirectory())
    data_dir = Path(folder, f"{engine}-{size}")
    filled = data_dir / "filled.json"
    url = address(stack, data_dir, engine, there=filled.exists())
    if not filled.exists():
        data_dir.mkdir(parents=True)
        filled.write_bytes(msgspec.json.encode(write(data_dir, url, size)))
    kept = msgspec.json.decode(filled.read_bytes(), type=Filled)
    note(f"fill.{engine}.{size}_s", kept.seconds)
    note(f"disk.{engine}.{size}_bytes_each", kept.bytes_each)
    flags: dict[str, Any] = {"data_dir": str(data_dir), "database_url": url}
    gateway = Contestant("instant", data_dir, **flags)
    stack.callback(gateway.stop)
    sent = requests(gateway, kept.exchanges, kept.customers)
    return Grown(engine, size, data_dir, url, gateway, sent)


def address(stack: contextlib.ExitStack, data_dir: Path, engine: str, *, there: bool) -> str:
    """The URL of the store, or of an empty database for it."""
    if engine == "sqlite":
        return f"sqlite:///{data_dir}/tallystick.db"
    if not STORES:
        return stack.enter_context(postgres())
    name = f"tallystick_{data_dir.name}"
    if not there:
        create_database(name)
    return f"{POSTGRES}/{name}"


class Filled(msgspec.Struct):
    """What is known of a store that was written; ids are some from all over it."""

    seconds: float
    bytes_each: float
    exchanges: list[str]
    customers: list[str]


def write(data_dir: Path, url: str, size: int) -> Filled:
    started = time.perf_counter()
    exchanges, customers = asyncio.run(fill(data_dir, url, size))
    asyncio.run(settle(url))
    seconds = time.perf_counter() - started
    return Filled(seconds, asyncio.run(disk_bytes(url)) / size, exchanges, customers)


async def settle(url: str) -> None:
    """What a store that grew slowly has behind it: its log is folded in, its statistics are up."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    db = await asyncpg.connect(url)
    await db.execute("VACUUM ANALYZE")
    await db.execute("CHECKPOINT")
    await db.close()


async def disk_bytes(url: str) -> int:
    if url.startswith("sqlite"):
        return Path(url.removeprefix("sqlite:///")).stat().st_size
    db = await asyncpg.connect(url)
    size = await db.fetchval("SELECT pg_database_size(current_database())")
    await db.close()
    return int(size)


def requests(
    gateway: Contestant, exchanges: list[str], customers: list[str]
) -> dict[str, tuple[Callable[[], bytes | Iterator[bytes]], int]]:
    port = gateway.port
    token, _customer, partner = link(gateway.client)
    # A store may be used again, and a proof is good once.
    bodies, numbers = Bodies(partner), itertools.count(time.time_ns() // 1_000 % 10**12)
    anywhere = random.Random(1)

    def get(path: str) -> bytes:
        return request(port, "GET", path, token)

    def post(path: str, body: bytes) -> bytes:
        return request(port, "POST", path, token, body)

    def each_of(ids: list[str], made: Callable[[str], bytes]) -> Iterator[bytes]:
        return (made(anywhere.choice(ids)) for _ in itertools.count())

    def sessions(customer: str) -> bytes:
        return post(f"/customers/{customer}/exchange-sessions", bodies.session())

    def proofs(customer: str) -> bytes:
        return post(f"/customers/{customer}/exchanges", bodies.exchange(next(numbers)))

    return {
        "get_exchange": (lambda: each_of(exchanges, lambda e: get(f"/exchanges/{e}")), 200),
        "list_exchanges": (
            lambda: each_of(customers[::2], lambda c: get(f"/customers/{c}/exchanges")),
            200,
        ),
        "list_customers": (lambda: get("/customers?limit=25"), 200),
        "list_events": (lambda: get("/events?limit=25"), 200),
        "post_session": (lambda: each_of(customers, sessions), 201),
        # Of others than those that are listed, whose lists would grow.
        "post_exchange": (lambda: each_of(customers[1::2], proofs), 201),
    }


# ── while it serves ───────────────────────────────────────────────────────────────────────────


def while_serving(note: Note, store: Grown, name: str, work: Callable[[Grown], None]) -> None:
    """Do `work` while GET and POST go on: how long it took, and the longest that they took."""
    ended = threading.Event()
    longest: dict[str, Result] = {}

    def go_on() -> None:
        while not ended.is_set():
            for kind in ("get_exchange", "post_session"):
                turn, expected = store.requests[kind]
                result = fire(store.gateway.port, turn(), expected, 0.5, 1)
                kept = longest.setdefault(kind, Result())
                kept.requests += result.requests
                kept.errors += result.errors
                kept.latencies_ms += result.latencies_ms

    going = threading.Thread(target=go_on)
    going.start()
    started = time.perf_counter()
    try:
        work(store)
    finally:
        note(f"{name}_s", time.perf_counter() - started)
        ended.set()
        going.join()
    for kind, result in longest.items():
        note(f"{name}.{kind}_longest_ms", max(result.latencies_ms))
        note(f"{name}.{kind}_refused", result.errors)


def rotate(store: Grown) -> None:
    """`tallystick keys rotate`: new data keys, every cell sealed anew."""
    command = [str(Path(sys.executable).with_name("tallystick")), "keys", "rotate"]
    environ = {
        "TALLYSTICK_DATA_DIR": str(store.data_dir),
        "TALLYSTICK_DATABASE_URL": store.url,
    }
    done = subprocess.run(command, env={**os.environ, **environ}, check=True, capture_output=True)
    cells = sum(each["cells"] for each in json.loads(done.stdout))
    if cells < store.size * 2:
        raise SystemExit(f"only {cells} cells were sealed anew")


def migrate(store: Grown) -> None:
    """What a step of ours does: an empty column and an index, in one transaction."""
    own = f"grown_{time.time_ns()}"
    steps = (
        f"ALTER TABLE exchange ADD COLUMN {own} TEXT",
        f"CREATE INDEX {own}_index ON exchange (partner_key, created_at)",
    )
    if store.engine == "sqlite":
        with contextlib.closing(
            sqlite3.connect(store.url.removeprefix("sqlite:///"), isolation_level=None, timeout=60)
        ) as db:
            for step in ("BEGIN IMMEDIATE", *steps, "COMMIT"):
                db.execute(step)
        return

    async def on_postgres() -> None:
        db = await asyncpg.connect(store.url)
        async with db.transaction():
            for step in steps:
                await db.execute(step)
        await db.close()

    asyncio.run(on_postgres())
