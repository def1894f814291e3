"""Checkout.com's payment sessions, payments and stored cards, and Flow, over one shelf.

Sources: Checkout.com's API reference and documentation as collected in docs/partners/checkout.md,
its SDKs for Python and Java, the types of `@checkout.com/checkout-web-components` 1.13.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallystick.ids import uuid4
from tallystick.partners.checkout.simulator.control import Control
from tallystick.partners.checkout.simulator.errors import Refusal
from tallystick.partners.checkout.simulator.flow import Flow
from tallystick.partners.checkout.simulator.gate import (
    Body,
    check_public_key,
    check_secret_key,
    read_object,
    refuse_card_numbers,
)
from tallystick.partners.checkout.simulator.instruments import Instruments
from tallystick.partners.checkout.simulator.payments import Payments
from tallystick.partners.checkout.simulator.sessions import Sessions
from tallystick.partners.checkout.simulator.state import State
from tallystick.partners.checkout.simulator.workflows import Workflows
from tallystick.sandbox.kit import Kit


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be answered: the id in its path, its JSON object, our own address."""

    id: str
    body: Body
    base_url: str


# Gives the body of the answer, None for an empty one, or raises Refusal.
Endpoint = Callable[[Call], Any]

_MEDIA_TYPE = "application/json; charset=utf-8"
_VERSION = "1.0.0-tallystick"


def create(kit: Kit) -> Starlette:
    """The simulator, to be mounted at `kit.prefix`."""
    state = State(kit)
    payments = Payments(state)

    async def refuse(_request: Request, error: Exception) -> Response:
        """A refusal, or no such path or method, as Checkout.com says it."""
        if isinstance(error, HTTPException):
            error = Refusal(error.status_code)
        if not isinstance(error, Refusal):
            raise error
        request_id = uuid4(kit.entropy)
        return _answer(request_id, error.status, error.body(request_id))

    return Starlette(
        routes=[
            *_routes(kit, state, payments),
            *Flow(state).routes(),
            *Control(state, payments).routes(),
        ],
        exception_handlers={Refusal: refuse, HTTPException: refuse},
    )


def _routes(kit: Kit, state: State, payments: Payments) -> list[Route]:
    sessions, instruments, workflows = Sessions(state), Instruments(state), Workflows(state)
    with_secret_key: list[tuple[str, str, int, Endpoint]] = [
        ("POST", "/payment-sessions", 201, lambda call: sessions.create(call.body, call.base_url)),
        ("GET", "/payments/{id}", 200, lambda call: payments.show(call.id, call.base_url)),
        ("GET", "/payments/{id}/actions", 200, lambda call: payments.show_actions(call.id)),
        ("POST", "/instruments", 201, lambda call: instruments.create(call.body)),
        ("GET", "/instruments/{id}", 200, lambda call: instruments.show(call.id)),
        ("PATCH", "/instruments/{id}", 200, lambda call: instruments.change(call.id, call.body)),
        ("DELETE", "/instruments/{id}", 204, lambda call: instruments.delete(call.id)),
        ("POST", "/metadata/card", 200, lambda call: instruments.describe(call.body)),
        ("POST", "/workflows", 201, lambda call: workflows.create(call.body)),
        ("GET", "/workflows", 200, lambda _call: workflows.list()),
        ("DELETE", "/workflows/{id}", 204, lambda call: workflows.delete(call.id)),
    ]
    with_public_key: list[tuple[str, str, int, Endpoint]] = [
        ("POST", "/tokens", 201, lambda call: payments.create_token(call.body)),
        ("POST", "/payment-sessions/{id}/pay", 201, lambda call: payments.pay(call.id, call.body)),
    ]

    async def check_server(request: Request) -> Body:
        check_secret_key(kit, request)
        body = await _read(request)
        refuse_card_numbers(body)
        return body

    async def check_page(request: Request) -> Body:
        check_public_key(kit, request)
        return await _read(request)

    return [
        Route(path, _guarded(kit, check, status, endpoint), methods=[method])
        for check, listed in ((check_server, with_secret_key), (check_page, with_public_key))
        for method, path, status, endpoint in listed
    ]


async def _read(request: Request) -> Body:
    return await read_object(request) if request.method in {"POST", "PATCH"} else {}


def _guarded(
    kit: Kit, check: Callable[[Request], Awaitable[Body]], status: int, endpoint: Endpoint
) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        body = await check(request)
        call = Call(request.path_params.get("id", ""), body, kit.base_url(request))
        return _answer(uuid4(kit.entropy), status, endpoint(call))

    return guarded


def _answer(request_id: str, status: int, body: Any) -> Response:
    headers = {"Cko-Request-Id": request_id, "Cko-Version": _VERSION}
    if body is None:
        return Response(status_code=status, headers=headers)
    content = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Response(content, status, headers=headers, media_type=_MEDIA_TYPE)
