"""What can go wrong between a connector and its partner, put into its transport on purpose.

A `Wire` stands where the network would be. It counts the calls of an operation, and one of them, the
one it was armed for, it answers with a fault. Some faults keep the request from the partner; with
others the partner gets it and acts, and only its answer is spoiled: those are the dangerous ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import httpx2
import structlog

from tallystick.clock import MINUTE_MS
from tallystick.partners import http, registry
from tallystick.store.db import Statement

from .gateway import Api, InProcess, in_process

# A deadline for the calls of which the answer does not come.
SHORT_S = 0.05
BACK = "https://shop.example/linked?step=2"


# ── faults ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Real:
    """What the partner did answer."""

    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def passed_on(self) -> httpx2.Response:
        return said(self.status, self.content, self.headers)


def said(status: int, content: bytes, headers: Mapping[str, str]) -> httpx2.Response:
    # A stream, as from a network: a response that was made with its content was read already.
    return httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(content))


Strike = Callable[[httpx2.Request, Real], Awaitable[httpx2.Response]]


@dataclass(frozen=True)
class Fault:
    """- `acts`: the partner gets the request, and does what it asks for.
    - `slow`: only a deadline ends it.
    - `refuses`: it is an answer with which a partner may mean the request, the proof or the grant.
      Nothing else may be told to a client as his mistake, or cost a person a consent.
    - `lies`: it is an answer such as the partner gives, and untrue. Whatever is made of it must be
      documented and whole, but need not be true.
    """

    name: str
    strike: Strike
    acts: bool = False
    slow: bool = False
    refuses: bool = False
    lies: bool = False


class Broken(httpx2.AsyncByteStream):
    """A body of which `pieces` arrive, `wait_s` before each; then the connection is reset."""

    def __init__(self, pieces: Sequence[bytes], *, wait_s: float = 0) -> None:
        self._pieces = pieces
        self._wait_s = wait_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(self._wait_s)
            yield piece
        raise httpx2.ReadError("connection reset by peer")


def raises(kind: type[httpx2.TransportError]) -> Strike:
    async def strike(_request: httpx2.Request, _real: Real) -> httpx2.Response:
        raise kind("as arranged")

    return strike


async def never(_request: httpx2.Request, _real: Real) -> httpx2.Response:
    await asyncio.sleep(3_600)
    raise AssertionError("there was no deadline")


async def reset_midway(_request: httpx2.Request, real: Real) -> httpx2.Response:
    return httpx2.Response(real.status, stream=Broken([real.content[: len(real.content) // 2]]))


async def drip(_request: httpx2.Request, real: Real) -> httpx2.Response:
    pieces = [bytes([byte]) for byte in real.content]
    return httpx2.Response(real.status, stream=Broken(pieces, wait_s=1))


def says(status: int, content: bytes, **headers: str) -> Strike:
    async def strike(_request: httpx2.Request, _real: Real) -> httpx2.Response:
        return said(status, content, headers)

    return strike


def garbles(change: Callable[[bytes], bytes]) -> Strike:
    async def strike(_request: httpx2.Request, real: Real) -> httpx2.Response:
        return said(real.status, change(real.content), {})

    return strike


def other_types(value: Any) -> Any:
    """The same shape, and nothing in it is of the type it was."""
    match value:
        case dict():
            return {name: other_types(inner) for name, inner in value.items()}
        case list():
            return [other_types(inner) for inner in value] or {}
        case str():
            return 7
        case bool() | None:
            return {"as": "arranged"}
        case _:
            return ["as arranged"]


def mistyped(content: bytes) -> bytes:
    return json.dumps(other_types(json.loads(content))).encode() if content else b"[7]"


def texts(text: str) -> Callable[[bytes], bytes]:
    """The same shape and the same types, and every text is this one."""

    def replaced(value: Any) -> Any:
        match value:
            case dict():
                return {name: replaced(inner) for name, inner in value.items()}
            case list():
                return [replaced(inner) for inner in value]
            case str():
                return text
            case _:
                return value

    return lambda content: json.dumps(replaced(json.loads(content or b"null"))).encode()


DEEP = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
HUGE = b'"' + b"x" * http.ANSWER_BYTES_MAX + b'"'
HTML = b"<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"

LOST = Fault("lost answer", raises(httpx2.RemoteProtocolError), acts=True)
FAULTS = (
    Fault("no connection", raises(httpx2.ConnectError)),
    Fault("timeout", never, slow=True),
    Fault("reset midway", reset_midway, acts=True),
    Fault("one byte a second", drip, acts=True, slow=True),
    *(
        Fault(str(status), says(status, b'{"error":"arranged"}'), refuses=True)
        for status in (400, 401, 403, 404, 409, 422)
    ),
    *(Fault(str(status), says(status, b'{"error":"arranged"}')) for status in (429, 500, 503)),
    Fault("truncated", garbles(lambda content: content[:-1]), acts=True),
    Fault("HTML", says(200, HTML, **{"Content-Type": "text/html"})),
    Fault("empty", says(200, b"")),
    Fault("null", says(200, b"null")),
    Fault("array", says(200, b"[]")),
    Fault("object", says(200, b"{}")),
    Fault("wrong types", garbles(mistyped), acts=True),
    Fault("control characters", garbles(texts("\x00\r\n")), acts=True, lies=True),
    Fault("long texts", garbles(texts("x" * 70_000)), acts=True, lies=True),
    Fault("paths for texts", garbles(texts("../..//?#%00")), acts=True, lies=True),
    Fault("deep", says(200, DEEP)),
    Fault("huge", says(200, HUGE)),
    Fault("redirect", says(302, b"", Location="https://elsewhere.test/")),
    LOST,
    Fault("answer never comes", never, acts=True, slow=True),
    Fault("500 after acting", says(500, b'{"error":"arranged"}'), acts=True),
)


# ── the wire ──────────────────────────────────────────────────────────────────────────────────


class Wire(httpx2.AsyncBaseTransport):
    """One partner's transport. `calls` are those since it was armed, `gave` the grants among them.

    `gives` tells the one call with which the partner gives a grant that it never gives again.
    """

    def __init__(self, partner_http: Any) -> None:
        self._http = partner_http
        self._client = partner_http._client
        self._inner = self._client._transport
        self._client._transport = self
        self._host = httpx2.URL(str(self._client.base_url)).host
        self._acting: list[asyncio.Task[Real]] = []
        self.fault: Fault | None = None
        self.arm(None, -1, None)

    def arm(self, fault: Fault | None, at: int, gives: str | None) -> None:
        self.calls: list[str] = []
        self.strays: list[str] = []
        self.gave = 0
        self._gives = gives
        self._again(fault, at)

    def _again(self, fault: Fault | None, at: int) -> None:
        self.fault, self._at, self._seen, self.struck = fault, at, 0, False
        self._pace()

    async def rearm(self, fault: Fault | None, at: int = 0) -> None:
        """Another fault, or none, for what comes next; what was counted stays."""
        await asyncio.gather(*self._acting)
        self._acting.clear()
        self._again(fault, at)

    def _pace(self) -> None:
        """A deadline is read when a call begins, so it is set before the one that will not end."""
        now = self.fault is not None and self.fault.slow and self._seen == self._at
        self._http._deadline_s = SHORT_S if now else http.DEADLINE_S

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        here, self._seen = self._seen, self._seen + 1
        self.calls.append(f"{request.method} {request.url.path}")
        if request.url.host != self._host:
            self.strays.append(request.url.host)
        self._pace()
        if self.fault is None or here != self._at:
            return (await self._ask(request)).passed_on()
        self.struck = True
        if not self.fault.acts:
            return await self.fault.strike(request, Real(0, b""))
        # A task of its own: who stops waiting for the answer does not stop the partner.
        acting = asyncio.create_task(self._ask(request))
        self._acting.append(acting)
        return await self.fault.strike(request, await asyncio.shield(acting))

    async def _ask(self, request: httpx2.Request) -> Real:
        answer = await self._inner.handle_async_request(request)
        content = await answer.aread()
        if self._gives and request.url.path.endswith(self._gives) and answer.is_success:
            self.gave += 1
        return Real(answer.status_code, content, answer.headers)


# ── the world it all happens in ───────────────────────────────────────────────────────────────


@dataclass
class World:
    """A gateway whose connectors speak through wires, and a client of it.

    `shouts`: what must never be logged, and what the event loop had to say.
    """

    gateway: InProcess
    wires: dict[str, Wire]
    shouts: list[str]
    api: Api = field(init=False)
    _signed_in_at: int = 0

    async def sign_in(self) -> Api:
        """The client, with an access token that is not about to expire."""
        now_ms = self.gateway.clock.now_ms()
        if now_ms - self._signed_in_at > 20 * MINUTE_MS:
            await self.api.sign_in(self.api.made["client_id"], self.api.made["client_secret"])
            self._signed_in_at = now_ms
        return self.api

    def connector(self, key: str) -> Any:
        """A partner's connector, without the guard around it."""
        partner: Any = self.gateway.core.partners.by_key(key)
        return partner._connector

    async def kept(self, customer: str) -> Kept:
        """What the store holds of a customer, named by his address."""
        row = await self.gateway.core.db.one(_KEPT, customer=customer.rpartition("/")[2])
        return Kept(*(row or ()))


