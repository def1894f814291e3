"""The HTTP API of Acme. REPLACE: paths, headers and bodies, from its reference."""

from __future__ import annotations

import hmac
import re
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.clock import to_iso
from tallystick.partners.acme.simulator.connect import Connect, read_object, text
from tallystick.partners.acme.simulator.errors import Refusal, answer_refusal
from tallystick.partners.acme.simulator.state import Document, State
from tallystick.sandbox.kit import Kit

# A person is sent there: an address that would run as a script is none.
_WEB = re.compile(r"https?://[!-~]{1,2000}", re.ASCII)


def create(kit: Kit) -> Starlette:
    """The simulator, to be mounted at `kit.prefix`."""
    state = State(kit)
    api = Api(state)
    return Starlette(
        routes=[
            Route("/link-sessions", api.start, methods=["POST"]),
            Route("/tokens", api.redeem, methods=["POST"]),
            Route("/accounts", api.list_accounts, methods=["GET"]),
            Route("/accounts/{id}/balance", api.read_balance, methods=["GET"]),
            Route("/connection", api.revoke, methods=["DELETE"]),
            *Connect(state).routes(),
        ],
        exception_handlers={Refusal: answer_refusal},
    )


class Api:
    def __init__(self, state: State) -> None:
        self._state = state

    async def start(self, request: Request) -> Response:
        self._check_client(request)
        asked = await read_object(request)
        for name in {"user", "redirectUrl", "notifyUrl", "connectionId"} & {"user", *asked}:
            if not _WEB.fullmatch(text(asked, name)) and name.endswith("Url"):
                raise Refusal(400, "REQUEST_INVALID")
        session = self._state.start(asked)
        shown = {
            "id": session["id"][:20],
            "url": f"{self._state.kit.base_url(request)}/link/{session['id']}",
            "expiresAt": to_iso(session["expires_at"]),
        }
        return JSONResponse(shown, 201)

    async def redeem(self, request: Request) -> Response:
        self._check_client(request)
        connection = self._state.redeem(text(await read_object(request), "code"))
        token, user = connection["access_token"], connection["user"]
        shown = {"accessToken": token, "connectionId": connection["id"], "user": user}
        return JSONResponse(shown)

    async def list_accounts(self, request: Request) -> Response:
        connection = self._open(request)
        accounts = [
            {
                "id": account_id,
                "name": each.name,
                "type": each.kind.upper(),
                "accountNumber": each.number,
                "routingNumber": each.routing,
            }
            for account_id, each in self._state.accounts(connection).items()
        ]
        shown = {"connectionId": connection["id"], "institution": "Acme Bank", "accounts": accounts}
        return JSONResponse(shown)

    async def read_balance(self, request: Request) -> Response:
        account_id = request.path_params["id"]
        found = self._state.accounts(self._open(request)).get(account_id)
        if found is None:
            raise Refusal(404, "ACCOUNT_UNKNOWN")
        shown: dict[str, Any] = {
            "accountId": account_id,
            "current": _dollars(found.current_cents),
            "available": _dollars(found.available_cents),
            "currency": "USD",
            "asOf": to_iso(self._state.kit.clock.now_ms()),
        }
        return JSONResponse(shown)

    async def revoke(self, request: Request) -> Response:
        self._state.change(self._open(request)["id"], "REVOKED")
        return Response(status_code=204)

    def _check_client(self, request: Request) -> None:
        given = f"{request.headers.get('x-client-id')}:{request.headers.get('x-client-secret')}"
        if not hmac.compare_digest(given.encode(), ":".join(self._state.kit.credentials).encode()):
            raise Refusal(401, "CLIENT_UNKNOWN")

    def _open(self, request: Request) -> Document:
        self._check_client(request)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self._state.opened(token if scheme == "Bearer" else "")


def _dollars(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
