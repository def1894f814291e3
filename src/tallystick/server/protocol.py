"""HTTP parsing with a deadline for the request's head.

The server in front of the application keeps a connection open for ever if its headers trickle in a
byte at a time; `intake` bounds bodies, this bounds heads. Keep-alive is the server's own business.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose next request head is not complete HEAD_S seconds after it began."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_head()

    def on_message_begin(self) -> None:
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._met()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._met()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._met()
        self._deadline = self.loop.call_later(HEAD_S, self.transport.close)

    def _met(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
