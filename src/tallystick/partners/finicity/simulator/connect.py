"""The Connect page: the page itself, its script for integrators, and the calls that it makes.

`Journey` is what a person can do on the page; the headless control walks the same way. The page's
calls carry the session's key, which stands in the Connect URL.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.partners.finicity.simulator.errors import (
    AGGREGATION,
    Refusal,
    bad_request,
    not_found,
)
from tallystick.partners.finicity.simulator.fixtures import (
    BAD_CREDENTIALS,
    BY_ID,
    CHALLENGED,
    SUCCESS,
    Challenge,
    Institution,
    Outcome,
    judge_answer,
    judge_login,
    search,
)
from tallystick.partners.finicity.simulator.gate import read_object
from tallystick.partners.finicity.simulator.sessions import Sessions
from tallystick.partners.finicity.simulator.state import Document, State

PAGES = Path(__file__).parent / "pages"

_ASSETS = {
    "connect.js": "text/javascript",
    "host.js": "text/javascript",
    "steps.js": "text/javascript",
    "connect.css": "text/css",
}


class Journey:
    """What a person does with one Connect URL."""

    def __init__(self, state: State, sessions: Sessions, session: Document) -> None:
        self._state = state
        self._sessions = sessions
        self._notices = sessions.notices
        self.session = session

    @property
    def repairs(self) -> bool:
        return self.session["login_id"] is not None

    def start(self) -> None:
        self._notices.tell(self.session, "started")

    def sign_in(self, institution: Institution, username: str, password: str) -> Outcome:
        fixed = self.session["institution_id"]
        if fixed is not None and fixed != institution.id:
            raise bad_request("This link is for another institution")
        self._keep(asked=None, signed_in=None)
        return self._land(institution, username, judge_login(username, password))

    def answer(self, text: str) -> Outcome:
        asked = self.session["asked"]
        if asked is None:
            raise bad_request("Nothing was asked")
        told: Document = asked["challenge"]
        challenge = replace(Challenge(**told), options=tuple(told["options"]))
        outcome = judge_answer(challenge, text)
        return self._land(BY_ID[asked["institution_id"]], asked["username"], outcome)

    def _land(self, institution: Institution, username: str, outcome: Outcome) -> Outcome:
        """Put the session where the bank's answer leaves it."""
        who = {"institution_id": institution.id, "username": username}
        told = {"institutionId": str(institution.id)}
        if outcome.code == CHALLENGED and outcome.challenge is not None:
            self._keep(asked={**who, "challenge": asdict(outcome.challenge)})
        elif outcome.code == SUCCESS:
            self._keep(asked=None, signed_in=who)
            self._notices.tell(self.session, "discovered", told)
            if self.repairs:
                login_id = self.session["login_id"]
                self._state.keep_login(self._customer, institution, username, login_id)
                self._notices.tell(self.session, "credentialsUpdated", told)
        elif outcome.code == BAD_CREDENTIALS:
            self._notices.tell(self.session, "invalidCredentials", told)
        else:
            self._notices.tell(self.session, "unableToConnect", told)
        return outcome

    @property
    def _customer(self) -> str:
        return str(self.session["customer_id"])

    def offered(self) -> list[Document]:
        """The accounts to choose from; none before the sign-in."""
        who = self.session["signed_in"]
        if who is None:
            return []
        return self._state.offered(self._customer, who["institution_id"], who["username"])

    def add(self, names: Iterable[str]) -> list[Document]:
        """The accounts that the person shares. Raises Refusal."""
        who = self.session["signed_in"]
        wanted = set(names)
        if who is None or self.repairs:
            raise bad_request("Sign in first")
        unknown = wanted - {each["name"] for each in self.offered()}
        if unknown or not wanted:
            raise bad_request("No such account")
        institution = BY_ID[who["institution_id"]]
        told = {"institutionId": str(institution.id)}
        self._notices.tell(self.session, "adding", told)
        login = self._state.keep_login(self._customer, institution, who["username"], None)
        added = self._state.add_accounts(login, wanted)
        ids = [each["id"] for each in added]
        self._notices.tell(self.session, "added", {**told, "accounts": ids})
        return added

    def finish(self) -> None:
        self._keep(done=True)
        self._notices.tell(self.session, "done")

    def _keep(self, **changes: Any) -> None:
        self.session = self._sessions.keep({**self.session, **changes})


