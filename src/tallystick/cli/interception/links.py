"""The gateway's answers, as the host that was called would have given them.

Dwolla's links are absolute and on the host that was called (contract 0.3), and some clients insist:
the Kotlin SDK refuses a link that does not begin with its own base URL. The gateway was called by
its own address, so the links of its API are respelled here. Its pages (`/_partners/…`) keep their
address: a browser that opens one knows nothing of the proxy.
"""

from __future__ import annotations

import asyncio
import re

from tallystick.cli.interception.wire import END, split_head

# Every answer of the API is far smaller. A larger one passes as it is.
BODY_MAX = 4_194_304


async def carry_respelled(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, base: str, host: str
) -> None:
    """Carry an answer's head and, if it is JSON, its body; the rest of the stream is the caller's.

    Links under `base` are respelled to be under `https://{host}`. Raises Malformed.
    """
    first, headers = split_head(await reader.readuntil(END))
    while first.startswith(b"HTTP/1.1 1"):  # an interim answer, such as 100 Continue
        writer.write(first + END)
        first, headers = split_head(await reader.readuntil(END))
    link = re.compile(re.escape(base.encode()) + rb'(?=/(?!_)|"|\Z)')
    there = f"https://{host}".encode()
    headers = [
        (name, link.sub(there, value) if name.lower() == b"location" else value)
        for name, value in headers
    ]
    length = _json_length(headers)
    if length is None:
        writer.write(_join(first, headers))
        return
    try:
        body = await reader.readexactly(length)
    except asyncio.IncompleteReadError as cut:
        body = cut.partial  # of HEAD, or of a gateway that died
        writer.write(_join(first, headers) + body)
        return
    body = link.sub(there, body)
    kept = [each for each in headers if each[0].lower() != b"content-length"]
    writer.write(_join(first, [*kept, (b"content-length", str(len(body)).encode())]) + body)


def _json_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """The length of a JSON body that we would read, or None."""
    found = {name.lower(): value for name, value in headers}
    length = found.get(b"content-length", b"")
    if b"json" not in found.get(b"content-type", b"") or not length.isdigit():
        return None
    return int(length) if len(length) < 10 and 0 < int(length) <= BODY_MAX else None


def _join(first: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"\r\n".join([first, *(b"%s: %s" % header for header in headers)]) + END
