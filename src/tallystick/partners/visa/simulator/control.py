"""What Tink does not have: finish a visit without a browser, break a consent, start over."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.partners.visa.simulator.errors import bad_request, not_found
from tallystick.partners.visa.simulator.fixtures import GOOD_PASSWORD, GOOD_USER, PROVIDERS
from tallystick.partners.visa.simulator.gate import read_object, text
from tallystick.partners.visa.simulator.journey import Journey
from tallystick.partners.visa.simulator.state import Document, State
from tallystick.sandbox.kit import strange_member

_MEMBERS = ("handle", "user", "password", "institution", "accounts", "consent")
_CONNECT, _RENEW = "/1.0/account-check/connect", "/1.0/account-check/update-consent"


class Control:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/_control/complete", self.complete, methods=["POST"]),
            Route("/_control/credentials/{credentials}/degrade", self.degrade, methods=["POST"]),
            Route("/_control/reset", self.reset, methods=["POST"]),
        ]

    async def complete(self, request: Request) -> Response:
        """Walk Tink Link as a person would; the answer says where the browser goes in the end.

        `handle` is the Link address; `user`, `password`, `institution`, `accounts` (a kind, a name
        or last digits; one of them) and `consent` (false is to cancel) are optional.
        """
        body = await read_object(request)
        if said := strange_member(body, *_MEMBERS):
            raise bad_request(said)
        journey = self._open(text(body, "handle"))
        if journey.step == "bank":
            journey.pick_bank(text(body, "institution", PROVIDERS[0].name))
        journey.log_in(text(body, "user", GOOD_USER), text(body, "password", GOOD_PASSWORD))
        if journey.step == "accounts":
            journey.choose(_choose(journey.visit["accounts"], body.get("accounts")))
        if journey.step == "failed":
            journey.give_up()
        elif body.get("consent") is False:
            journey.cancel()
        else:
            journey.consent()
        return JSONResponse({"redirectUrl": journey.return_address()})

    def _open(self, handle: str) -> Journey:
        try:
            parts = urlsplit(handle)
        except ValueError:
            raise bad_request("handle is no address.") from None
        renews = parts.path.endswith(_RENEW)
        if not renews and not parts.path.endswith(_CONNECT):
            raise bad_request("handle is no address of Tink Link.")
        return Journey.begin(self._state, dict(parse_qsl(parts.query)), renews=renews)

    async def degrade(self, request: Request) -> Response:
        """Give credentials a status, as if a refresh had ended so; the webhooks are told."""
        body = await read_object(request)
        found = self._state.shelf.get("credentials", request.path_params["credentials"])
        if found is None:
            raise not_found("The credentials")
        changed = self._state.change(found, text(body, "status"))
        return JSONResponse({"credentialsId": changed["id"], "status": changed["status"]})

    async def reset(self, _request: Request) -> Response:
        self._state.shelf.clear()
        return Response(status_code=204)


def _choose(accounts: list[Document], wanted: Any) -> str:
    """The id of the account that `wanted` names; the first one if it is absent."""
    if wanted is None:
        return str(accounts[0]["id"])
    if not isinstance(wanted, list) or len(wanted) != 1:
        raise bad_request("accounts is not a list of one account.")
    for account in accounts:
        if wanted[0] in (account["kind"], account["name"], account["number"][-4:]):
            return str(account["id"])
    raise bad_request("There is no such account.")
