"""A call with all that surrounds it: token, idempotency key, retries, deadline, hooks, log.

Written once, without input or output: `Engine.steps` yields what is to be done (`Effect`), and the
two drivers of `drive.py` do it.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar

import msgspec

from tallystick.errors import TallystickError
from tallystick.flow import Answer, Call, Flow, Http, Pause
from tallystick.ids import Entropy, uuid4
from tallystick.sdk.errors import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ExpiredAccessTokenError,
    InvalidAccessTokenError,
    error_of,
)
from tallystick.sdk.options import Hooks, Options, Retried
from tallystick.sdk.requests import Outgoing, api_request, token_request
from tallystick.sdk.retries import retry_after_s
from tallystick.sdk.token import Credentials, Ticks, Tokens
from tallystick.sdk.wirelog import LOG, masked

T = TypeVar("T")


class Received(msgspec.Struct, frozen=True):
    """An answer as it came. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Received(status={self.status})"


class Send(msgspec.Struct, frozen=True):
    """Send this and give back a `Received`; raise APIConnectionError when none comes by then."""

    request: Outgoing
    by: float


class Sleep(msgspec.Struct, frozen=True):
    seconds: float


class NeedToken(msgspec.Struct, frozen=True):
    """Give back an access token other than `refused`; only one caller at a time may renew it."""

    by: float
    refused: str | None = None

    def __repr__(self) -> str:
        return f"NeedToken(by={self.by})"


Effect: TypeAlias = Send | Sleep | NeedToken
Steps: TypeAlias = Generator[Effect, Any, T]


class SharedEntropy:
    """The operating system's, asked each time: a client is shared between threads, and two calls
    must never have the same key. (The server's own fetches blocks, for one thread.)
    """

    def bytes(self, count: int) -> builtins.bytes:
        return os.urandom(count)


@dataclass
class Engine:
    """What all calls of a client share. `with_options` copies it with other `options`."""

    base_url: str
    credentials: Credentials
    options: Options
    tokens: Tokens
    ticks: Ticks
    hooks: Hooks = field(default_factory=Hooks)
    entropy: Entropy = field(default_factory=SharedEntropy)
    remembered: dict[tuple[str, ...], Answer] = field(default_factory=dict)

    def steps(
        self, flow: Flow[T], timeout_s: float | None = None, seen: list[Answer] | None = None
    ) -> Steps[T]:
        """Run a flow. `timeout_s` bounds all of it; `seen` gets every answer."""
        ends_at = self.ticks() + (self.options.timeout_s if timeout_s is None else timeout_s)
        todo: Callable[[], Call | Pause] = partial(next, flow)
        while True:
            try:
                asked = todo()
            except StopIteration as done:
                value: T = done.value
                return value
            try:
                answer = yield from self._one(asked, ends_at)
            except TallystickError as error:
                todo = partial(flow.throw, error)
                continue
            if seen is not None:
                seen.append(answer)
            todo = partial(flow.send, answer)

    def _one(self, asked: Call | Pause, ends_at: float) -> Steps[Answer]:
        if isinstance(asked, Pause):
            if self.ticks() + asked.seconds >= ends_at:
                raise APITimeoutError("the time for waiting is over")
            yield Sleep(asked.seconds)
            return Answer(Http(0, {}), b"")
        if asked.remember and asked.path in self.remembered:
            return self.remembered[asked.path]
        answer = yield from self.call(asked, min(ends_at, self.ticks() + self.options.timeout_s))
        if asked.remember or asked.path in self.remembered:
            self.remembered[asked.path] = answer
        return answer

    def call(self, call: Call, by: float) -> Steps[Answer]:
        """One logical call: however often it is sent, it has one idempotency key and one end."""
        key = call.idempotency_key
        if key is None and call.method == "POST":
            key = uuid4(self.entropy)
        request = api_request(self.base_url, call, key, self.options.headers)
        token = yield NeedToken(by)
        renewed = False
        while True:
            try:
                signed = request.signed(token)
                received, retries = yield from self.sent(signed, by)
            except AuthenticationError as error:
                if renewed or self.credentials.bearer is not None or not _stale(error):
                    raise
                renewed = True
                token = yield NeedToken(by, refused=token)
                continue
            http = Http(received.status, received.headers, retries)
            return Answer(http, received.body, self.options.strict)

    def renew(self, by: float) -> Steps[str]:
        """Fetch a token and keep it."""
        asked_at = self.ticks()
        received, _ = yield from self.sent(token_request(self.base_url, self.credentials), by)
        return self.tokens.keep(received.body, asked_at)

    def sent(self, request: Outgoing, by: float) -> Steps[tuple[Received, int]]:
        """Send until a success, or until trying again is of no use. Also the number of retries."""
        tried = 0
        while True:
            tried += 1
            started = self.ticks()
            self._before(request, tried)
            failure: TallystickError
            try:
                received: Received = yield Send(request, by)
            except APIConnectionError as error:
                LOG.info("%s %s: %s", request.method, request.path, error)
                failure = error
            else:
                self._after(request, received, started)
                if 200 <= received.status < 300:
                    return received, tried - 1
                http = Http(received.status, received.headers, tried - 1)
                failure = error_of(http, received.body, retry_after_s(received.headers))
            wait_s = self.options.retries.wait_s(failure, tried)
            if wait_s is None or self.ticks() + wait_s >= by:
                raise failure
            LOG.info("%s %s: again in %.1f s", request.method, request.path, wait_s)
            self.hooks.retry(Retried(request, failure, tried, wait_s))
            yield Sleep(wait_s)
            if self.ticks() >= by:  # slept longer than was asked for
                raise failure

    def _before(self, request: Outgoing, tried: int) -> None:
        LOG.debug(
            "→ %s %s (try %d) %s", request.method, request.path, tried, _Masked(request.shown())
        )
        self.hooks.request(request)

    def _after(self, request: Outgoing, received: Received, started: float) -> None:
        http = Http(received.status, received.headers)
        LOG.debug(
            "← %d %s %s in %.0f ms (request %s) %s",
            received.status,
            request.method,
            request.path,
            (self.ticks() - started) * 1_000,
            http.request_id,
            _Masked(received.body),
        )
        self.hooks.response(request, http)


def _stale(error: AuthenticationError) -> bool:
    """A new token may help. Of a 401 without a code nobody knows, so it is tried."""
    return isinstance(error, ExpiredAccessTokenError | InvalidAccessTokenError) or not error.code


class _Masked:
    """Masks only when a handler really writes the line."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __str__(self) -> str:
        return masked(self._body)
