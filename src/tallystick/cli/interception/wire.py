"""Heads of HTTP/1.1 messages, as far as a proxy reads them (RFC 9112)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

CHUNK = 65_536
END = b"\r\n\r\n"
# These concern one connection (RFC 9110 7.6.1) and are ours to say; the credentials of a proxy are
# for us, and nobody behind us may see them.
HOP_BY_HOP = frozenset(
    {b"host", b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"upgrade"}
)
# No line holds any of these (RFC 9112 2.2); the next reader might take one for the line's end.
_CONTROL = re.compile(rb"[\r\n\0]")


class Malformed(Exception):
    """A head that cannot be read."""


def split_head(raw: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The first line of a message, and its headers as they came. Raises Malformed."""
    first, *lines = raw.removesuffix(END).split(b"\r\n")
    if _CONTROL.search(first):
        raise Malformed
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip() or _CONTROL.search(line):
            raise Malformed
        headers.append((name, value.strip()))
    return first, headers


@dataclass(frozen=True)
class Head:
    """The head of one request, its header lines as they came."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]

    def __repr__(self) -> str:
        return f"Head({self.method!r})"

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Raises Malformed."""
        first, headers = split_head(raw)
        parts = first.split(b" ")
        if len(parts) != 3 or not parts[2].startswith(b"HTTP/1.") or not first.isascii():
            raise Malformed
        return cls(parts[0].decode(), parts[1].decode(), tuple(headers))

    @property
    def host(self) -> str:
        """What the one Host header says, or an empty string."""
        found = [value for name, value in self.headers if name.lower() == b"host"]
        return found[0].decode("latin-1") if len(found) == 1 else ""

    def encode(self, target: str, host: str) -> bytes:
        """The head for the next hop, which is to close the connection after its answer."""
        kept = [
            b"%s: %s" % header for header in self.headers if header[0].lower() not in HOP_BY_HOP
        ]
        first = f"{self.method} {target} HTTP/1.1".encode()
        return b"\r\n".join([first, b"Host: " + host.encode(), *kept, b"Connection: close"]) + END
