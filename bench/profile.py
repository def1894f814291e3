"""`python -m bench.profile`: the server's CPU time for a request, in microseconds.

Of the processes themselves, from the system's own account: unlike a rate it still means something
while the machine does other things. Interleaved as the suites are; has no bars.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

from bench import CONNECTIONS, ROUNDS, SECONDS
from bench.gateway import sessions_request
from bench.load import check, fire, request
from bench.serving import Contestant, exchange, link

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(process_id: int) -> float:
    """User and system time of all its threads so far."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nothing = Contestant("nothing", folder, ready="/")
        gateway, instant = Contestant("gateway", folder), Contestant("instant", folder)
        try:
            token, customer, partner = link(gateway.client)
            get = request(gateway.port, "GET", exchange(gateway.client, customer, partner), token)
            report(
                {
                    "nothing": (nothing, request(nothing.port, "GET", "/"), 200),
                    "get_exchange": (gateway, get, 200),
                    "post_session": (
                        instant, sessions_request(instant.port, *link(instant.client)), 201,
                    ),
                }
            )  # fmt: skip
        finally:
            for each in (nothing, gateway, instant):
                each.stop()


def report(asked: dict[str, tuple[Contestant, bytes, int]]) -> None:
    spent: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(ROUNDS):
        for name, (contestant, sent, status) in asked.items():
            before = cpu_s(contestant.process.pid)
            result = fire(contestant.port, sent, status, SECONDS, CONNECTIONS)
            check(result)
            after = cpu_s(contestant.process.pid)
            spent[name].append((after - before) / result.requests * 1e6)
    for name, values in spent.items():
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name:<14} {middle:8.1f} us of CPU a request   ({low:.1f} to {high:.1f})")


if __name__ == "__main__":
    main()
