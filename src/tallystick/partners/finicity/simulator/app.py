"""Mastercard's Open Banking API in the US, and its Connect page, over one shelf of documents.

Sources: Mastercard's OpenAPI document 1.42.0 for the wire, its pages on test profiles, errors,
aggregation status codes, partner-linked access and webhooks for what happens, and for the page the
public sources of `connect-web-sdk`.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from tallystick.partners.finicity.simulator.access import Access
from tallystick.partners.finicity.simulator.accounts import Accounts
from tallystick.partners.finicity.simulator.connect import Connect
from tallystick.partners.finicity.simulator.control import Control
from tallystick.partners.finicity.simulator.customers import Customers
from tallystick.partners.finicity.simulator.errors import Refusal, answer_refusal, render
from tallystick.partners.finicity.simulator.gate import Gate
from tallystick.partners.finicity.simulator.sessions import Sessions
from tallystick.partners.finicity.simulator.state import State
from tallystick.sandbox.kit import Kit


def create(kit: Kit) -> Starlette:
    """The simulator, to be mounted at `kit.prefix`."""
    state, gate = State(kit), Gate(kit)
    access, sessions = Access(state, gate), Sessions(state, gate)
    parts = (
        gate,
        Customers(state, gate),
        Accounts(state, gate, access),
        access,
        sessions,
        Connect(state, sessions),
        Control(state, sessions),
    )
    return Starlette(
        routes=[route for part in parts for route in part.routes()],
        exception_handlers={Refusal: answer_refusal, HTTPException: _answer_http},
    )


def _answer_http(_request: Request, error: Exception) -> JSONResponse:
    """No such path or method: said in Mastercard's shape."""
    if not isinstance(error, HTTPException):
        raise error
    return render(Refusal(error.status_code, "14001", str(error.detail)))