class Connect:
    def __init__(self, state: State, sessions: Sessions) -> None:
        self._state = state
        self._sessions = sessions

    def routes(self) -> list[Route]:
        sdk = "/assets/sdk/finicity-connect.min.js"
        calls = ("search", "login", "answer", "add", "done")
        verbs = [
            Route(f"/_connect/{verb}", getattr(self, verb), methods=["POST"]) for verb in calls
        ]
        return [
            Route("/connect", self.show, methods=["GET"]),
            Route(sdk, self.serve_sdk, methods=["GET"]),
            Route("/_pages/{name}", self.serve_asset, methods=["GET"]),
            *verbs,
        ]

    async def show(self, request: Request) -> Response:
        kit = self._state.kit
        try:
            session = self._sessions.open(request.query_params.get("signature"))
        except Refusal as why:
            return kit.page(PAGES, "over.html", why.status, said=why.said)
        journey = Journey(self._state, self._sessions, session)
        journey.start()
        fixed = BY_ID.get(session["institution_id"])
        boot = {
            "token": session["id"],
            "type": session["type"],
            "institution": show_institution(fixed) if fixed else None,
            "customerId": session["customer_id"],
            "redirect": session["redirect"],
        }
        return kit.page(PAGES, "connect.html", boot=json.dumps(boot))

    async def serve_sdk(self, _request: Request) -> Response:
        script = (PAGES / "finicity-connect.min.js").read_bytes()
        headers = {"Access-Control-Allow-Origin": "*"}
        return Response(script, media_type="text/javascript", headers=headers)

    async def serve_asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _ASSETS:
            raise not_found("Asset")
        return Response((PAGES / name).read_bytes(), media_type=_ASSETS[name])

    def _enter(self, request: Request) -> Journey:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        session = self._sessions.open(key.strip() if scheme.lower() == "bearer" else None)
        return Journey(self._state, self._sessions, session)

    async def search(self, request: Request) -> Response:
        self._enter(request)
        query = (await read_object(request)).get("query")
        found = search(query) if isinstance(query, str) else []
        return JSONResponse({"institutions": [show_institution(each) for each in found]})

    async def login(self, request: Request) -> Response:
        journey = self._enter(request)
        asked = await read_object(request)
        username, password = asked.get("username"), asked.get("password")
        if not isinstance(username, str) or not isinstance(password, str):
            raise bad_request("username and password are required")
        institution = find_institution(asked.get("institutionId"))
        return _say(journey, journey.sign_in(institution, username, password))

    async def answer(self, request: Request) -> Response:
        journey = self._enter(request)
        text = (await read_object(request)).get("answer")
        if not isinstance(text, str):
            raise bad_request("answer is required")
        return _say(journey, journey.answer(text))

    async def add(self, request: Request) -> Response:
        journey = self._enter(request)
        names = (await read_object(request)).get("accounts")
        if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
            raise bad_request("accounts is missing")
        return JSONResponse({"accounts": [each["id"] for each in journey.add(names)]})

    async def done(self, request: Request) -> Response:
        self._enter(request).finish()
        return Response(status_code=204)


def _say(journey: Journey, outcome: Outcome) -> Response:
    """What the page shows next."""
    asked = journey.session["asked"] if outcome.code == CHALLENGED else None
    body = {
        "code": outcome.code,
        "message": AGGREGATION.get(outcome.code, "Your bank could not be reached. Try later."),
        "challenge": asked["challenge"] if asked else None,
        "accounts": [show_choice(each) for each in journey.offered()],
    }
    return JSONResponse(body)


def show_institution(institution: Institution) -> Document:
    return {"id": institution.id, "name": institution.name}


def show_choice(account: Document) -> Document:
    return {
        "name": account["name"],
        "mask": account["number"][-4:],
        "balance": f"${account['available_cents'] / 100:,.2f}",
    }


def find_institution(number: object) -> Institution:
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 10:
        number = int(number)
    if not isinstance(number, int) or number not in BY_ID:
        raise not_found("Institution")
    return BY_ID[number]
