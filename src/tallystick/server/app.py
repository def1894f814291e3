"""The gateway as an ASGI application: the one place where its parts are put together.

It does not know what `mounts` are; the sandbox passes its simulators and controls that way, so that
a live process has no path to them (architecture 4.1).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

import structlog

from tallystick import api
from tallystick.api.token import service as tokens
from tallystick.api.token.routes import issue
from tallystick.body import parse
from tallystick.core import Core
from tallystick.errors import (
    ApiError,
    BadRequest,
    InvalidVersion,
    MethodNotAllowed,
    NotFound,
    ServerError,
    StoreFailed,
    UnsupportedMediaType,
)
from tallystick.hal.media import accepts, reads
from tallystick.ids import uuid4
from tallystick.server import intake, render
from tallystick.server.logs import AccessLine
from tallystick.server.routing import Table
from tallystick.store.idempotency import KEY_CHARS_MAX, Claim, Outcome, find
from tallystick.web import Reply, Request, Route

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_JSON = (b"content-type", b"application/json; charset=UTF-8")
_NO_STORE = (b"cache-control", b"no-store")
_WHO = b"authorization"

_log = structlog.get_logger("tallystick.server")


class Gateway:
    """Answers the API at the root, and hands paths under a mount's prefix to that mount.

    - `mounts`: prefix → ASGI application. Each sees the whole path, with the prefix as `root_path`.
    - `cors_origins`: origins that browsers may call from; `("*",)` is all of them.
    - `access`: is given a line for every call.
    """

    def __init__(
        self,
        core: Core,
        *,
        mounts: Mapping[str, App] | None = None,
        cors_origins: Sequence[str] = (),
        access: Callable[[AccessLine], None] = lambda _line: None,
    ) -> None:
        self.core = core
        self._access = access
        self._mounts = dict(mounts or {})
        self._table = Table([*api.routes(), *api.extras()])
        self._cors = frozenset(cors_origins)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            raise TypeError(f"cannot serve {scope['type']}")
        path: str = scope["path"]
        if path.startswith("/_"):
            for prefix, app in self._mounts.items():
                if path == prefix or path.startswith(f"{prefix}/"):
                    return app(scope, receive, send)
        return self._serve(scope, receive, send)

    # ── one call ──────────────────────────────────────────────────────────────────────────────

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        call = _Call(self.core, scope, receive)
        try:
            status, headers, body = await self._answer(call)
        except ApiError as error:
            status, headers, body = self._fail(call, error)
        except StoreFailed as error:
            _log.error("store failed", request_id=call.request_id, error=str(error))
            status, headers, body = self._fail(call, ServerError())
        except Exception as error:  # noqa: BLE001  # the last net: no traceback to a client
            _log.error("unexpected", request_id=call.request_id, **_where(error))
            status, headers, body = self._fail(call, ServerError())
        headers.append((b"content-length", b"%d" % len(body)))
        headers.append((b"x-request-id", call.request_id.encode()))
        if self._cors and b"origin" in call.headers:
            headers += self._cors_headers(call)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if call.head else body})
        line = AccessLine(
            call.request_id,
            call.app_id,
            scope["method"],
            call.route.path if call.route else None,
            status,
            # Two decimals; `round` would write the number out and read it again.
            int((time.perf_counter() - started) * 100_000) / 100,
            self.core.clock.now_ms(),
        )
        scope["tallystick.access"] = line  # for whoever stands around us
        self._access(line)

    def _fail(self, call: _Call, error: ApiError) -> tuple[int, render.Headers, bytes]:
        if call.is_token:  # the one endpoint whose clients look for `error`
            code = b"temporarily_unavailable" if error.status >= 500 else b"invalid_request"
            return error.status, [_JSON, _NO_STORE], b'{"error":"%s"}' % code
        return render.failure(error, call.route, call.links, self.core.codes, call.request_id)

    async def _answer(self, call: _Call) -> tuple[int, render.Headers, bytes]:
        if call.links.base == "":
            raise BadRequest("The Host header is missing or malformed.")
        if call.method == "OPTIONS":
            return 204, [], b""
        if call.is_token:
            if call.method != "POST":
                raise MethodNotAllowed
            raw = await intake.read_body(call.receive)
            kind, authorization = call.headers.text(b"content-type"), call.headers.text(_WHO)
            status, body = await issue(self.core, kind, authorization, raw)
            return status, [_JSON, _NO_STORE], body
        principal = await tokens.authenticate(self.core, call.headers.text(_WHO))
        call.app_id = principal.app_id
        if not accepts(call.headers.text(b"accept")):
            raise InvalidVersion
        route, resource_id = self._route(call)
        call.route = route
        request = Request(
            self.core,
            principal,
            call.request_id,
            call.links,
            call.path,
            resource_id,
            call.scope["query_string"],
        )
        if route.method == "POST":
            await self._read(call, request)
        if route.scope is not None and route.scope in principal.withheld:
            raise route.denied or NotFound
        key = call.headers.text(b"idempotency-key") if call.method == "POST" else None
        if key is None:
            return render.result(await route.handler(request), call.links)
        kept = await self._repeated(call, request, key)
        return render.result(kept or await self._handle(call, route, request, key), call.links)

    def _route(self, call: _Call) -> tuple[Route, str]:
        found, resource_id = self._table.find(call.path)
        if not found:
            raise NotFound
        route = found.get(call.method)
        if route is None:
            raise MethodNotAllowed
        return route, resource_id

    async def _read(self, call: _Call, request: Request) -> None:
        if not reads(call.headers.text(b"content-type")):
            raise UnsupportedMediaType
        if call.headers.get(b"content-encoding") not in (None, b"identity"):
            raise UnsupportedMediaType("Compressed request bodies are not supported.")
        request.body = parse(await intake.read_body(call.receive))

    async def _handle(
        self, call: _Call, route: Route, request: Request, key: str
    ) -> Reply | Outcome:
        """Who was overtaken by a request with the same key hears what that one heard."""
        try:
            return await route.handler(request)
        except ApiError:
            kept = None
            with contextlib.suppress(ApiError):  # nobody has answered yet: the key is ours, or busy
                kept = await self._repeated(call, request, key)
            if kept is None:
                raise
            return kept

    async def _repeated(self, call: _Call, request: Request, key: str) -> Outcome | None:
        """The kept answer when this is a repetition; else the key is claimed by the handler."""
        if not 0 < len(key) <= KEY_CHARS_MAX or not key.isascii() or not key.isprintable():
            raise BadRequest(f"Idempotency-Key must be 1 to {KEY_CHARS_MAX} printable characters.")
        request.claim = Claim.of(
            self.core.vault,
            request.principal.app_id,
            key,
            call.method,
            call.path,
            request.body,
        )
        return await find(self.core.db, self.core.vault, request.claim, self.core.clock.now_ms())

    def _cors_headers(self, call: _Call) -> render.Headers:
        origin = call.headers.text(b"origin") or ""
        headers = []
        if "*" in self._cors:
            allowed = b"*"
        else:
            headers.append((b"vary", b"origin"))  # or a cache gives one origin another's answer
            if origin not in self._cors:
                return headers
            allowed = origin.encode()
        headers += [
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", b"location, x-request-id"),
        ]
        if call.scope["method"] == "OPTIONS":
            headers += [
                (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
                (
                    b"access-control-allow-headers",
                    b"accept, authorization, content-type, idempotency-key",
                ),
                (b"access-control-max-age", b"600"),
            ]
        return headers


class _Call:
    """What is known of a call before anybody is authenticated."""

    __slots__ = (
        "app_id", "head", "headers", "is_token", "links", "method", "path", "receive",
        "request_id", "route", "scope",
    )  # fmt: skip

    def __init__(self, core: Core, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.request_id = uuid4(core.entropy)
        self.path: str = scope["path"]
        self.head = scope["method"] == "HEAD"
        self.method: str = "GET" if self.head else scope["method"]
        self.headers = intake.Headers.of(scope["headers"])
        host = self.headers.get(b"host", b"")
        self.links = intake.links(core.public_url, scope["scheme"], host)
        self.is_token = self.path == "/token"
        self.route: Route | None = None
        self.app_id: str | None = None


def _where(error: BaseException) -> dict[str, str]:
    """The kind and place of an error, without its message: messages quote values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    return {"error": type(error).__name__, "where": place.rpartition("tallystick/")[2]}
