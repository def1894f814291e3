"""HTTP parsing with bounds of time and size, and answers that leave in one piece.

The server in front of the application keeps a connection open for ever if its headers or its body
trickle in a byte at a time, and keeps every header that it is sent: 60 MB of them made it grow by
1.1 GB. How large a body may be is `intake`'s business, keep-alive the server's own.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from tallystick.errors import BadRequest
from tallystick.hal import Links
from tallystick.ids import SystemEntropy, uuid4
from tallystick.server.render import failure

HEAD_S = 10.0
# From the end of the head, for a body that does not come with it.
BODY_S = 15.0
# A head that does not come in one piece (a read is 256 KiB at most).
HEAD_BYTES_MAX = 64 * 1024
# A whole request, with what frames its body and follows it. Larger bodies were refused long before.
MESSAGE_BYTES_MAX = 1024 * 1024

_entropy = SystemEntropy()

# What a header must not hold, or an answer could be made to look like two.
_UNWANTED = bytes({*range(0x20), 0x7F} - {0x09})


class WholeAnswer(RequestResponseCycle):
    """Writes an answer's head and body at once: one system call and one packet instead of two.

    Only an answer that is complete and says how long it is; every other is left to the server.
    `late` is set when the request's body has taken too long.
    """

    late = False
    _start: Any = None

    async def receive(self) -> Any:
        message = await super().receive()
        if self.late and message.get("more_body"):
            return {"type": "http.disconnect", "late": True}
        return message

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start" and not self.response_started:
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None:
            if self._send_whole(start, message):
                return
            await super().send(start)
        await super().send(message)

    def _send_whole(self, start: Any, message: Any) -> bool:
        """False if this answer is not of the usual kind; then nothing was written."""
        body = message.get("body", b"")
        if (
            message.get("more_body")
            or not self.keep_alive
            or self.disconnected
            or self.flow.write_paused
            or self.scope["method"] == "HEAD"
        ):
            return False
        lines, length = [], None
        for name, value in (*self.default_headers, *start["headers"]):
            if name == b"content-length":
                length = value
            elif name in _OF_THE_CONNECTION:
                return False
            lines.append(name + b": " + value)
        text = b"\t".join(lines)
        # Taking them out is the quickest way to see that there are none.
        if length != b"%d" % len(body) or text.translate(None, _UNWANTED) != text:
            return False
        lines.append(b"\r\n" + body)
        self.transport.write(STATUS_LINE[start["status"]] + b"\r\n".join(lines))
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.message_event.set()
        self.on_response()
        return True


_OF_THE_CONNECTION = frozenset({b"connection", b"transfer-encoding"})


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose next request head is not complete HEAD_S seconds after it began, or
    whose request has too many bytes. A body that is not complete in BODY_S seconds is `late`.
    """

    cycle: Any  # a WholeAnswer, once its request has a task
    _deadline: asyncio.TimerHandle | None = None
    _in_head = False
    _received = 0

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.__class__ = WholeAnswer  # the server makes it itself, and asks nobody of what class
        super()._start_asgi_task(cycle, app)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)
        if self._in_head and self._received > HEAD_BYTES_MAX:
            self._refuse("The head of the request is too long.")
        elif self._received > MESSAGE_BYTES_MAX:
            self.transport.close()
        elif self._deadline is None:
            # Most requests come in one piece, and need no timer of their own.
            if self._in_head or self._is_idle():
                self._expect_head()
            elif self.cycle.more_body:
                self._deadline = self.loop.call_later(BODY_S, self._be_late)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def on_message_begin(self) -> None:
        self._in_head = True
        self._received = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._deadline is not None:
            self._met()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self._deadline is not None:
            self._met()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # the server's own words
        self._refuse("The request is not valid HTTP.")

    def _refuse(self, why: str) -> None:
        """Answer as every bad request is answered, and close."""
        if self.transport.is_closing():
            return
        request_id = uuid4(_entropy)
        status, headers, body = failure(BadRequest(why), None, Links(""), "seed", request_id)
        headers += [
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        lines = [b"%b: %b" % each for each in (*self.server_state.default_headers, *headers)]
        self.transport.write(STATUS_LINE[status] + b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_head = False
        self._met()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_S, self.transport.close)

    def _be_late(self) -> None:
        self._deadline = None
        self.cycle.late = True
        self.cycle.message_event.set()  # the application may be waiting for more

    def _met(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
