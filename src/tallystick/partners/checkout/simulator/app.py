"""Checkout.com's payment sessions, payments and stored cards, and Flow, over one shelf.

Sources: Checkout.com's API reference and documentation as collected in docs/partners/checkout.md,
its SDKs for Python and Java, the types of `@checkout.com/checkout-web-components` 1.13.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
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

# Takes the request and the members of its path, gives status and body, or raises Refusal.
Endpoint = Callable[[Request, str], Awaitable[tuple[int, Any]]]

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

    async def create_session(request: Request, _id: str) -> tuple[int, Any]:
        return 201, sessions.create(await _from_server(request), kit.base_url(request))

    async def create_token(request: Request, _id: str) -> tuple[int, Any]:
        return 201, payments.create_token(await read_object(request))

    async def pay(request: Request, session_id: str) -> tuple[int, Any]:
        return 201, payments.pay(session_id, await read_object(request))

    async def show_payment(request: Request, payment_id: str) -> tuple[int, Any]:
        return 200, payments.show(payment_id, kit.base_url(request))

    async def show_actions(_request: Request, payment_id: str) -> tuple[int, Any]:
        return 200, payments.show_actions(payment_id)

    async def create_instrument(request: Request, _id: str) -> tuple[int, Any]:
        return 201, instruments.create(await _from_server(request))

    async def show_instrument(_request: Request, instrument_id: str) -> tuple[int, Any]:
        return 200, instruments.show(instrument_id)

    async def change_instrument(request: Request, instrument_id: str) -> tuple[int, Any]:
        return 200, instruments.change(instrument_id, await _from_server(request))

    async def delete_instrument(_request: Request, instrument_id: str) -> tuple[int, Any]:
        instruments.delete(instrument_id)
        return 204, None

    async def describe(request: Request, _id: str) -> tuple[int, Any]:
        return 200, instruments.describe(await _from_server(request))

    async def create_workflow(request: Request, _id: str) -> tuple[int, Any]:
        return 201, workflows.create(await _from_server(request))

    async def list_workflows(_request: Request, _id: str) -> tuple[int, Any]:
        return 200, workflows.list()

    async def delete_workflow(_request: Request, workflow_id: str) -> tuple[int, Any]:
        workflows.delete(workflow_id)
        return 204, None

    secret: list[tuple[str, str, Endpoint]] = [
        ("POST", "/payment-sessions", create_session),
        ("GET", "/payments/{id}", show_payment),
        ("GET", "/payments/{id}/actions", show_actions),
        ("POST", "/instruments", create_instrument),
        ("GET", "/instruments/{id}", show_instrument),
        ("PATCH", "/instruments/{id}", change_instrument),
        ("DELETE", "/instruments/{id}", delete_instrument),
        ("POST", "/metadata/card", describe),
        ("POST", "/workflows", create_workflow),
        ("GET", "/workflows", list_workflows),
        ("DELETE", "/workflows/{id}", delete_workflow),
    ]
    public: list[tuple[str, str, Endpoint]] = [
        ("POST", "/tokens", create_token),
        ("POST", "/payment-sessions/{id}/pay", pay),
    ]
    return [
        Route(path, _guarded(kit, check, endpoint), methods=[method])
        for check, listed in ((check_secret_key, secret), (check_public_key, public))
        for method, path, endpoint in listed
    ]


async def _from_server(request: Request) -> dict[str, Any]:
    body = await read_object(request)
    refuse_card_numbers(body)
    return body


def _guarded(
    kit: Kit, check: Callable[[Kit, Request], None], endpoint: Endpoint
) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        check(kit, request)
        status, body = await endpoint(request, request.path_params.get("id", ""))
        return _answer(uuid4(kit.entropy), status, body)

    return guarded


def _answer(request_id: str, status: int, body: Any) -> Response:
    headers = {"Cko-Request-Id": request_id, "Cko-Version": _VERSION}
    if body is None:
        return Response(status_code=status, headers=headers)
    content = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Response(content, status, headers=headers, media_type=_MEDIA_TYPE)
