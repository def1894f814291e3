"""`/_tallystick/control/`: what a test does to the sandbox. JSON, loopback only, absent in live.

It knows neither the store nor the API; what it does to the gateway is handed to it as `Ports`.
Every call is described in docs/reference/control.md.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from tallystick.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, from_iso, to_iso
from tallystick.errors import StoreFailed, TallystickError
from tallystick.sandbox import callers
from tallystick.sandbox.faults import METHODS
from tallystick.sandbox.reading import (
    Json,
    Members,
    Refused,
    of_a_partner,
    read_object,
    suggestion,
)
from tallystick.sandbox.world import World

PREFIX = "/_tallystick/control"

_UNITS = {"seconds": SECOND_MS, "minutes": MINUTE_MS, "hours": HOUR_MS, "days": DAY_MS}
# Ids and dates of four digits hold until here; one step is bounded so that sums stay in reach.
_YEAR_9000_MS = 221_845_392_000_000
_STEP_MAX = 10_000_000_000

SEED_MAX = 2**63 - 1

_NEW_APPLICATION = ("name", "client_id", "client_secret", "withheld", "redirect_urls")
_CHANGES = ("status", "account_status", "withheld", "redirect_urls")

# What an exchange can be brought into: `api/exchanges/health.py`.
STATES = ("require-reauth", "deactivate", "remove", "restore")

Endpoint = Callable[[Request], Awaitable[Response]]

# Where a clock that is moved far stops at most; then it jumps, and what is left is late.
STOPS_MAX = 10_000


async def _nothing() -> None:
    """What fell due where nothing can."""


async def _never() -> None:
    """When something is due where nothing ever is."""


@dataclass(frozen=True)
class Ports:
    """The gateway's side of the controls.

    - `create_application(body)` and `change_application(id, body)` answer with JSON.
    - `provider_session(session_id)` is the partner's key and the token or address it gave.
    - `drive_exchange(exchange_id, state)` brings it there and answers with JSON; so does
      `unverify_source(funding_source_id)`.
    - `settle` does for exchanges what is due by the clock, `drain` sends the webhooks that are;
      `next_due` is when the next of them is, in milliseconds since the epoch.
      Moving the clock waits for both.
    """

    create_application: Callable[[Json], Awaitable[Json]]
    change_application: Callable[[str, Json], Awaitable[Json]]
    list_applications: Callable[[], Awaitable[Json]]
    provider_session: Callable[[str], Awaitable[tuple[str, str]]]
    drive_exchange: Callable[[str, str], Awaitable[Json]]
    unverify_source: Callable[[str], Awaitable[Json]]
    settle: Callable[[], Awaitable[None]] = _nothing
    drain: Callable[[], Awaitable[None]] = _nothing
    next_due: Callable[[], Awaitable[int | None]] = _never


class Control:
    """The endpoints. Every answer is JSON; what is wrong with a call is told as `{"error": …}`.

    `names` are those that the gateway is called by, beside localhost.
    """

    def __init__(self, ports: Ports, world: World, names: Container[str] = ()) -> None:
        self._ports = ports
        self._own_names = names
        self._world = world
        self._clock = world.clock
        self._simulators = world.sandbox.simulators
        self._faults = world.faults
        self._requests = world.requests

    def app(self) -> Starlette:
        endpoints: list[tuple[str, str, Endpoint]] = [
            ("GET", "/clock", self._show_clock),
            ("POST", "/clock/{verb}", self._move_clock),
            ("GET", "/applications", self._list_applications),
            ("POST", "/applications", self._create_application),
            ("POST", "/applications/{id}", self._change_application),
            ("POST", "/sessions/{id}/complete", self._complete),
            ("POST", "/exchanges/{id}/{state}", self._drive_exchange),
            ("POST", "/funding-sources/{id}/unverify", self._unverify_source),
            ("GET", "/faults", self._list_faults),
            ("POST", "/faults", self._add_fault),
            ("DELETE", "/faults", self._clear_faults),
            ("DELETE", "/faults/{id}", self._remove_fault),
            ("GET", "/requests", self._list_requests),
            ("DELETE", "/requests", self._clear_requests),
            ("POST", "/reset", self._reset),
            ("GET", "/seed", self._show_seed),
            ("POST", "/seed", self._seed),
            ("GET", "/snapshots", self._list_snapshots),
            ("POST", "/snapshots", self._save),
            ("POST", "/snapshots/{name}/restore", self._restore),
            ("DELETE", "/snapshots/{name}", self._delete_snapshot),
        ]
        routes = [
            Route(path, self._guarded(endpoint), methods=[method])
            for method, path, endpoint in endpoints
        ]
        paths = {path.strip("/").split("/")[0] for _, path, _ in endpoints}
        unknown = self._guarded(_unknown(sorted(paths)))
        routes.append(Route("/{path:path}", unknown, methods=METHODS))
        return Starlette(routes=[Mount(PREFIX, routes=routes)])

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        """Answers only this machine, and tells what was wrong with a call."""

        async def guarded(request: Request) -> Response:
            if not _is_loopback(request):
                return _refuse(403, "the control API answers only this machine")
            if why := callers.why_not(request.headers, self._own_names):
                return _refuse(403, why)
            try:
                return await endpoint(request)
            except Refused as error:
                return _refuse(error.status, str(error))
            except StoreFailed as error:
                return _refuse(500, f"the database does not answer ({error})")
            except TallystickError as error:
                return _refuse(getattr(error, "status", 400), str(error))

        return guarded

    # ── clock ─────────────────────────────────────────────────────────────────────────────────

    async def _show_clock(self, _request: Request) -> Response:
        return JSONResponse({"now": to_iso(self._clock.now_ms()), "frozen": self._clock.frozen})

    async def _move_clock(self, request: Request) -> Response:
        verb, body = request.path_params["verb"], await read_object(request)
        match verb:
            case "freeze" | "resume":
                Members(body, ()).done()
                self._clock.freeze() if verb == "freeze" else self._clock.resume()
            case "set":
                await self._travel(read_time(body))
            case "advance":
                await self._travel(self._clock.now_ms() + self._step_ms(body))
            case _:
                known = ("freeze", "set", "advance", "resume")
                raise Refused(f"the clock cannot {verb}{suggestion(verb, known)}", status=404)
        return await self._show_clock(request)

    def _step_ms(self, body: Json) -> int:
        members = Members(body, _UNITS)
        given = {unit: members.number(unit, 0, _STEP_MAX) for unit in _UNITS}
        step_ms = sum(round((n or 0) * _UNITS[unit]) for unit, n in given.items())
        if not any(members.has(unit) for unit in _UNITS):
            members.wrong(f"say how far: one of {', '.join(_UNITS)}")
        if self._clock.now_ms() + step_ms > _YEAR_9000_MS:
            members.wrong("the clock ends with the year 8999")
        members.done()
        return step_ms

    async def _travel(self, to_ms: int) -> None:
        """Stop wherever a webhook is due on the way, so that each is sent at its own time.

        A receiver that fails then sees Dwolla's schedule to the second, however far the jump.
        """
        await self._ports.drain()
        for _ in range(STOPS_MAX):
            due_ms = await self._ports.next_due()
            if due_ms is None or due_ms >= to_ms:
                break
            self._clock.set(due_ms)
            await self._ports.drain()
        self._clock.set(to_ms)
        await self._settle()

    async def _settle(self) -> None:
        """Answer only when what fell due is done."""
        await self._ports.settle()
        await self._ports.drain()

    # ── applications, sessions, exchanges ─────────────────────────────────────────────────────

    async def _list_applications(self, _request: Request) -> Response:
        return JSONResponse(await self._ports.list_applications())

    async def _create_application(self, request: Request) -> Response:
        body = await read_object(request)
        members = Members(body, _NEW_APPLICATION)
        for name in ("name", "client_id", "client_secret"):
            members.text(name, chars_max=255)
        for name in ("withheld", "redirect_urls"):
            members.texts(name)
        members.done()
        return JSONResponse(await self._ports.create_application(_given(body)), 201)

    async def _change_application(self, request: Request) -> Response:
        body = await read_object(request)
        members = Members(body, _CHANGES)
        members.text("status", one_of=("active", "disabled"))
        members.text("account_status", one_of=("active", "suspended"))
        for name in ("withheld", "redirect_urls"):
            members.texts(name)
        members.done()
        app_id = await self._application(request.path_params["id"])
        return JSONResponse(await self._ports.change_application(app_id, _given(body)))

    async def _application(self, name: str) -> str:
        """The id of the application with this id or client id. Raises Refused."""
        found = (await self._names()).get(name)
        if found is None:
            raise Refused(f"there is no application {name!r}", status=404)
        return found

    async def _names(self) -> Mapping[str, str]:
        """What an application may be called by, its id or client id, to its id."""
        listed = (await self._ports.list_applications())["applications"]
        return {each[name]: each["id"] for each in listed for name in ("id", "client_id")}

    async def _complete(self, request: Request) -> Response:
        """Finish a session's connect page without a browser; the simulator answers."""
        body = await read_object(request)
        key, handle = await self._ports.provider_session(request.path_params["id"])
        if key not in self._simulators:
            return _refuse(400, f"there is no simulator of {key}")
        transport = httpx2.ASGITransport(app=self._simulators[key])
        base = f"{request.url.scheme}://{request.url.netloc}"
        async with httpx2.AsyncClient(transport=transport, base_url=base) as client:
            answer = await client.post("/_control/complete", json={**body, "handle": handle})
        if answer.is_success:
            return Response(answer.content, answer.status_code, media_type="application/json")
        return JSONResponse(of_a_partner(key, answer.content), answer.status_code)

    async def _drive_exchange(self, request: Request) -> Response:
        state = request.path_params["state"]
        if state not in STATES:
            raise Refused(f"an exchange cannot {state}{suggestion(state, STATES)}", status=404)
        Members(await read_object(request), ()).done()
        exchange_id = request.path_params["id"]
        return JSONResponse(await self._ports.drive_exchange(exchange_id, state))

    async def _unverify_source(self, request: Request) -> Response:
        Members(await read_object(request), ()).done()
        return JSONResponse(await self._ports.unverify_source(request.path_params["id"]))

    # ── faults and requests ───────────────────────────────────────────────────────────────────

    async def _list_faults(self, _request: Request) -> Response:
        return JSONResponse({"faults": self._faults.list_all()})

    async def _add_fault(self, request: Request) -> Response:
        made = self._faults.add(
            await read_object(request), partners=self._simulators, applications=await self._names()
        )
        return JSONResponse(made, 201)

    async def _clear_faults(self, _request: Request) -> Response:
        return JSONResponse({"removed": self._faults.clear()})

    async def _remove_fault(self, request: Request) -> Response:
        return JSONResponse(self._faults.remove(request.path_params["id"]))

    async def _list_requests(self, request: Request) -> Response:
        query = dict(request.query_params)
        members = Members(query, ("application",))
        name = members.text("application")
        members.done()
        app_id = None if name is None else await self._application(name)
        return JSONResponse({"requests": self._requests.list_all(app_id)})

    async def _clear_requests(self, _request: Request) -> Response:
        return JSONResponse({"removed": self._requests.clear()})

    # ── reset, seed, snapshots ────────────────────────────────────────────────────────────────

    async def _reset(self, request: Request) -> Response:
        started = time.perf_counter()
        members = Members(await read_object(request), ("application", "seed", "now"))
        name, seed = members.text("application"), members.whole("seed", 0, SEED_MAX)
        now_ms = time_of(members, "now", members.text("now"))
        if name is not None and (seed is not None or now_ms is not None):
            members.wrong("seed and now are for everything, not for one application")
        members.done()
        done: Json = {}
        if name is None:
            await self._world.reset(seed, now_ms)
        else:
            done["application"] = await self._application(name)
            await self._world.reset_application(done["application"])
        done |= {"seed": self._world.seed, "now": to_iso(self._clock.now_ms())}
        return JSONResponse({**done, "ms": round((time.perf_counter() - started) * 1_000, 2)})

    async def _show_seed(self, _request: Request) -> Response:
        return JSONResponse({"seed": self._world.seed})

    async def _seed(self, request: Request) -> Response:
        body = await read_object(request)
        members = Members(body, ("seed",))
        seed = members.whole("seed", 0, SEED_MAX)
        if "seed" not in body:
            members.wrong("seed is missing: a whole number, or null for real randomness")
        members.done()
        self._world.reseed(seed)
        return await self._show_seed(request)

    async def _list_snapshots(self, _request: Request) -> Response:
        return JSONResponse({"snapshots": self._world.snapshots.list_all()})

    async def _save(self, request: Request) -> Response:
        members = Members(await read_object(request), ("name",))
        name = members.text("name")
        if not members.has("name"):
            members.wrong("name is missing: what to call the snapshot")
        members.done()
        return JSONResponse(await self._world.save(name or ""), 201)

    async def _restore(self, request: Request) -> Response:
        return JSONResponse(await self._world.restore(request.path_params["name"]))

    async def _delete_snapshot(self, request: Request) -> Response:
        name = request.path_params["name"]
        self._world.snapshots.delete(name)
        return JSONResponse({"name": name})


