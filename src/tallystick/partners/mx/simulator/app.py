"""MX's Platform API, processor calls and Connect page, over one shelf of documents.

Sources: the OpenAPI documents of versions 20111101 and 20250224, MX's public guides, and for the
page the message definitions 1.4 of `@mxenabled/widget-post-message-definitions`.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from tallystick.partners.mx.simulator.connect import Connect
from tallystick.partners.mx.simulator.control import Control
from tallystick.partners.mx.simulator.errors import Refusal, answer_refusal, render
from tallystick.partners.mx.simulator.members import Members
from tallystick.partners.mx.simulator.oauth import Consents
from tallystick.partners.mx.simulator.processor import Processor
from tallystick.partners.mx.simulator.state import State
from tallystick.partners.mx.simulator.users import Users
from tallystick.partners.mx.simulator.widgets import Widgets
from tallystick.sandbox.kit import Kit


def create(kit: Kit) -> Starlette:
    """The simulator, to be mounted at `kit.prefix`."""
    state = State(kit)
    widgets, consents = Widgets(state), Consents(state)
    parts = (
        Users(state, widgets),
        Members(state, consents),
        Processor(state),
        consents,
        Connect(state, widgets, consents),
        Control(state, widgets, consents),
    )
    return Starlette(
        routes=[route for part in parts for route in part.routes()],
        exception_handlers={Refusal: answer_refusal, HTTPException: _answer_http},
    )


def _answer_http(_request: Request, error: Exception) -> JSONResponse:
    """No such path or method: said in MX's shape."""
    if not isinstance(error, HTTPException):
        raise error
    return render(Refusal(error.status_code, str(error.detail)))
