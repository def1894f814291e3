"""A load generator that costs the server's neighbour core as little as it can.

It writes the same request over and over on a few connections, one in flight on each, and reads no
more of an answer than where it ends. Whether answers are right is the tests' business; every status
that is not the expected one is counted as an error.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field

import uvloop

LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


@dataclass
class Result:
    """`latencies_ms` are sorted."""

    requests: int = 0
    errors: int = 0
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
    def __init__(self, request: bytes, expected: bytes, result: Result, until: float) -> None:
        self.request, self.expected, self.result, self.until = request, expected, result, until
        self.done = asyncio.get_running_loop().create_future()
        self.sent = 0.0
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.request)  # type: ignore[attr-defined]

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
        self.result.errors += self.buffer[9:12] != self.expected
        self.result.latencies_ms.append((now - self.sent) * 1000)
        self.buffer = b""
        if now < self.until:
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def fire(port: int, request: bytes, expected: int, seconds: float, connections: int) -> Result:
    """Send `request` for `seconds` on that many connections, one request in flight on each."""

    async def run() -> Result:
        result = Result()
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        until = started + seconds
        made = [
            await loop.create_connection(
                lambda: _Connection(request, str(expected).encode(), result, until),
                "127.0.0.1",
                port,
            )
            for _ in range(connections)
        ]
        await asyncio.gather(*(protocol.done for _, protocol in made))
        result.seconds = time.perf_counter() - started
        result.latencies_ms.sort()
        return result

    return uvloop.run(run())


def request(port: int, method: str, path: str, token: str = "", body: bytes = b"") -> bytes:
    head = [
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Accept: application/vnd.dwolla.v1.hal+json",
    ]
    if token:
        head.append(f"Authorization: Bearer {token}")
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
