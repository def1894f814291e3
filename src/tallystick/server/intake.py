"""Taking a request in: its headers, its base URL, and its body within bounds of size."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from tallystick.errors import BadRequest, PayloadTooLarge, SlowRequest
from tallystick.hal import Links

# No operation needs more. Counted in bytes that arrived, whatever Content-Length claims.
BODY_BYTES_MAX = 64 * 1024

_HOST = re.compile(rb"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:]{2,39}\](:[0-9]{1,5})?")

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Headers(dict[bytes, bytes]):
    """A request's headers by their names, which the server has in lower case already.

    Of a header that was sent twice, the first. Few are looked at, so none is decoded before.
    """

    __slots__ = ()

    @classmethod
    def of(cls, sent: Sequence[tuple[bytes, bytes]]) -> Headers:
        return cls(reversed(sent))

    def text(self, name: bytes) -> str | None:
        value = self.get(name)
        return None if value is None else value.decode("latin-1")


# Hosts that were asked for lately; a client that invents hosts only empties it.
_LINKS: dict[tuple[str | None, str, bytes], Links] = {}
_HOSTS_MAX = 1_000


def links(public_url: str | None, scheme: str, host: bytes) -> Links:
    """Makes links under the public URL, else under `http://localhost:7420` as the request has it.

    Their base is empty when the Host cannot be one.
    """
    known = _LINKS.get((public_url, scheme, host))
    if known is not None:
        return known
    base = f"{scheme}://{host.decode()}" if _HOST.fullmatch(host) else ""
    made = Links(public_url or base)
    if len(_LINKS) >= _HOSTS_MAX:
        _LINKS.clear()
    _LINKS[public_url, scheme, host] = made
    return made


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises PayloadTooLarge, and BadRequest when the client left.

    Raises SlowRequest when the server in front says that it is `late` (`protocol.py`).
    """
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise SlowRequest if message.get("late") else BadRequest
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            raise PayloadTooLarge
        more = message.get("more_body", False)
    return body
