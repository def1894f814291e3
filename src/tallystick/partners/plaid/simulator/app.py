"""Plaid's API and Link, over one shelf of documents.

Sources: Plaid's OpenAPI document (2020-09-14) for the wire, its pages on errors, Sandbox
institutions, test credentials, webhooks and Link for what happens, and the types of
`react-plaid-link` 5 for what a page sees.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.partners.plaid.simulator.control import Control
from tallystick.partners.plaid.simulator.errors import Refusal
from tallystick.partners.plaid.simulator.fields import FIELDS
from tallystick.partners.plaid.simulator.gate import Body, check_fields, check_keys, read_object
from tallystick.partners.plaid.simulator.institutions import Institutions
from tallystick.partners.plaid.simulator.items import Items
from tallystick.partners.plaid.simulator.link import Link
from tallystick.partners.plaid.simulator.links import Links
from tallystick.partners.plaid.simulator.sandbox import Sandbox
from tallystick.partners.plaid.simulator.state import Document, State
from tallystick.sandbox.kit import Kit

# Takes a checked body and the request, gives the answer without its request id, or raises Refusal.
Endpoint = Callable[[Body, Request], Document]


def create(kit: Kit) -> Starlette:
    """The simulator, to be mounted at `kit.prefix`."""
    state = State(kit)
    routes = [
        Route(path, _guarded(state, path, endpoint), methods=["POST"])
        for path, endpoint in _endpoints(state).items()
    ]

    async def refuse(_request: Request, error: Exception) -> Response:
        """A refusal, or no such path or method, in Plaid's shape."""
        if isinstance(error, HTTPException):
            error = Refusal("NOT_FOUND")
        if not isinstance(error, Refusal):
            raise error
        return JSONResponse(error.body(state.new_request_id()), error.status)

    return Starlette(
        routes=[*routes, *Link(state).routes(), *Control(state).routes()],
        exception_handlers={Refusal: refuse, HTTPException: refuse},
    )


def _endpoints(state: State) -> dict[str, Endpoint]:
    links, items, sandbox = Links(state), Items(state), Sandbox(state)
    institutions = Institutions(state.kit.clock)

    def show_key(body: Body, _request: Request) -> Document:
        return {"key": state.notices.signer.public(body["key_id"])}

    return {
        "/link/token/create": links.create,
        "/link/token/get": links.get,
        "/item/public_token/exchange": items.exchange,
        "/item/public_token/create": items.create_public_token,
        "/item/get": items.get,
        "/item/remove": items.remove,
        "/item/access_token/invalidate": items.invalidate,
        "/item/webhook/update": items.update_webhook,
        "/processor/token/create": items.create_processor_token,
        "/processor/auth/get": items.processor_auth,
        "/processor/account/get": items.processor_account,
        "/processor/balance/get": items.processor_balance,
        "/processor/identity/get": items.processor_identity,
        "/auth/get": items.auth,
        "/accounts/get": items.accounts,
        "/accounts/balance/get": items.accounts,
        "/identity/get": items.identity,
        "/institutions/get": institutions.get,
        "/institutions/search": institutions.search,
        "/institutions/get_by_id": institutions.get_by_id,
        "/sandbox/public_token/create": sandbox.create_public_token,
        "/sandbox/processor_token/create": sandbox.create_processor_token,
        "/sandbox/item/reset_login": sandbox.reset_login,
        "/sandbox/item/fire_webhook": sandbox.fire_webhook,
        "/webhook_verification_key/get": show_key,
    }


def _guarded(
    state: State, path: str, endpoint: Endpoint
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        body = await read_object(request)
        check_keys(state.kit, request, body)
        found = endpoint(check_fields(body, FIELDS[path]), request)
        return JSONResponse({**found, "request_id": state.new_request_id()})

    return answer
