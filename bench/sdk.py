"""The Python SDK: what its import, its install and its calls cost, beside what does the same.

`import_ms` and `client_ms` are over bare Python. `httpx2` is imported with the first client, so its
time is in the second.

Every caller asks the same gateway for the same customer over one kept connection, and reads the
answer: `httpx2` by itself, the SDK on it, and `dwollav2`. The ratio to `httpx2` is taken twice: of
the time that a caller waits, and of the processor time that the client's own process uses, in which
the server has no part.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import dwollav2
from packaging.requirements import Requirement

from bench import ROUNDS, SECONDS, Bars, Note
from bench.serving import Contestant, link
from tallystick import Client

BARS: Bars = {
    "import_ms": (120.0, "under"),
    "distributions": (12.0, "at most"),
    "call_of_httpx2": (1.3, "under"),
    "call_of_dwollav2": (1.0, "under"),
}

SLICE = 50
STARTS = 5


def run(note: Note) -> None:
    note("distributions", len(base_install("tallystick")))
    for _ in range(ROUNDS):
        note("start_ms", started_ms("pass"))
        note("start_and_import_ms", started_ms("from tallystick import Client"))
        note("start_and_client_ms", started_ms("from tallystick import Client; Client()"))
        note("start_and_httpx2_client_ms", started_ms("import httpx2; httpx2.Client()"))
    with tempfile.TemporaryDirectory() as folder:
        gateway = Contestant("gateway", Path(folder))
        try:
            _, customer, _ = link(gateway.client)
            calls = callers(gateway, customer)
            for _ in range(ROUNDS):
                race(note, calls)
        finally:
            gateway.stop()


def ratios(medians: dict[str, float]) -> dict[str, float]:
    return {
        "import_ms": medians["start_and_import_ms"] - medians["start_ms"],
        "client_ms": medians["start_and_client_ms"] - medians["start_ms"],
        "httpx2_client_ms": medians["start_and_httpx2_client_ms"] - medians["start_ms"],
        "distributions": medians["distributions"],
        "call_of_httpx2": medians["tallystick_s_per_1000"] / medians["httpx2_s_per_1000"],
        "call_of_dwollav2": medians["tallystick_s_per_1000"] / medians["dwollav2_s_per_1000"],
        "cpu_of_httpx2": medians["tallystick_cpu_s_per_1000"] / medians["httpx2_cpu_s_per_1000"],
        "cpu_of_dwollav2": (
            medians["tallystick_cpu_s_per_1000"] / medians["dwollav2_cpu_s_per_1000"]
        ),
    }


def base_install(name: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
    """The distribution and all that it needs here, without any extra."""
    seen |= {re.sub(r"[-_.]+", "-", name).lower()}
    for each in map(Requirement, metadata.requires(name) or ()):
        needed = each.marker is None or each.marker.evaluate({"extra": ""})
        if needed and re.sub(r"[-_.]+", "-", each.name).lower() not in seen:
            seen = base_install(each.name, seen)
    return seen


def started_ms(program: str) -> float:
    """The quickest of a few starts: what slows a start down is never the program."""
    taken = []
    for _ in range(STARTS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        taken.append(time.perf_counter() - started)
    return min(taken) * 1_000


def callers(gateway: Contestant, path: str) -> dict[str, Callable[[], str]]:
    """Each asks for the customer, and reads the first name in the answer."""
    base, key, secret = f"http://127.0.0.1:{gateway.port}", "sandbox-key", "sandbox-secret"
    sdk = Client(base_url=base, key=key, secret=secret)
    customer = path.rpartition("/")[2]

    def by_httpx2() -> str:
        answer = gateway.client.get(path)
        answer.raise_for_status()
        name: str = answer.json()["firstName"]
        return name

    dwollav2.Client.ENVIRONMENTS["sandbox"] = {
        "auth_url": f"{base}/auth", "token_url": f"{base}/token", "api_url": base,
    }  # fmt: skip
    token = dwollav2.Client(key=key, secret=secret, environment="sandbox").Auth.client()
    return {
        "httpx2": by_httpx2,
        "tallystick": lambda: sdk.customers.get(customer).first_name,
        "dwollav2": lambda: token.get(f"customers/{customer}").body["firstName"],
    }


def race(note: Note, calls: dict[str, Callable[[], str]]) -> None:
    """SECONDS for each of them, in turn and in slices, so that a slow moment is everybody's."""
    taken = dict.fromkeys(calls, (0.0, 0.0))
    count = 0
    while sum(wall for wall, _ in taken.values()) < SECONDS * len(calls):
        count += SLICE
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(SLICE):
                assert call() == "Ada"
            spent = (time.perf_counter() - wall, time.process_time() - cpu)
            taken[name] = (taken[name][0] + spent[0], taken[name][1] + spent[1])
    for name, (wall, cpu) in taken.items():
        note(f"{name}_s_per_1000", wall / count * 1_000)
        note(f"{name}_cpu_s_per_1000", cpu / count * 1_000)
