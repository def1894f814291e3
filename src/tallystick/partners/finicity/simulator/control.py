"""What Finicity does not have: finish Connect without a browser, break a sign-in, start over."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.partners.finicity.simulator.access import Access
from tallystick.partners.finicity.simulator.connect import Journey, find_institution
from tallystick.partners.finicity.simulator.errors import bad_request, bank_says, not_found
from tallystick.partners.finicity.simulator.fixtures import (
    BY_ID,
    CHALLENGED,
    SUCCESS,
    Institution,
    Outcome,
)
from tallystick.partners.finicity.simulator.gate import INTEGRATOR, Body, read_object
from tallystick.partners.finicity.simulator.sessions import Sessions, read_key
from tallystick.partners.finicity.simulator.state import Document, State
from tallystick.sandbox.kit import strange_member

_MEMBERS = ("handle", "user", "password", "institution", "accounts", "mfa")
_INSTITUTION = 102105  # FinBank Profiles - A
_PROFILE = "profile_09"  # the one of Mastercard's Dwolla example
_CODE_BELOW = 10**6


class Control:
    def __init__(self, state: State, sessions: Sessions, access: Access) -> None:
        self._state = state
        self._sessions = sessions
        self._access = access

    def routes(self) -> list[Route]:
        logins = "/_control/institutionLogins/{login}"
        return [
            Route("/_control/complete", self.complete, methods=["POST"]),
            Route("/_control/reset", self.reset, methods=["POST"]),
            Route(logins, self.set_status, methods=["POST"]),
        ]

    async def complete(self, request: Request) -> Response:
        """Walk Connect as a person would, to its end or to where it would have stopped.

        `handle` is the Connect URL, or absent for a new customer of an integrator's; `institution`
        (id or name), `user`, `password`, `mfa` (answers in order) and `accounts` (names, or last
        four digits) are optional. Raises Refusal.
        """
        asked = await read_object(request)
        if said := strange_member(asked, *_MEMBERS):
            raise bad_request(said)
        handle = asked.get("handle")
        session = self._sessions.open(read_key(handle)) if handle else self._begin()
        journey = Journey(self._state, self._sessions, session)
        journey.start()
        outcome = self._sign_in(journey, asked)
        if outcome.code != SUCCESS:
            raise bank_says(outcome.code)
        body: Document = {"customerId": session["customer_id"]}
        if journey.repairs:
            body |= {"institutionLoginId": session["login_id"], "repaired": True}
        else:
            added = journey.add(_choose(journey.offered(), asked.get("accounts")))
            body["institutionLoginId"] = added[0]["login_id"]
            body["accountIds"] = [each["id"] for each in added]
            # A receipt is for one account (docs/partners/finicity.md).
            receipt = self._access.issue(
                session["partner"], session["customer_id"], body["accountIds"][:1]
            )
            body["proof"] = {"finicity": receipt}
        journey.finish()
        return JSONResponse(body)

    def _begin(self) -> Document:
        name = f"control-{self._state.new_id()}"
        customer = self._state.create_customer(INTEGRATOR, "testing", {"username": name})
        return self._sessions.begin(INTEGRATOR, customer, {}, {"type": "full"})

    def _sign_in(self, journey: Journey, asked: Body) -> Outcome:
        institution = _institution(asked.get("institution"), journey.session["institution_id"])
        username = asked.get("user", _PROFILE)
        password = asked.get("password", username)
        answers = asked.get("mfa") or []
        if not isinstance(username, str) or not isinstance(password, str):
            raise bad_request("user and password must be strings")
        if not isinstance(answers, list):
            raise bad_request("mfa must be a list")
        outcome = journey.sign_in(institution, username, password)
        for answer in answers:
            if outcome.code != CHALLENGED:
                break
            outcome = journey.answer(str(answer))
        return outcome

    async def reset(self, _request: Request) -> Response:
        self._state.shelf.clear()
        return Response(status_code=204)

    async def set_status(self, request: Request) -> Response:
        """Let the next look at a sign-in's accounts find this aggregation status code."""
        login = self._state.shelf.get("login", request.path_params["login"])
        if login is None:
            raise not_found()
        code = (await read_object(request)).get("aggregationStatusCode")
        if not isinstance(code, int) or isinstance(code, bool) or not 0 <= code < _CODE_BELOW:
            raise bad_request("aggregationStatusCode must be a number")
        changed = self._state.set_status(login, code)
        return JSONResponse({"aggregationStatusCode": changed["status_code"]})


def _institution(asked: object, fixed: int | None) -> Institution:
    if asked is None:
        return BY_ID[fixed or _INSTITUTION]
    for each in BY_ID.values():
        if each.name == asked:
            return each
    return find_institution(asked)


def _choose(offered: list[Document], wanted: object) -> list[str]:
    if wanted is None:
        return [each["name"] for each in offered]
    if not isinstance(wanted, list):
        raise bad_request("accounts must be a list")
    chosen = []
    for name in wanted:
        found = [each["name"] for each in offered if name in (each["name"], each["number"][-4:])]
        if not found:
            raise bad_request("There is no such account")
        chosen += found
    return chosen
