"""What stands between the server and the gateway in sandbox: faults, and a record of the calls.

The gateway knows nothing of it. Paths that begin with `/_` (health, controls, simulators) pass.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tallystick.clock import Clock
from tallystick.errors import ApiError
from tallystick.sandbox import faults
from tallystick.sandbox.faults import Call, Faults, Rule
from tallystick.sandbox.partner_faults import CALLER
from tallystick.sandbox.requests import PATH_CHARS_MAX, Answered, Received, Requests

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# SO_LINGER on, for no time at all: the peer is told that the connection was reset, not closed.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class GatewaySide:
    """What has to be asked of the gateway.

    - `application_of(authorization)` is the id behind an Authorization header, or None.
    - `render(scope, error)` is how the gateway would answer this call with an error of its own:
      status, headers and body.
    """

    application_of: Callable[[str | None], Awaitable[str | None]]
    render: Callable[[Scope, ApiError], tuple[int, list[tuple[bytes, bytes]], bytes]]


class Gate:
    """Lets calls through, except while somebody replaces all that they stand on."""

    def __init__(self) -> None:
        self.shut = False
        self._inside = 0
        self._open = asyncio.Event()
        self._empty = asyncio.Event()
        self._one = asyncio.Lock()

    async def opened(self) -> None:
        """Return when it is not `shut`."""
        while self.shut:
            await self._open.wait()

    def enter(self) -> None:
        """Comes before a call, while it is not `shut`; `leave` comes after it."""
        self._inside += 1

    def leave(self) -> None:
        self._inside -= 1
        if self.shut and not self._inside:
            self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Waits for every call that is under way; those that come wait for the end of this."""
        async with self._one:
            self.shut = True
            self._open.clear()
            self._empty.clear()
            try:
                if self._inside:
                    await self._empty.wait()
                yield
            finally:
                self.shut = False
                self._open.set()


class Around:
    """The gateway as the server sees it."""

    def __init__(
        self,
        app: App,
        side: GatewaySide,
        clock: Clock,
        rules: Faults,
        requests: Requests,
        gate: Gate,
    ) -> None:
        self._app = app
        self._side = side
        self._clock = clock
        self._rules = rules
        self._requests = requests
        self._gate = gate

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or scope["path"].startswith("/_"):
            return self._app(scope, receive, send)
        if self._rules.in_force:
            return self._choose(scope, receive, send)
        return self._record(scope, receive, send)

    async def _choose(self, scope: Scope, receive: Receive, send: Send) -> None:
        authorization, _ = _headers(scope)
        caller = await self._caller(authorization)
        CALLER.set(caller)
        rule = self._rules.choose(Call(scope["method"], scope["path"], caller))
        if rule is None:
            await self._record(scope, receive, send)
        else:
            await self._record_wrong(rule, scope, receive, send)

    async def _record(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate = self._gate
        if gate.shut:
            await gate.opened()
        gate.enter()
        try:  # `_pass`, written out: every call comes this way
            await self._app(scope, receive, send)
        finally:
            gate.leave()
        line = scope.get("tallystick.access")  # the gateway left it: nothing is looked at twice
        if line is not None:
            has_key = scope["method"] == "POST" and _headers(scope)[1]
            self._requests.add(Answered(line, scope["path"][:PATH_CHARS_MAX], has_key))

    async def _record_wrong(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        authorization, has_key = _headers(scope)
        answer = _Answer(send)
        try:
            await self._go_wrong(rule, scope, receive, answer)
        finally:
            self._requests.add(
                Received(
                    at_ms=self._clock.now_ms(),
                    method=scope["method"],
                    path=scope["path"][:PATH_CHARS_MAX],
                    status=answer.status,
                    ms=(time.perf_counter() - started) * 1_000,
                    application=await self._side.application_of(authorization),
                    request_id=answer.request_id,
                    idempotency_key=has_key,
                    fault=rule.id,
                )
            )

    async def _caller(self, authorization: str | None) -> str | None:
        if not self._rules.by_application:
            return None
        return await self._side.application_of(authorization)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._gate.shut:
            await self._gate.opened()
        self._gate.enter()
        try:
            await self._app(scope, receive, send)
        finally:
            self._gate.leave()

    async def _go_wrong(self, rule: Rule, scope: Scope, receive: Receive, answer: _Answer) -> None:
        await rule.delay()
        match rule.effect:
            case faults.STATUS if rule.error is not None:
                status, headers, body = self._side.render(scope, rule.error)
                await answer.send(
                    {"type": "http.response.start", "status": status, "headers": headers}
                )
                body = b"" if scope["method"] == "HEAD" else body
                await answer.send({"type": "http.response.body", "body": body})
            case faults.RESET:
                await _break_off(receive, answer.raw)
            case faults.HANG:
                await _first_of(rule.wait(), _left(receive))
                await _break_off(receive, answer.raw)
            case faults.ANSWER_LOST:
                await self._pass(scope, receive, _swallow)
                await _break_off(receive, answer.raw)
            case _:
                await self._pass(scope, receive, answer.send)


class _Answer:
    """Passes an answer on and remembers what of it is recorded."""

    __slots__ = ("raw", "request_id", "status")

    def __init__(self, send: Send) -> None:
        self.raw = send
        self.status: int | None = None
        self.request_id: str | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for name, value in message["headers"]:
                if name == b"x-request-id":
                    self.request_id = value.decode()
        await self.raw(message)


def _headers(scope: Scope) -> tuple[str | None, bool]:
    """The Authorization header, and whether there is an Idempotency-Key."""
    authorization, has_key = None, False
    for name, value in scope["headers"]:
        if name == b"authorization" and authorization is None:
            authorization = value.decode("latin-1")
        elif name == b"idempotency-key":
            has_key = True
    return authorization, has_key


async def _swallow(_message: Message) -> None:
    """The answer is dropped."""


async def _left(receive: Receive) -> None:
    """Until the caller closes the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first_of(*work: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _break_off(receive: Receive, send: Send) -> None:
    """Reset the connection. ASGI has no word for it, so the server's own transport is asked.

    Behind no socket the client is in this process, and gets the error that a socket would give it.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise httpx2.ReadError("the connection was reset by a fault")
    peer = transport.get_extra_info("socket")
    if peer is not None and not transport.is_closing():
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
    # The server writes an answer of its own to a call that ends before it has noticed.
    await _left(receive)
