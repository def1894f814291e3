"""HTTP as bytes on a socket, for requests that no client library would send."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .requirements import ROOT


class Answer(NamedTuple):
    """One answer; status 0 is a connection that was closed without one, -1 a hang."""

    status: int
    content_type: str = ""
    body: bytes = b""
    seconds: float = 0.0


HANG = -1
CLOSED = 0


@dataclass
class Target:
    """A gateway in a process of its own."""

    url: str
    pid: int
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def rss_mib(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


@contextlib.contextmanager
def target(folder: Path, database_url: str, *bug: str) -> Iterator[Target]:
    """`tests.fuzz_child`, ended when the block is left."""
    folder.mkdir(exist_ok=True)
    log = folder / "log"
    with log.open("wb") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz_child", str(folder), database_url, *bug],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True,
        )  # fmt: skip
    try:
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        assert url.startswith("http://"), "the gateway did not start"
        yield Target(url, child.pid, log)
    finally:
        child.communicate(timeout=30)


def message(
    method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> bytes:
    """A whole request that says the truth about its length."""
    lines = {"Host": "127.0.0.1", "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def exchange(
    port: int, raw: bytes, *, wait_s: float, trickle_s: float = 0.0, second_s: float = 0.0
) -> list[Answer]:
    """What a new connection is answered, and with `second_s` a second answer that comes so soon.

    `trickle_s` sends one byte and then sleeps, as often as there are bytes.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.monotonic()
    found: list[Answer] = []
    sending = asyncio.create_task(_send(writer, raw, trickle_s))
    try:
        async with asyncio.timeout(wait_s):
            found.append(await _read(reader, started))
        async with asyncio.timeout(second_s):
            found.append(await _read(reader, started))
    except TimeoutError:
        if not found:
            found.append(Answer(HANG, seconds=time.monotonic() - started))
    except (asyncio.IncompleteReadError, OSError, ValueError):
        found.append(Answer(CLOSED, seconds=time.monotonic() - started))
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.transport.abort()
    return found


async def _send(writer: asyncio.StreamWriter, raw: bytes, trickle_s: float) -> None:
    with contextlib.suppress(OSError):
        if not trickle_s:
            writer.write(raw)
            await writer.drain()
            return
        for at in range(len(raw)):
            writer.write(raw[at : at + 1])
            await writer.drain()
            await asyncio.sleep(trickle_s)


async def _read(reader: asyncio.StreamReader, started: float) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    if status == 100:
        return await _read(reader, started)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if b"content-length" in headers:
        body = await reader.readexactly(int(headers[b"content-length"]))
    elif status in (204, 304):
        body = b""
    else:
        body = await reader.read()
    return Answer(
        status, headers.get(b"content-type", b"").decode(), body, time.monotonic() - started
    )
