"""What no partner has: finish a Connect page without a browser, break a member, start over."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.partners.mx.simulator.connect import Journey, find_institution
from tallystick.partners.mx.simulator.errors import Refusal, bad_request, not_found, unprocessable
from tallystick.partners.mx.simulator.fixtures import (
    HOLDINGS,
    TEST_USER,
    WAITS_FOR_ANSWER,
    describe,
)
from tallystick.partners.mx.simulator.gate import read_object
from tallystick.partners.mx.simulator.oauth import Consents
from tallystick.partners.mx.simulator.state import Document, State
from tallystick.partners.mx.simulator.widgets import Widgets, read_handle
from tallystick.sandbox.kit import strange_member

_MEMBERS = ("handle", "user", "password", "institution", "accounts", "mfa", "consent")


class Control:
    def __init__(self, state: State, widgets: Widgets, consents: Consents) -> None:
        self._state = state
        self._widgets = widgets
        self._consents = consents

    def routes(self) -> list[Route]:
        return [
            Route("/_control/complete", self.complete, methods=["POST"]),
            Route("/_control/reset", self.reset, methods=["POST"]),
            Route("/_control/members/{member}/degrade", self.degrade, methods=["POST"]),
        ]

    async def complete(self, request: Request) -> Response:
        """Walk the page as a person would, to its end or to where it would have stopped."""
        asked = await read_object(request)
        if said := strange_member(asked, *_MEMBERS):
            raise bad_request(said)
        widget = self._widgets.open(read_handle(asked.get("handle")), headless=True)
        journey = Journey(self._state, self._consents, widget)
        member = self._connect(journey, widget, asked)
        if member["connection_status"] != "CONNECTED":
            raise _fail(self._state, member)
        if journey.needs_choice(member):
            accounts = self._state.accounts(member["guid"])
            member = journey.choose(member, _choose(accounts, asked.get("accounts")))
        self._state.shelf.put("widget", widget["key"], {**widget, "headless": False})
        shared = [a["guid"] for a in self._state.accounts(member["guid"]) if a["has_numbers"]]
        body = {
            "memberGuid": member["guid"],
            "userGuid": journey.user_guid,
            "accountGuids": shared,
        }
        return JSONResponse(body)

    def _connect(self, journey: Journey, widget: Document, asked: dict[str, Any]) -> Document:
        repaired = journey.repaired
        code = asked.get("institution") or (
            repaired["institution_code"]
            if repaired
            else widget["settings"].get("current_institution_code", "mxbank")
        )
        institution = find_institution(code)
        if institution.oauth:
            member = journey.invite(institution)
            if asked.get("consent") is False:
                return self._state.refuse_consent(member)
            return journey.consent(member, _agree(asked.get("accounts")))
        username, password = asked.get("user", TEST_USER), asked.get("password", "any")
        member = journey.log_in(institution, str(username), str(password))
        answers = asked.get("mfa") or []
        if not isinstance(answers, list):
            raise bad_request("mfa is not a list.")
        for answer in answers:
            if member["connection_status"] in WAITS_FOR_ANSWER:
                member = journey.answer(member, str(answer))
        return member

    async def reset(self, _request: Request) -> Response:
        self._state.shelf.clear()
        return Response(status_code=204)

    async def degrade(self, request: Request) -> Response:
        member = self._state.shelf.get("member", request.path_params["member"])
        if member is None:
            raise not_found("The member")
        status = (await read_object(request)).get("connection_status")
        member = self._state.degrade(member, str(status))
        body = {"memberGuid": member["guid"], "connectionStatus": member["connection_status"]}
        return JSONResponse(body)


def _agree(wanted: object) -> list[str]:
    """The kinds of account to share on the bank's own page: those that `wanted` names, or all."""
    kinds: list[str] = [holding.kind for holding in HOLDINGS]
    named = [kind for kind in kinds if isinstance(wanted, list) and kind in wanted]
    return named or kinds


def _choose(accounts: list[Document], wanted: object) -> list[str]:
    """The accounts that `wanted` names, by guid, kind, name or last digits; all if it is absent."""
    if wanted is None:
        return [account["guid"] for account in accounts]
    if not isinstance(wanted, list) or not wanted:
        raise bad_request("accounts is not a list of accounts.")
    chosen = []
    for name in wanted:
        found = [
            account["guid"]
            for account in accounts
            if name in (account["guid"], account["kind"], account["name"], account["number"][-4:])
        ]
        if not found:
            raise unprocessable(f"There is no account {name!r} to choose.")
        chosen += found
    return chosen


def _fail(state: State, member: Document) -> Refusal:
    status = member["connection_status"]
    return Refusal(422, describe(status, state.institution(member).name), status)
