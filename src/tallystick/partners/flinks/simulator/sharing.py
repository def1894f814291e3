"""Data sharing: an integrator lets a partner look at one account, and the partner looks.

The integrator's side is as Flinks documents it. Of the partner's side the path and the answer are;
that the AuthSecret comes as a bearer token is our reading, as is what a wrong pair is told.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.clock import to_iso
from tallystick.partners.flinks.simulator.errors import invalid_request
from tallystick.partners.flinks.simulator.gate import check_customer, check_secret, read_bearer
from tallystick.partners.flinks.simulator.state import State
from tallystick.partners.flinks.simulator.wire import (
    Parts,
    show_account,
    show_accounts,
    show_work,
)

_AT = "/v3/{customer}/partnerdata"
_NAME_CHARS_MAX = 100


class Sharing:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route(f"{_AT}/authsecret/disable/{{permission_id}}", self.disable),
            Route(f"{_AT}/authsecret/enable/{{permission_id}}", self.enable),
            Route(f"{_AT}/authsecret", self.admit_partner),
            Route(f"{_AT}/authsecret/{{partner}}", self.admit_partner),
            Route(f"{_AT}/{{login_id}}/{{account_id}}", self.share),
            Route("/partneraccess/{token}", self.look),
        ]

    def _enter(self, request: Request) -> str:
        """The customer who calls. Raises Refusal."""
        customer = check_customer(self._state.kit, request)
        check_secret(self._state.kit, read_bearer(request))
        return customer

    async def admit_partner(self, request: Request) -> Response:
        """A new AuthSecret; those made before go on working. Without a name it is PartnerTest."""
        customer = self._enter(request)
        name = request.path_params.get("partner", "PartnerTest")
        if len(name) > _NAME_CHARS_MAX:
            raise invalid_request("The name of the partner is too long.")
        partner = self._state.new_partner(name, customer)
        return JSONResponse(
            {
                "RequestId": self._state.new_id(),
                "PermissionId": partner["id"],
                "AuthSecret": partner["secret"],
                "Message": "Keep the PermissionId: it takes the access back.",
            }
        )

    async def disable(self, request: Request) -> Response:
        return self._switch(request, enabled=False)

    async def enable(self, request: Request) -> Response:
        return self._switch(request, enabled=True)

    def _switch(self, request: Request, *, enabled: bool) -> Response:
        self._enter(request)
        self._state.switch_partner(request.path_params["permission_id"], enabled=enabled)
        said = "The AuthSecret works." if enabled else "The AuthSecret is disabled."
        return JSONResponse({"RequestId": self._state.new_id(), "Message": said})

    async def share(self, request: Request) -> Response:
        self._enter(request)
        path = request.path_params
        token = self._state.share(path["login_id"], path["account_id"])
        return JSONResponse(
            {
                "RequestId": self._state.new_id(),
                "AccessToken": token["id"],
                "Date": to_iso(token["made_at"]),
                "ExpirationDate": to_iso(token["expires_at"]),
            }
        )

    async def look(self, request: Request) -> Response:
        """What a partner sees: the one account, as /GetAccountsDetail shows it."""
        partner = self._state.partner_with(read_bearer(request))
        token = self._state.access_token(request.path_params["token"])
        login = self._state.login(token["login_id"])
        request_id = self._state.new_id()
        work = self._state.work_of(login)
        if work is not None:
            return JSONResponse(show_work(request_id, work), 202)
        account = self._state.account(login["id"], token["account_id"])
        shown = show_account(account, Parts(), self._state.kit.clock.now_ms())
        detail = {
            "LoginId": login["id"],
            "CustomerId": partner["customer"],
            **show_accounts({"id": request_id, "tag": None}, login, [shown]),
        }
        return JSONResponse({"GetAccountsDetail": [detail], "RequestId": request_id})
