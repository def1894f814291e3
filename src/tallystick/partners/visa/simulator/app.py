"""Tink's API and Tink Link, over one shelf of documents.

Sources: Tink's public documentation and Postman collections (Europe and US), the published test
users; where they are silent or differ, docs/partners/visa.md says how we read them.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallystick.ids import Entropy
from tallystick.partners.visa.simulator.control import Control
from tallystick.partners.visa.simulator.data import Data
from tallystick.partners.visa.simulator.endpoints import Endpoints
from tallystick.partners.visa.simulator.errors import Refusal, answer_refusal
from tallystick.partners.visa.simulator.oauth import OAuth
from tallystick.partners.visa.simulator.state import State
from tallystick.partners.visa.simulator.visits import Visits
from tallystick.sandbox.kit import Kit


def create(kit: Kit) -> Starlette:
    """The simulator, to be mounted at `kit.prefix`."""
    state = State(kit)
    parts = (OAuth(state), Data(state), Endpoints(state), Visits(state), Control(state))
    return Starlette(
        routes=[route for part in parts for route in part.routes()],
        exception_handlers={Refusal: answer_refusal, HTTPException: _answer_http},
        middleware=[Middleware(RequestIds, entropy=kit.entropy)],
    )


class RequestIds:
    """ASGI: every answer has an `X-Tink-Request-Id`."""

    def __init__(self, app: ASGIApp, entropy: Entropy) -> None:
        self._app = app
        self._entropy = entropy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = self._entropy.bytes(16).hex().encode()

        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", []), (b"x-tink-request-id", request_id)]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, mark)


def _answer_http(request: Request, error: Exception) -> JSONResponse:
    """No such path or method: said in Tink's shape."""
    if not isinstance(error, HTTPException):
        raise error
    code = "resource.not_found" if error.status_code == 404 else "request.invalid"
    return answer_refusal(request, Refusal(error.status_code, code, str(error.detail)))