@dataclass(frozen=True)
class Kept:
    """Rows of a customer; from `calling` to `orphan` those of his intents.

    - `blamed`: exchanges that want something of the person, or are no more; `removed` are the last.
    - `held`: idempotency keys, of whomever, that were taken and have no answer.
    """

    exchanges: int
    sources: int
    sessions: int
    calling: int
    granted: int
    recorded: int
    failed: int
    orphan: int
    blamed: int
    removed: int
    held: int

    @property
    def open(self) -> int:
        return self.calling + self.granted

    @property
    def intents(self) -> int:
        return self.open + self.recorded + self.failed + self.orphan


def _counted(table: str, where: str = "1 = 1") -> str:
    return f"(SELECT count(*) FROM {table} WHERE customer_id = :customer AND {where})"


_STATES = ("calling", "granted", "recorded", "failed", "orphan")
_KEPT = Statement(
    "SELECT "
    + ", ".join(
        (
            *map(_counted, ("exchange", "funding_source", "exchange_session")),
            *(_counted("exchange_intent", f"state = '{state}'") for state in _STATES),
            _counted("exchange", "(status <> 'active' OR cause = 'person')"),
            _counted("exchange", "status = 'removed'"),
            "(SELECT count(*) FROM idempotency WHERE reply_sealed IS NULL)",
        )
    )
)

