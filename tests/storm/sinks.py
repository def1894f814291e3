"""Receivers of webhooks, which answer as their name says and remember what they were told.

What a sink does with a webhook is drawn from the seed, the webhook's id and how often it came.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

SECRET = "sshhhhhh"

# Of all webhooks that come to a flaky sink these never get through.
DOOMED = 0.05
_REASONS = {
    200: "OK",
    204: "No Content",
    301: "Moved",
    404: "Not Found",
    500: "Broken",
    503: "Busy",
}


@dataclass
class Receipt:
    """One POST that arrived whole; `status` is what was answered, None if nothing was."""

    sink: str
    webhook_id: str
    topic: str
    resource_id: str
    at: float
    status: int | None = None

    @property
    def accepted(self) -> bool:
        return self.status in (200, 204)


@dataclass
class Sinks:
    """One listener for all of them: `/hook/good/…`, `/hook/flaky/…`, `/hook/dead/…`, `/hook/slow/…`."""

    seed: int
    hang_s: float
    host: str = "127.0.0.1"
    receipts: list[Receipt] = field(default_factory=list)
    forged: int = 0
    port: int = 0
    _times: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()

    def url(self, sink: str) -> str:
        return f"http://{self.host}:{self.port}/hook/{sink}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._receive(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the worker was killed, or all is over
        finally:
            writer.close()

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in rest)}
        body = await reader.readexactly(int(headers["content-length"]))
        sink = urlsplit(line.split(" ")[1]).path.removeprefix("/hook/")
        signed = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signed, headers["x-request-signature-sha-256"]):
            self.forged += 1
        event = json.loads(body)
        receipt = Receipt(
            sink, headers["webhook-id"], event["topic"], event["resourceId"], time.monotonic()
        )
        self.receipts.append(receipt)
        await self._answer(receipt, writer)

    async def _answer(self, receipt: Receipt, writer: asyncio.StreamWriter) -> None:
        nth = self._times[receipt.webhook_id]
        self._times[receipt.webhook_id] += 1
        kind = receipt.sink.split("/")[0]
        status = 200
        if kind == "dead":
            status = 500
        elif kind == "slow":
            await asyncio.sleep(0.2)
        elif kind == "flaky":
            found = await self._mood(receipt.webhook_id, nth, writer)
            if found is None:
                return
            status = found
        receipt.status = status
        writer.write(f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    async def _mood(self, webhook_id: str, nth: int, writer: asyncio.StreamWriter) -> int | None:
        rng = random.Random(f"{self.seed}/{webhook_id}/{nth}")
        drawn = rng.random()
        if random.Random(f"{self.seed}/{webhook_id}").random() < DOOMED or drawn < 0.15:
            return rng.choice((301, 404, 500, 503))
        if drawn < 0.18:
            writer.transport.abort()
            return None
        if drawn < 0.20:
            writer.write(b"this is not HTTP\r\n\r\n")
            return None
        if drawn < 0.203:
            await asyncio.sleep(self.hang_s)
            return None
        if drawn < 0.25:
            await asyncio.sleep(rng.uniform(0, 0.3))
        return rng.choice((200, 204))
