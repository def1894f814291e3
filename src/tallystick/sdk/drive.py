"""The two drivers: they send, sleep and lock. All that is decided is in `calls.py`.

Both read the answer piece by piece and hold the deadline between pieces, and both let one caller at
a time renew the token while the others go on with the old one for as long as it lives.

The async deadline is exact. The sync one bounds every wait for the network by the time that is left
when the request is sent: a server that trickles its answer can stretch that, as nothing in httpx2
interrupts a thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2

from tallystick.flow import Answer, Flow, ResponseShapeError
from tallystick.sdk.calls import Effect, Engine, NeedToken, Received, Send, Sleep, Steps
from tallystick.sdk.errors import OUTAGE, APIConnectionError, APITimeoutError, TallystickError

T = TypeVar("T")

ANSWER_BYTES_MAX = 16 * 1024 * 1024


class Driver:
    """Runs flows on an `httpx2.Client`."""

    def __init__(
        self, engine: Engine, http: httpx2.Client, renewing: threading.Lock | None = None
    ) -> None:
        self.engine = engine
        self.http = http
        self._renewing = renewing or threading.Lock()

    def sharing(self, engine: Engine) -> Driver:
        """The same connections and the same turn at renewing the token."""
        return Driver(engine, self.http, self._renewing)

    def run(
        self, flow: Flow[T], /, *, timeout_s: float | None = None, seen: list[Answer] | None = None
    ) -> T:
        return self._drive(self.engine.steps(flow, timeout_s, seen))

    def _drive(self, steps: Steps[T]) -> T:
        step: Callable[[], Effect] = partial(next, steps)
        while True:
            try:
                effect = step()
            except StopIteration as done:
                value: T = done.value
                return value
            try:
                result = self._do(effect)
            except TallystickError as error:
                step = partial(steps.throw, error)
            else:
                step = partial(steps.send, result)

    def _do(self, effect: Effect) -> Any:
        match effect:
            case Send():
                return self._send(effect)
            case Sleep():
                time.sleep(effect.seconds)
                return None
            case NeedToken():
                return self._token(effect)

    def _token(self, need: NeedToken) -> str:
        tokens = self.engine.tokens
        held = self.engine.credentials.bearer or tokens.fresh(need.refused)
        if held is not None:
            return held
        old = tokens.usable(need.refused)
        wait_s = 0.0 if old else max(_left(self.engine, need.by), 0.0)
        if not self._renewing.acquire(timeout=wait_s):
            if old:
                return old
            raise APITimeoutError("no access token came in time")
        try:
            renewed = tokens.fresh(need.refused)
            return renewed or self._drive(self.engine.renew(_renew_by(self.engine, need, old)))
        except OUTAGE:
            if old is None:
                raise
            return old
        finally:
            self._renewing.release()

    def _send(self, send: Send) -> Received:
        left_s = _left(self.engine, send.by)
        if left_s <= 0:
            raise APITimeoutError("no time is left to send the request")
        request = self.http.build_request(**_arguments(self.engine, send, left_s))
        try:
            answer = self.http.send(request, stream=True, auth=None, follow_redirects=False)
            try:
                body = bytearray()
                for piece in answer.iter_bytes():
                    body += piece
                    _check(self.engine, send, body)
            finally:
                answer.close()
        except httpx2.RequestError as error:
            raise _trouble(error, send) from error
        return _received(answer, body)


class AsyncDriver:
    """Runs flows on an `httpx2.AsyncClient`, in asyncio."""

    def __init__(
        self, engine: Engine, http: httpx2.AsyncClient, renewing: asyncio.Lock | None = None
    ) -> None:
        self.engine = engine
        self.http = http
        self._renewing = renewing or asyncio.Lock()

    def sharing(self, engine: Engine) -> AsyncDriver:
        """The same connections and the same turn at renewing the token."""
        return AsyncDriver(engine, self.http, self._renewing)

    async def run(
        self, flow: Flow[T], /, *, timeout_s: float | None = None, seen: list[Answer] | None = None
    ) -> T:
        return await self._drive(self.engine.steps(flow, timeout_s, seen))

    async def _drive(self, steps: Steps[T]) -> T:
        step: Callable[[], Effect] = partial(next, steps)
        while True:
            try:
                effect = step()
            except StopIteration as done:
                value: T = done.value
                return value
            try:
                result = await self._do(effect)
            except TallystickError as error:
                step = partial(steps.throw, error)
            else:
                step = partial(steps.send, result)

    async def _do(self, effect: Effect) -> Any:
        match effect:
            case Send():
                return await self._send(effect)
            case Sleep():
                await asyncio.sleep(effect.seconds)
                return None
            case NeedToken():
                return await self._token(effect)

    async def _token(self, need: NeedToken) -> str:
        tokens = self.engine.tokens
        held = self.engine.credentials.bearer or tokens.fresh(need.refused)
        if held is not None:
            return held
        old = tokens.usable(need.refused)
        if old and self._renewing.locked():
            return old
        by = _renew_by(self.engine, need, old)
        try:
            async with asyncio.timeout(max(_left(self.engine, need.by), 0.0)), self._renewing:
                renewed = tokens.fresh(need.refused)
                if renewed is None:
                    renewed = await self._drive(self.engine.renew(by))
                return renewed
        except TimeoutError as error:
            raise APITimeoutError("no access token came in time") from error
        except OUTAGE:
            if old is None:
                raise
            return old

    async def _send(self, send: Send) -> Received:
        left_s = _left(self.engine, send.by)
        if left_s <= 0:
            raise APITimeoutError("no time is left to send the request")
        request = self.http.build_request(**_arguments(self.engine, send, left_s))
        try:
            async with asyncio.timeout(left_s):
                answer = await self.http.send(
                    request, stream=True, auth=None, follow_redirects=False
                )
                try:
                    body = bytearray()
                    async for piece in answer.aiter_bytes():
                        body += piece
                        _check(self.engine, send, body)
                finally:
                    await answer.aclose()
        except TimeoutError as error:
            raise APITimeoutError("no answer came before the deadline") from error
        except httpx2.RequestError as error:
            raise _trouble(error, send) from error
        return _received(answer, body)


def _left(engine: Engine, by: float) -> float:
    return by - engine.ticks()


def _renew_by(engine: Engine, need: NeedToken, old: str | None) -> float:
    """With a token that still works, renewing may take half of the time that is left."""
    return need.by if old is None else (engine.ticks() + need.by) / 2


def _arguments(engine: Engine, send: Send, left_s: float) -> dict[str, Any]:
    request = send.request
    connect_s = min(engine.options.connect_timeout_s, left_s)
    return {
        "method": request.method,
        "url": request.url,
        "headers": {**request.headers, "authorization": request.authorization},
        "content": request.content or None,
        "timeout": httpx2.Timeout(left_s, connect=connect_s),
    }


def _check(engine: Engine, send: Send, body: bytearray) -> None:
    if len(body) > ANSWER_BYTES_MAX:
        raise ResponseShapeError(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
    if _left(engine, send.by) <= 0:
        raise APITimeoutError("the answer did not end before the deadline")


def _trouble(error: httpx2.RequestError, send: Send) -> APIConnectionError:
    """Named by its kind and the host: the text of some errors repeats the whole URL."""
    kind = type(error).__name__
    host = urlsplit(send.request.url).netloc.rpartition("@")[2]
    if isinstance(error, httpx2.TimeoutException):
        return APITimeoutError(f"no answer came from {host} in time ({kind})")
    return APIConnectionError(f"no answer came from {host} ({kind})")


def _received(answer: httpx2.Response, body: bytearray) -> Received:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Received(answer.status_code, headers, bytes(body))