def read_time(body: Json, name: str = "to") -> int:
    """A body's only member, a time, in milliseconds. Raises Refused."""
    members = Members(body, (name,))
    text = members.text(name)
    at_ms = time_of(members, name, text)
    if not members.has(name):
        members.wrong(f"{name} is missing: a time such as 2026-01-31T12:00:00.000Z")
    members.done()
    return at_ms or 0


def time_of(members: Members, name: str, text: str | None) -> int | None:
    """The time that `text` is, noted as wrong when it is none or out of reach."""
    if text is None:
        return None
    try:
        at_ms = from_iso(text)
    except (ValueError, OverflowError):
        members.wrong(f"{name} is a time with an offset such as 2026-01-31T12:00:00.000Z")
        return None
    if not 0 <= at_ms <= _YEAR_9000_MS:
        members.wrong(f"{name} is a time from 1970 to the year 8999")
        return None
    return at_ms


def _given(body: Json) -> Json:
    """A null means what an absent member means."""
    return {name: value for name, value in body.items() if value is not None}


def _unknown(paths: list[str]) -> Endpoint:
    async def refuse(request: Request) -> Response:
        path = request.path_params["path"]
        what = f"{request.method} {path}"
        if path.split("/")[0] in paths:
            raise Refused(f"there is no {what} here", status=404)
        raise Refused(f"there is no {what}{suggestion(path, paths)}", status=404)

    return refuse


def _refuse(status: int, error: str) -> Response:
    return JSONResponse({"error": error}, status)


def _is_loopback(request: Request) -> bool:
    host = request.client.host if request.client else ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
