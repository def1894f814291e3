"""One POST to a receiver: one deadline for everything, a capped answer, no redirects, no proxy.

A connection of its own for each, to an address that was checked: there is no pool in which a name
could outlive its check. Nothing of what a receiver answers can do more than fail the attempt.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import httptools

from tallystick.delivery.egress import Egress, Refused, Unresolved

# Contract 6.7: an answer within 10 seconds, from the look-up of the name to its last byte.
DEADLINE_S = 10.0
# What is read of an answer; what is more is not waited for.
ANSWER_BYTES_MAX = 4_096
READ_BYTES_MAX = 32 * 1_024
_CHUNK_BYTES = 16 * 1_024

Why = Literal[
    "ADDRESS_REFUSED", "NO_ADDRESS", "NO_CONNECTION", "TLS_FAILED", "TIMED_OUT", "BROKEN_OFF",
    "NOT_HTTP",
]  # fmt: skip

Headers = Sequence[tuple[str, str]]


class NoAnswer(Exception):
    """There is no usable answer; `why` is all that is known."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why: Why = why


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is at most ANSWER_BYTES_MAX long."""

    status: int
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)


class Poster:
    """Posts through one egress rule. `tls` may replace the trusted authorities in tests."""

    def __init__(
        self, egress: Egress, *, tls: ssl.SSLContext | None = None, deadline_s: float = DEADLINE_S
    ) -> None:
        self._egress = egress
        self._given_tls = tls
        self._deadline_s = deadline_s

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made when it is needed first: reading the authorities takes longer than all the rest."""
        return self._given_tls or ssl.create_default_context()

    async def post(self, url: str, headers: Headers, body: bytes) -> Answer:
        """Raises NoAnswer."""
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._post(urlsplit(url), headers, body)
        except Refused:
            raise NoAnswer("ADDRESS_REFUSED") from None
        except Unresolved:
            raise NoAnswer("NO_ADDRESS") from None
        except TimeoutError:
            raise NoAnswer("TIMED_OUT") from None

    async def _post(self, url: SplitResult, headers: Headers, body: bytes) -> Answer:
        reader, writer = await self._connect(url)
        try:
            writer.write(_request(url, headers, body))
            return await _read(reader)
        except (OSError, asyncio.IncompleteReadError):
            raise NoAnswer("BROKEN_OFF") from None
        finally:
            writer.transport.abort()

    async def _connect(self, url: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To exactly an address that was checked; TLS and Host speak of the name."""
        host, secure = url.hostname or "", url.scheme == "https"
        port = url.port or (443 if secure else 80)
        why: Why = "NO_CONNECTION"
        for address in await self._egress.addresses(host, port, secure=secure):
            try:
                return await asyncio.open_connection(
                    address,
                    port,
                    ssl=self._tls if secure else None,
                    server_hostname=host if secure else None,
                )
            except ssl.SSLError:
                why = "TLS_FAILED"
            except (OSError, ValueError):
                continue
        raise NoAnswer(why)


def _request(url: SplitResult, headers: Headers, body: bytes) -> bytes:
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {url.netloc}",
        *(f"{name}: {value}" for name, value in headers),
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


async def _read(reader: asyncio.StreamReader) -> Answer:
    """All bytes count, not only those of the head and body: between chunks and after the last of
    them stands what may go on for ever.
    """
    answer = _Parsed()
    read_bytes = 0
    while not answer.enough and read_bytes <= READ_BYTES_MAX:
        data = await reader.read(_CHUNK_BYTES)
        if not data:
            break  # the end of the body, or of a receiver that told its status at least
        answer.feed(data)
        read_bytes += len(data)
    if not answer.has_status:
        raise NoAnswer("NOT_HTTP" if read_bytes > READ_BYTES_MAX else "BROKEN_OFF")
    return Answer(answer.status, answer.headers, bytes(answer.body[:ANSWER_BYTES_MAX]))


class _Parsed:
    """The first answer with a final status; those of 1xx before it are not the answer."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.enough = False
        self.on_message_begin()

    def feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.enough:
                raise NoAnswer("NOT_HTTP") from None

    @property
    def has_status(self) -> bool:
        return self.status >= 200

    # ── called by the parser ──────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        if not self.enough:
            self.status = 0
            self.headers: list[tuple[str, str]] = []
            self.body = bytearray()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.enough:
            self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        if not self.enough:
            self.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        if not self.enough:
            self.body += data
            self.enough = len(self.body) > ANSWER_BYTES_MAX

    def on_message_complete(self) -> None:
        self.enough = self.enough or self.has_status
