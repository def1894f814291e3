"""A receiver that says yes to everything and costs next to nothing: `python -m bench.sink PORT`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop

from bench.load import LENGTH

YES = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class _Sink(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        length = LENGTH.search(self.buffer, 0, head)
        if head >= 0 and length and len(self.buffer) >= head + 4 + int(length[1]):
            self.transport.write(YES)
            self.transport.close()


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Sink, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
