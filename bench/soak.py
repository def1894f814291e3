"""An hour at half load: do memory, open files and latency stay flat?

Half of what the gateway answered in the ten seconds before, nine GET to one POST of a session, each
sent when it is due. A sample a minute; `docs/soak.svg` draws them. `MINUTES` in the environment
makes it shorter or longer, and `MINUTE_S` its minutes.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import httpx2

from bench import CONNECTIONS, SECONDS, Bars, Note, kept
from bench.gateway import sessions_request
from bench.load import check, fire, pace, request
from bench.plot import draw
from bench.serving import Contestant, link, sign_in

TAKES_LONG = "an hour"
MINUTES = int(os.environ.get("MINUTES", "60"))
MINUTE_S = int(os.environ.get("MINUTE_S", "60"))
PICTURE = kept(Path(__file__).parents[1] / "docs" / "soak.svg")

# The last quarter beside the second: in the first one pools and caches are still being filled.
BARS: Bars = {
    "memory_mb_grew": (1.05, "under"),
    "open_files_grew": (1.05, "under"),
    "p50_ms_grew": (1.2, "under"),
    "p99_ms_grew": (1.5, "under"),
}

_taken: dict[str, list[float]] = {}


def run(note: Note) -> None:
    with tempfile.TemporaryDirectory() as name:
        gateway = Contestant("instant", Path(name))
        try:
            _, customer, partner = link(gateway.client)
            requests = mixed(gateway, customer, partner)
            rate = fire(gateway.port, requests, 20, 5 * SECONDS, CONNECTIONS).per_second / 2
            note("requests_per_s", rate)
            for minute in range(MINUTES):
                requests = mixed(gateway, customer, partner)
                result = pace(gateway.port, requests, 20, MINUTE_S, rate)
                check(result, f"minute {minute + 1}")
                sample = {
                    "memory_mb": gateway.memory_mb(),
                    "open_files": gateway.open_files(),
                    "p50_ms": result.percentile(0.50),
                    "p99_ms": result.percentile(0.99),
                }
                for figure, value in sample.items():
                    note(figure, value)
                    _taken.setdefault(figure, []).append(value)
        finally:
            gateway.stop()
    PICTURE.write_text(draw("minutes at half load", _taken))


def mixed(gateway: Contestant, customer: str, partner: str) -> Iterator[bytes]:
    token = sign_in(gateway.client)
    post = sessions_request(gateway.port, token, customer, partner)
    body = {"_links": {"exchange-partner": {"href": partner}}}
    made = gateway.client.post(f"{customer}/exchange-sessions", json=body).headers["location"]
    get = request(gateway.port, "GET", httpx2.URL(made).path, token)
    return cycle([get] * 9 + [post])


def ratios(_medians: dict[str, float]) -> dict[str, float]:
    return {f"{name}_grew": grew(values) for name, values in _taken.items()}


def grew(values: list[float]) -> float:
    quarter = max(1, len(values) // 4)
    return statistics.median(values[-quarter:]) / statistics.median(values[quarter : 2 * quarter])
