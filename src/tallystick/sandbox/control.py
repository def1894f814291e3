"""`/_tallystick/control/`: what a test does to the sandbox. JSON, loopback only, absent in live.

It knows neither the store nor the API; what it does to the gateway is handed to it as `Ports`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from tallystick.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, VirtualClock, from_iso, to_iso
from tallystick.errors import TallystickError
from tallystick.sandbox.kit import read_json

PREFIX = "/_tallystick/control"

_UNITS = {"seconds": SECOND_MS, "minutes": MINUTE_MS, "hours": HOUR_MS, "days": DAY_MS}

Json = dict[str, Any]


@dataclass(frozen=True)
class Ports:
    """The gateway's side of the controls.

    - `create_application(body)` and `change_application(id, body)` answer with JSON.
    - `provider_session(session_id)` is the partner's key and the token or address it gave.
    """

    create_application: Callable[[Json], Awaitable[Json]]
    change_application: Callable[[str, Json], Awaitable[Json]]
    list_applications: Callable[[], Awaitable[Json]]
    provider_session: Callable[[str], Awaitable[tuple[str, str]]]


class Control:
    """The endpoints. Every answer is JSON; what is wrong with a call is told as `{"error": …}`."""

    def __init__(
        self, ports: Ports, clock: VirtualClock, simulators: Mapping[str, Starlette]
    ) -> None:
        self._ports = ports
        self._clock = clock
        self._simulators = simulators

    def app(self) -> Starlette:
        routes = [
            Route("/clock", self._guarded(self._show_clock), methods=["GET"]),
            Route("/clock/{verb}", self._guarded(self._move_clock), methods=["POST"]),
            Route("/applications", self._guarded(self._list_applications), methods=["GET"]),
            Route("/applications", self._guarded(self._create_application), methods=["POST"]),
            Route("/applications/{id}", self._guarded(self._change_application), methods=["POST"]),
            Route("/sessions/{id}/complete", self._guarded(self._complete), methods=["POST"]),
        ]
        return Starlette(routes=[Mount(PREFIX, routes=routes)])

    def _guarded(
        self, endpoint: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if not _is_loopback(request):
                return _refuse(403, "the control API answers only this machine")
            try:
                return await endpoint(request)
            except TallystickError as error:
                return _refuse(getattr(error, "status", 400), str(error))
            except (ValueError, KeyError, TypeError) as error:
                return _refuse(400, f"{type(error).__name__}: {error}")

        return guarded

    async def _show_clock(self, _request: Request) -> Response:
        return JSONResponse({"now": to_iso(self._clock.now_ms()), "frozen": self._clock.frozen})

    async def _move_clock(self, request: Request) -> Response:
        body = await _body(request)
        match request.path_params["verb"]:
            case "freeze":
                self._clock.freeze()
            case "resume":
                self._clock.resume()
            case "set":
                self._clock.set(from_iso(body["to"]))
            case "advance":
                unknown = set(body) - set(_UNITS)
                if unknown or not body:
                    raise ValueError(f"say how far: one of {', '.join(_UNITS)}")
                self._clock.advance(sum(round(n * _UNITS[unit]) for unit, n in body.items()))
            case verb:
                return _refuse(404, f"the clock cannot {verb}")
        return await self._show_clock(request)

    async def _list_applications(self, _request: Request) -> Response:
        return JSONResponse(await self._ports.list_applications())

    async def _create_application(self, request: Request) -> Response:
        return JSONResponse(await self._ports.create_application(await _body(request)), 201)

    async def _change_application(self, request: Request) -> Response:
        app_id = request.path_params["id"]
        return JSONResponse(await self._ports.change_application(app_id, await _body(request)))

    async def _complete(self, request: Request) -> Response:
        """Finish a session's connect page without a browser; the simulator answers."""
        body = await _body(request)
        key, handle = await self._ports.provider_session(request.path_params["id"])
        if key not in self._simulators:
            return _refuse(400, f"there is no simulator of {key}")
        transport = httpx2.ASGITransport(app=self._simulators[key])
        base = f"{request.url.scheme}://{request.url.netloc}"
        async with httpx2.AsyncClient(transport=transport, base_url=base) as client:
            answer = await client.post("/_control/complete", json={**body, "handle": handle})
        return Response(answer.content, answer.status_code, media_type="application/json")


async def _body(request: Request) -> Json:
    body = await read_json(request)
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise ValueError("send a JSON object")  # noqa: TRY004  # it is the caller's value
    return body


def _refuse(status: int, error: str) -> Response:
    return JSONResponse({"error": error}, status)


def _is_loopback(request: Request) -> bool:
    host = request.client.host if request.client else ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
