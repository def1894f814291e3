"""The gateway against a do-nothing application on the same server and against the raw store."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import CONNECTIONS, ROUNDS, SECONDS, Bars, Note
from bench.load import check, fire, load, request
from bench.serving import Contestant, exchange, link, serve
from tallystick.store.sqlite import open_connection

BARS: Bars = {
    "get_exchange_of_nothing": (0.50, "at least"),
    "post_session_of_raw_commits": (0.60, "at least"),
    "start_s": (0.7, "under"),
    "memory_mb": (120.0, "under"),
}


def sessions_request(port: int, token: str, customer: str, partner: str) -> bytes:
    body = json.dumps({"_links": {"exchange-partner": {"href": partner}}}).encode()
    return request(port, "POST", f"{customer}/exchange-sessions", token, body)


def raw_commits(folder: Path, template: Path) -> Callable[[], float]:
    """Commits a second of the very rows that a session writes, 32 to a transaction, no gateway."""
    path = folder / "raw.db"
    source = sqlite3.connect(template)
    target = sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()
    db = open_connection(str(path))
    session = list(db.execute("SELECT * FROM exchange_session LIMIT 1").fetchone())
    audit = list(db.execute("SELECT * FROM audit WHERE resource = 'exchange-sessions'").fetchone())
    marks = ", ".join("?" * len(session))
    audit_marks = ", ".join("?" * len(audit))
    count = 0

    def run() -> float:
        nonlocal count
        done, started = 0, time.perf_counter()
        while time.perf_counter() - started < SECONDS:
            db.execute("BEGIN IMMEDIATE")
            for _ in range(CONNECTIONS):
                count += 1
                session[0] = f"{int(time.time() * 1000):012x}-{count:023d}"
                db.execute(f"INSERT INTO exchange_session VALUES ({marks})", session)
                audit[0], audit[3] = None, session[0]
                db.execute(f"INSERT INTO audit VALUES ({audit_marks})", audit)
            db.execute("COMMIT")
            done += CONNECTIONS
        return done / (time.perf_counter() - started)

    return run


def start_seconds(folder: Path, *, fresh: bool) -> float:
    """From starting `tallystick serve` to its first answer."""
    data_dir = folder / ("start-fresh-" + str(time.monotonic_ns()) if fresh else "start")
    program = serve(data_dir)
    program.stop()
    return program.started_s


@contextlib.contextmanager
def contestants(folder: Path) -> Iterator[list[Contestant]]:
    made: list[Contestant] = []
    try:
        made.append(Contestant("nothing", folder, ready="/"))
        made.append(Contestant("stock", folder, ready="/"))
        made.append(Contestant("gateway", folder))
        made.append(Contestant("instant", folder))
        yield made
    finally:
        for each in made:
            each.stop()


def run(note: Note) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with contestants(folder) as (nothing, stock, gateway, instant):
            token, customer, partner = link(gateway.client)
            path = exchange(gateway.client, customer, partner)
            get = request(gateway.port, "GET", path, token)
            post = sessions_request(gateway.port, token, customer, partner)
            instant_post = sessions_request(instant.port, *link(instant.client))
            check(fire(instant.port, instant_post, 201, 0.2, 1))
            raw = raw_commits(folder, folder / "instant" / "tallystick.db")
            ok = request(nothing.port, "GET", "/")
            for _ in range(ROUNDS):
                load(note, "nothing", nothing.port, ok, 200, awake=True)
                load(note, "nothing_stock", stock.port, ok, 200, awake=True)
                load(note, "get_exchange", gateway.port, get, 200, awake=True)
                note("raw_commits", raw())
                load(note, "post_session", instant.port, instant_post, 201)
                load(note, "post_session_simulated", gateway.port, post, 201)
            note("memory_mb", gateway.memory_mb())
            note("memory_instant_mb", instant.memory_mb())
        for _ in range(ROUNDS):
            note("start_fresh_s", start_seconds(folder, fresh=True))
            note("start_s", start_seconds(folder, fresh=False))


def ratios(medians: dict[str, float]) -> dict[str, float]:
    return {
        "get_exchange_of_nothing": medians["get_exchange_per_s"] / medians["nothing_per_s"],
        "get_exchange_of_nothing_stock": medians["get_exchange_per_s"]
        / medians["nothing_stock_per_s"],
        "post_session_of_raw_commits": medians["post_session_per_s"] / medians["raw_commits"],
        "start_s": medians["start_s"],
        "memory_mb": medians["memory_mb"],
    }
