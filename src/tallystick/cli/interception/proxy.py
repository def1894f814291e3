"""The forward proxy of `tallystick exec`, on two ports of this machine.

One speaks as a proxy (CONNECT, or a whole URL in the request line) and answers plain HTTP; the
other has TLS and answers as the hosts that the gateway plays. A CONNECT to such a host is tunnelled
to the second port. Each connection carries one request, so that nothing after its head need be
understood. A request's body passes unread, and nothing of it is kept or logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from tallystick.cli.interception.destinations import Destinations, Gateway, normal
from tallystick.cli.interception.links import carry_respelled
from tallystick.cli.interception.wire import CHUNK, END, Head, Malformed

LOOPBACK = "127.0.0.1"
HEAD_S = 30.0
CONNECT_S = 30.0

# Carries the beginning of an answer.
Carry = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Refused(Exception):
    """A connection that must not be made. `host` is its normal spelling, None if it has none."""

    def __init__(self, host: str | None) -> None:
        super().__init__("refused")
        self.host = host


@dataclass(frozen=True)
class Hop:
    """Where a request goes next: an address, TLS or not, and its Host header and target there.

    `played`: the host of Dwolla as which the gateway answers, or None.
    """

    address: str
    port: int
    tls: bool
    host: str
    target: str
    played: str | None = None


class Proxy:
    """Both listeners. `report` is told the host of what is refused, once for each host."""

    def __init__(
        self,
        destinations: Destinations,
        gateway: Gateway,
        context: ssl.SSLContext,
        report: Callable[[str], None],
    ) -> None:
        self._destinations = destinations
        self._gateway = gateway
        self._context = context
        self._report = report
        self._reported: set[str] = set()
        self._open: set[asyncio.Task[None]] = set()
        self.port = 0
        self.tls_port = 0

    async def __aenter__(self) -> Self:
        self._plain = await asyncio.start_server(self._accept_plain, LOOPBACK, 0)
        self._tls = await asyncio.start_server(self._accept_tls, LOOPBACK, 0, ssl=self._context)
        self.port = self._plain.sockets[0].getsockname()[1]
        self.tls_port = self._tls.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._plain.close()
        self._tls.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    # ── one connection ────────────────────────────────────────────────────────────────────────

    async def _accept_plain(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._serve(reader, writer, tls=False)

    async def _accept_tls(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(reader, writer, tls=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, tls: bool
    ) -> None:
        """Answer one request, whatever happens; closing is the end of every answer."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a handler always runs in one
        self._open.add(task)
        try:
            await self._answer(reader, writer, tls=tls)
        except Malformed:
            await _say(writer, "400 Bad Request", "the request cannot be read")
        except asyncio.LimitOverrunError:
            await _say(writer, "431 Request Header Fields Too Large", "the head is too long")
        except Refused as refused:
            await self._refuse(writer, refused.host)
        except (OSError, TimeoutError, EOFError):
            await _say(writer, "502 Bad Gateway", "the other side did not answer")
        except asyncio.CancelledError:
            pass  # the command has ended
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, tls: bool
    ) -> None:
        try:
            async with asyncio.timeout(HEAD_S):
                raw = await reader.readuntil(END)
        except (OSError, TimeoutError, EOFError):
            return  # nothing was asked
        head = Head.parse(raw)
        if head.method == "CONNECT" and not tls:
            await self._tunnel(head.target, reader, writer)
            return
        hop = self._next(head, tls=tls)
        async with _connected(hop.address, hop.port, tls=hop.tls) as (from_next, to_next):
            to_next.write(head.encode(hop.target, hop.host))
            await _exchange(reader, writer, from_next, to_next, self._respelling(hop))

    # ── where to ──────────────────────────────────────────────────────────────────────────────

    def _next(self, head: Head, *, tls: bool) -> Hop:
        """The next hop of a request. Raises Malformed, Refused."""
        if head.target.startswith("/"):  # we were taken for the host itself
            host, port = _authority(head.host, 443 if tls else 80)
            prefix = self._destinations.prefix(host)
            if prefix is None:
                raise Refused(host)
            return self._to_gateway(host, prefix, head.target)
        try:
            url = urlsplit(head.target)
        except ValueError:
            raise Malformed from None
        if url.scheme not in ("http", "https") or tls:
            raise Malformed
        host, port = _authority(url.netloc, 443 if url.scheme == "https" else 80)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        prefix = self._destinations.prefix(host)
        if prefix is not None:
            return self._to_gateway(host, prefix, target)
        if not self._destinations.permits(host):
            raise Refused(host)
        return Hop(host, port, url.scheme == "https", url.netloc.rpartition("@")[2], target)

    def _to_gateway(self, host: str, prefix: str, target: str) -> Hop:
        """By its own name as Host, so that its pages' links hold outside of the command too."""
        gateway = self._gateway
        played = None if prefix else host
        target = prefix + target
        return Hop(gateway.host, gateway.port, gateway.tls, gateway.authority, target, played)

    def _respelling(self, hop: Hop) -> Carry | None:
        if hop.played is None:
            return None
        return functools.partial(carry_respelled, base=self._gateway.url, host=hop.played)

    async def _tunnel(
        self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, port = _authority(target, 443)
        if self._destinations.prefix(host) is not None:
            host, port = LOOPBACK, self.port if port == 80 else self.tls_port
        elif not self._destinations.permits(host):
            raise Refused(host)
        async with _connected(host, port, tls=False) as (from_next, to_next):
            writer.write(b"HTTP/1.1 200 Connection established" + END)
            await _exchange(reader, writer, from_next, to_next)

    async def _refuse(self, writer: asyncio.StreamWriter, host: str | None) -> None:
        name = host or "an address that is no host name"
        if name not in self._reported:
            self._reported.add(name)
            self._report(name)
        await _say(
            writer,
            f"403 Refused by tallystick exec: {name}",
            f"tallystick exec refused a connection to {name}",
        )


# ── bytes ─────────────────────────────────────────────────────────────────────────────────────


def _authority(text: str, default_port: int) -> tuple[str, int]:
    """(host, port) of `host`, `host:port` or `[v6]:port`. Raises Malformed, Refused."""
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port or default_port
    except ValueError:
        raise Malformed from None
    host = normal(parts.hostname or "")
    if host is None:
        raise Refused(None)
    return host, port


@contextlib.asynccontextmanager
async def _connected(
    host: str, port: int, *, tls: bool
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(CONNECT_S):
        reader, writer = await asyncio.open_connection(host, port, ssl=True if tls else None)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _exchange(
    from_client: asyncio.StreamReader,
    to_client: asyncio.StreamWriter,
    from_next: asyncio.StreamReader,
    to_next: asyncio.StreamWriter,
    first: Carry | None = None,
) -> None:
    """Carry bytes both ways until the next hop has said everything; `first` begins its answer."""
    sending = asyncio.create_task(_carry_all(from_client, to_next))
    try:
        if first is not None:
            await first(from_next, to_client)
        await _carry(from_next, to_client)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # the other end has gone: there is nobody to tell
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()


async def _carry_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry, then say that there is no more."""
    await _carry(reader, writer)
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()


async def _say(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = f"{text}\n".encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close"
    )
    with contextlib.suppress(OSError):
        writer.write(head.encode() + END + body)
        await writer.drain()
