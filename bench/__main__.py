"""`make bench`: the gateway against a do-nothing application and against the raw store, in one run.

Rounds are interleaved (A B A B …), so a machine that slows down slows all of them; the figures to
quote are ratios of medians. Writes bench/latest.json.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from bench.load import Result, fire, request
from tallystick.store.sqlite import open_connection

ROUNDS = int(os.environ.get("ROUNDS", "7"))
SECONDS = float(os.environ.get("SECONDS", "2"))
CONNECTIONS = 32
HAL = "application/vnd.dwolla.v1.hal+json"
LATEST = Path(__file__).with_name("latest.json")

BARS = {
    "get_exchange_of_nothing": (0.35, "at least"),
    "post_session_of_raw_commits": (0.50, "at least"),
    "start_s": (1.0, "under"),
    "memory_mb": (120.0, "under"),
}


class Contestant:
    """A process that serves, from its start to its end."""

    def __init__(
        self, which: str, folder: Path, port: int, ready: str = "/_tallystick/health/ready"
    ) -> None:
        self.port = port
        flags = {"data_dir": str(folder / which), "port": port, "log_level": "info"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.contestants", which, json.dumps(flags)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers={"Accept": HAL})
        wait_for(self.client, ready)

    def stop(self) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def wait_for(client: httpx2.Client, path: str = "/_tallystick/health/ready") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx2.HTTPError):
            if client.get(path).status_code == 200:
                return
        time.sleep(0.005)
    raise SystemExit("a contestant did not start")


def link(client: httpx2.Client) -> tuple[str, str, str]:
    """An access token, a customer's path and the path of a linked exchange (none if instant)."""
    answer = client.post(
        "/token",
        auth=("sandbox-key", "sandbox-secret"),
        data={"grant_type": "client_credentials"},
    )
    token = answer.json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    body = {"firstName": "Ada", "lastName": "Byron", "email": "bench@example.com"}
    customer = client.post("/customers", json=body).headers["location"]
    return token, httpx2.URL(customer).path, plaid(client)


def plaid(client: httpx2.Client) -> str:
    partners = client.get("/exchange-partners").json()["_embedded"]["exchange-partners"]
    return next(each["_links"]["self"]["href"] for each in partners if each["name"] == "Plaid")


def exchange(client: httpx2.Client, customer: str, partner: str) -> str:
    partner_link = {"_links": {"exchange-partner": {"href": partner}}}
    session = client.post(f"{customer}/exchange-sessions", json=partner_link).headers["location"]
    done = client.post(
        f"/_tallystick/control/sessions/{session.rpartition('/')[2]}/complete",
        json={"institution": "ins_109508", "user": "user_good", "password": "pass_good"},
    ).json()
    proof = {**partner_link, "plaid": {"publicToken": done["publicToken"]}}
    return httpx2.URL(client.post(f"{customer}/exchanges", json=proof).headers["location"]).path


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
    port = 7490
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("tallystick")), "serve", "--port", str(port),
         "--data-dir", str(data_dir)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            wait_for(client)
        return time.perf_counter() - started
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@contextlib.contextmanager
def contestants(folder: Path) -> Iterator[tuple[Contestant, Contestant, Contestant]]:
    made: list[Contestant] = []
    try:
        made.append(Contestant("nothing", folder, 7480, ready="/"))
        made.append(Contestant("gateway", folder, 7481))
        made.append(Contestant("instant", folder, 7482))
        yield made[0], made[1], made[2]
    finally:
        for each in made:
            each.stop()


def main() -> None:
    figures: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with contestants(folder) as (nothing, gateway, instant):
            token, customer, partner = link(gateway.client)
            path = exchange(gateway.client, customer, partner)
            get = request(gateway.port, "GET", path, token)
            post = sessions_request(gateway.port, token, customer, partner)
            instant_token, instant_customer, instant_partner = link(instant.client)
            instant_post = sessions_request(
                instant.port, instant_token, instant_customer, instant_partner
            )
            check(fire(instant.port, instant_post, 201, 0.2, 1))
            raw = raw_commits(folder, folder / "instant" / "tallystick.db")
            for _ in range(ROUNDS):
                measure(
                    note,
                    "nothing",
                    fire(
                        nothing.port, request(nothing.port, "GET", "/"), 200, SECONDS, CONNECTIONS
                    ),
                )
                measure(note, "get_exchange", fire(gateway.port, get, 200, SECONDS, CONNECTIONS))
                note("raw_commits", raw())
                measure(
                    note,
                    "post_session",
                    fire(instant.port, instant_post, 201, SECONDS, CONNECTIONS),
                )
                measure(
                    note,
                    "post_session_simulated",
                    fire(gateway.port, post, 201, SECONDS, CONNECTIONS),
                )
            note("memory_mb", gateway.memory_mb())
            note("memory_instant_mb", instant.memory_mb())
        for _ in range(ROUNDS):
            note("start_fresh_s", start_seconds(folder, fresh=True))
            note("start_s", start_seconds(folder, fresh=False))
    report(figures)


def measure(note: Callable[[str, float], None], name: str, result: Result) -> None:
    check(result)
    note(f"{name}_per_s", result.per_second)
    note(f"{name}_p50_ms", result.percentile(0.50))
    note(f"{name}_p99_ms", result.percentile(0.99))


def check(result: Result) -> None:
    if result.errors or not result.requests:
        raise SystemExit(f"{result.errors} of {result.requests} answers were not as expected")


def report(figures: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in figures.items()}
    ratios = {
        "get_exchange_of_nothing": medians["get_exchange_per_s"] / medians["nothing_per_s"],
        "post_session_of_raw_commits": medians["post_session_per_s"] / medians["raw_commits"],
        "start_s": medians["start_s"],
        "memory_mb": medians["memory_mb"],
    }
    for name, values in sorted(figures.items()):
        spread = (min(values), statistics.median(values), max(values))
        print(f"{name:<32}", *(f"{value:>10.2f}" for value in spread))
    print(f"{'':<32} {'min':>10} {'median':>10} {'max':>10}   ({ROUNDS} rounds of {SECONDS} s)\n")
    for name, (bar, way) in BARS.items():
        met = ratios[name] >= bar if way == "at least" else ratios[name] < bar
        print(f"{'met ' if met else 'MISSED'}  {name:<30} {ratios[name]:8.3f}   {way} {bar}")
    LATEST.write_text(
        json.dumps(
            {
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
                "rounds": ROUNDS,
                "seconds": SECONDS,
                "connections": CONNECTIONS,
                "figures": {
                    name: {"min": min(v), "median": statistics.median(v), "max": max(v)}
                    for name, v in sorted(figures.items())
                },
                "ratios": ratios,
                "bars": {name: f"{way} {bar}" for name, (bar, way) in BARS.items()},
            },
            indent=2,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
