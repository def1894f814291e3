"""Flinks' API, its data sharing and Flinks Connect, over one shelf of documents.

Sources: Flinks' API reference and guides, the OpenAPI documents of Authorize and Connect, and
Dwolla's integration example for the order in which an integrator calls.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from tallystick.partners.flinks.simulator.banking import Banking
from tallystick.partners.flinks.simulator.connect import Connect
from tallystick.partners.flinks.simulator.control import Control
from tallystick.partners.flinks.simulator.errors import Refusal, answer_refusal, render
from tallystick.partners.flinks.simulator.sharing import Sharing
from tallystick.partners.flinks.simulator.state import State
from tallystick.sandbox.kit import Kit


def create(kit: Kit) -> Starlette:
    """The simulator, to be mounted at `kit.prefix`."""
    state = State(kit)
    parts = (Banking(state), Sharing(state), Connect(state), Control(state))
    return Starlette(
        routes=[route for part in parts for route in part.routes()],
        exception_handlers={Refusal: answer_refusal, HTTPException: _answer_http},
    )


def _answer_http(_request: Request, error: Exception) -> JSONResponse:
    """No such path or method: said in Flinks' shape."""
    if not isinstance(error, HTTPException):
        raise error
    return render(Refusal(error.status_code, "NOT_FOUND", str(error.detail)))
