"""A load generator that costs the server's neighbour core as little as it can.

It writes one request over and over, or one after the other of an iterator, on a few connections,
one in flight on each, and reads no more of an answer than where it ends. Whether answers are right
is the tests' business; every status that is not the expected one is counted as an error.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count, repeat
from typing import Any

import uvloop

from bench import CONNECTIONS, SECONDS, Note

# A server on libuv accepts one connection in each turn of its loop. If the first requests came
# before the last connections, these would wait for as long as all of them take.
ACCEPT_S = 0.1

LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


@dataclass
class Result:
    """`latencies_ms` are sorted; `wrong` is the first answer that was not as expected."""

    requests: int = 0
    errors: int = 0
    wrong: bytes = b""
    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        return self.latencies_ms[
            min(int(len(self.latencies_ms) * share), len(self.latencies_ms) - 1)
        ]


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], expected: bytes, result: Result) -> None:
        self.requests, self.expected, self.result = requests, expected, result
        self.done = asyncio.get_running_loop().create_future()
        self.until = self.sent = 0.0
        self.buffer = b""

    transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def begin(self, until: float) -> None:
        self.until = until
        self._send()

    def _send(self) -> None:
        request = next(self.requests, None)
        if request is None:
            self.transport.close()
            return
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = LENGTH.search(self.buffer, 0, head)
        if len(self.buffer) < head + 4 + (int(length[1]) if length else 0):
            return
        now = time.perf_counter()
        self.result.requests += 1
        if not self.buffer.startswith(self.expected, 9):
            self.result.errors += 1
            self.result.wrong = self.result.wrong or self.buffer
        self.result.latencies_ms.append((now - self.sent) * 1000)
        self.buffer = b""
        if now < self.until:
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if not self.done.done():
            self.done.set_result(None)


class _Paced(_Connection):
    def __init__(self, rate: float, numbers: Iterator[int], *parts: Any) -> None:
        super().__init__(*parts)
        self.rate, self.numbers = rate, numbers

    def begin(self, until: float) -> None:
        self.started = time.perf_counter()
        super().begin(until)

    def _send(self) -> None:
        due = self.started + next(self.numbers) / self.rate
        delay = due - time.perf_counter()
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, self._send_due, due)
        else:
            self._send_due(due)

    def _send_due(self, due: float) -> None:
        super()._send()
        self.sent = due


def fire(
    port: int,
    request: bytes | Iterator[bytes],
    expected: int,
    seconds: float,
    connections: int,
    *,
    awake: bool = False,
) -> Result:
    """Send `request` for `seconds` on that many connections, one request in flight on each.

    An iterator is sent one after the other, and ends the run when it ends. `expected` is a status,
    or the first digits of several.

    `awake`: never sleep. To wake a sleeper on another core takes the server's time, 4 to 7 µs for
    each answer on a virtual machine, and the faster the generator, the more often it sleeps. Only
    for servers of one process: others need our core, too.
    """
    requests = repeat(request) if isinstance(request, bytes) else request
    return _sent(port, expected, seconds, connections, partial(_Connection, requests), awake=awake)


def pace(port: int, request: Iterator[bytes], expected: int, seconds: float, rate: float) -> Result:
    """Send `rate` requests a second, each when it is due, on CONNECTIONS connections.

    Latency counts from when a request was due: one that had to wait for a connection is late.
    """
    paced = partial(_Paced, rate, count(), request)
    return _sent(port, expected, seconds, CONNECTIONS, paced, awake=False)


def _sent(
    port: int,
    expected: int,
    seconds: float,
    connections: int,
    kind: Callable[[bytes, Result], _Connection],
    *,
    awake: bool,
) -> Result:
    def look_again() -> None:
        """A loop that has something to do only looks for answers, and does not wait for them."""
        if awake:
            asyncio.get_running_loop().call_soon(look_again)

    async def run() -> Result:
        result = Result()
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(
                lambda: kind(str(expected).encode(), result), "127.0.0.1", port
            )
            for _ in range(connections)
        ]
        await asyncio.sleep(ACCEPT_S)
        look_again()
        started = time.perf_counter()
        for _, protocol in made:
            protocol.begin(started + seconds)
        await asyncio.gather(*(protocol.done for _, protocol in made))
        result.seconds = time.perf_counter() - started
        result.latencies_ms.sort()
        return result

    return uvloop.run(run())


def request(
    port: int,
    method: str,
    path: str,
    token: str = "",
    body: bytes = b"",
    *,
    authorization: str = "",
    kind: str = "application/json",
) -> bytes:
    """A request as it goes over the wire; `token` is a bearer's, `kind` the type of `body`."""
    head = [
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Accept: application/vnd.dwolla.v1.hal+json",
    ]
    if token or authorization:
        head.append(f"Authorization: {authorization or f'Bearer {token}'}")
    if body:
        head += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def load(
    note: Note,
    name: str,
    port: int,
    request: bytes | Iterator[bytes],
    expected: int,
    seconds: float = SECONDS,
    *,
    awake: bool = False,
) -> None:
    """One contestant's turn of a round; ends the run when an answer is not as expected."""
    result = fire(port, request, expected, seconds, CONNECTIONS, awake=awake)
    check(result, name)
    note(f"{name}_per_s", result.per_second)
    note(f"{name}_p50_ms", result.percentile(0.50))
    note(f"{name}_p99_ms", result.percentile(0.99))


def check(result: Result, name: str = "") -> None:
    if result.errors or not result.requests:
        wrong = f"{result.errors} of {result.requests} answers were not as expected"
        raise SystemExit(f"{name}: {wrong}\n{result.wrong.decode(errors='replace')}")