UNEXPECTED = ("unexpected", "store failed", "reconcile failed", "resume failed")


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """What was logged of errors that nobody handled, as it comes."""
    shouts: list[str] = []

    class Lines(list[Any]):
        def append(self, line: Any) -> None:
            if line.get("event") in UNEXPECTED:
                shouts.append(f"{line['event']}: {line.get('error')} at {line.get('where')}")

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: shouts.append(context["message"]))
    capture = structlog.testing.LogCapture()
    capture.entries = Lines()
    processors = structlog.get_config()["processors"]
    before = list(processors)
    # In place: loggers that were used before hold this very list.
    processors[:] = [capture]
    try:
        yield shouts
    finally:
        processors[:] = before
        loop.set_exception_handler(None)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """No reconciling and no notices: every call to a partner belongs to the cell at hand."""

    async def reconcile(_core: Any) -> None:
        return

    def post(_poster: Any, *_notice: Any) -> None:
        return

    with (
        mock.patch("tallystick.server.process.keep_reconciling", reconcile),
        mock.patch("tallystick.sandbox.host.Poster.__call__", post),
    ):
        yield


@contextlib.asynccontextmanager
async def world(folder: Path, url: str) -> AsyncIterator[World]:
    opted = {each.key: True for each in registry.manifests() if each.opt_in}
    with alone(), listening() as shouts:
        async with in_process(folder, url, compat=opted) as gateway:
            partners: Any = gateway.core.partners
            wires = {
                partner.manifest.key: Wire(partner_http)
                for partner, partner_http in zip(partners.all(), partners._https, strict=True)
            }
            made = World(gateway, wires, shouts)
            made.api = await gateway.application(redirect_urls=[BACK])
            made._signed_in_at = gateway.clock.now_ms()
            yield made
