"""A receiver of webhooks on a real socket, which answers as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Told: yes\r\n\r\nok"
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Got:
    """One request, as it came in."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return msgspec.json.decode(self.body)


@dataclass
class Receiver:
    """`answer` is bytes, or a function of what was got that returns them (None: say nothing)."""

    answer: bytes | Callable[[Got], Awaitable[bytes | None]] = OK
    got: list[Got] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    at_once: int = 0
    at_once_max: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook?a=b"

    @property
    def topics(self) -> list[str]:
        return [each.event["topic"] for each in self.got]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *rest = head.strip().split("\r\n")
            headers = dict(each.split(": ", 1) for each in rest)
            body = await reader.readexactly(int(headers["Content-Length"]))
            got = Got(line, headers, body)
            self.got.append(got)
            answer = self.answer if isinstance(self.answer, bytes) else await self.answer(got)
            if answer is not None:
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.at_once -= 1
            writer.transport.abort() if self.answer is None else writer.close()


async def subscribe(client: Any, receiver: Receiver, secret: str = "sshhhhhh") -> str:
    return await client.create("/webhook-subscriptions", {"url": receiver.url, "secret": secret})


async def told(client: Any, subscription: str, query: str = "?limit=200") -> list[dict[str, Any]]:
    """The webhooks of a subscription, the oldest first."""
    answer = await client.get(f"{subscription}/webhooks{query}")
    return answer.json()["_embedded"]["webhooks"][::-1]
