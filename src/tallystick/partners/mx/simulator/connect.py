"""The Connect page: the page itself, and the calls that it makes.

`Journey` is what a person can do on the page; the headless control walks the same way. The page's
calls carry the token that was put into it (`widgets`), and reach that one user's members only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.partners.mx.simulator.errors import Refusal, bad_request, not_found
from tallystick.partners.mx.simulator.fixtures import (
    BY_CODE,
    STATUS_NUMBERS,
    WAITS_FOR_ANSWER,
    Institution,
    describe,
)
from tallystick.partners.mx.simulator.gate import read_bearer, read_object
from tallystick.partners.mx.simulator.oauth import Consents
from tallystick.partners.mx.simulator.state import Document, State
from tallystick.partners.mx.simulator.users import search
from tallystick.partners.mx.simulator.widgets import Widgets
from tallystick.partners.mx.simulator.wire import show_challenges

PAGES = Path(__file__).parent / "pages"

_SCRIPTS = frozenset({"messages.js", "connect.js", "steps.js", "oauth.js"})


class Journey:
    """What a person does with one widget URL."""

    def __init__(self, state: State, consents: Consents, widget: Document) -> None:
        self._state = state
        self._consents = consents
        self._settings = widget["settings"]
        self.user_guid: str = widget["user_guid"]

    @property
    def repaired(self) -> Document | None:
        """The member that the URL was made to repair. It may have gone since."""
        guid = self._settings.get("current_member_guid")
        return self._state.member(self.user_guid, guid) if guid else None

    def member(self, guid: object) -> Document:
        if not isinstance(guid, str):
            raise bad_request("member_guid is missing.")
        return self._state.member(self.user_guid, guid)

    def log_in(
        self, institution: Institution, username: str, password: str, member_guid: object = None
    ) -> Document:
        """Try a login: of the member in repair, of the one tried before, or of a new one."""
        member = self.repaired or self._state.find_login(self.user_guid, institution, username)
        if member is None and member_guid:
            member = self.member(member_guid)
        if member is None:
            member = self._state.enrol(self.user_guid, institution)
        if member["institution_code"] != institution.code:
            raise bad_request("The member belongs to another institution.")
        return self._settle(self._state.log_in(member, username, password))

    def answer(self, member: Document, value: str) -> Document:
        return self._settle(self._state.answer(member, value))

    def invite(self, institution: Institution) -> Document:
        """A member that waits for the person to come back from the bank's site."""
        if not institution.oauth:
            raise bad_request("The institution does not use OAuth.")
        member = self.repaired
        if member is None:
            waiting = self._state.shelf.all(
                "member",
                user_guid=self.user_guid,
                institution_code=institution.code,
                connection_status="PENDING",
            )
            member = waiting[0] if waiting else self._state.enrol(self.user_guid, institution)
        return self._consents.invite(member, self._settings)

    def consent(self, member: Document, kinds: Iterable[str]) -> Document:
        return self._settle(self._state.consent(member, kinds))

    def choose(self, member: Document, account_guids: Iterable[str]) -> Document:
        """The accounts whose numbers the person agrees to share."""
        if member["connection_status"] != "CONNECTED":
            raise bad_request("The member is not connected.")
        return self._state.verify(member, account_guids)

    def look(self, member: Document) -> Document:
        """The member as it stands, after a visit to the bank's site."""
        return self._settle(member)

    def needs_choice(self, member: Document) -> bool:
        """Whether an account is still to be chosen: in verification, but not again in a repair."""
        return self._settings.get("mode") == "verification" and not (
            self._settings.get("current_member_guid") and member["verified"]
        )

    def _settle(self, member: Document) -> Document:
        wanted = self._settings.get("include_identity") is True
        if wanted and member["connection_status"] == "CONNECTED" and not member["identified"]:
            return self._state.update_member(member, {"identified": True})
        return member

    def show(self, member: Document) -> dict[str, Any]:
        """All that the page needs to know of a member."""
        institution = self._state.institution(member)
        status = member["connection_status"]
        challenges = show_challenges(member)
        accounts = self._state.accounts(member["guid"]) if status == "CONNECTED" else []
        return {
            "guid": member["guid"],
            "institution": show_choice(institution),
            "username": member["username"],
            "status": status,
            "number": STATUS_NUMBERS[status],
            "message": describe(status, institution.name),
            "challenge": challenges[0] if challenges else None,
            "choose": self.needs_choice(member),
            "decided": self._consents.is_decided(member),
            "refused": self._consents.is_refused(member),
            "accounts": [
                {
                    "guid": account["guid"],
                    "name": account["name"],
                    "mask": account["number"][-4:],
                    "balance": f"${account['available_cents'] / 100:,.2f}",
                }
                for account in accounts
            ],
        }

    def begin(self) -> dict[str, Any]:
        """The step the page opens with. MX lets the page find it from the member's state."""
        member = self.repaired
        if member is not None:
            shown = self.show(member)
            return {
                "step": self._first_step(member),
                "member": shown,
                "institution": shown["institution"],
                "repair": True,
            }
        institution = BY_CODE.get(self._settings.get("current_institution_code", ""))
        return {
            "step": "enterCreds" if institution else "search",
            "member": None,
            "institution": show_choice(institution) if institution else None,
            "repair": False,
        }

    def _first_step(self, member: Document) -> str:
        status = member["connection_status"]
        if self._settings.get("update_credentials") is True:
            return "enterCreds"
        if status == "CONNECTED":
            return "connected"
        if status in WAITS_FOR_ANSWER and member["challenge"]:
            return "mfa"
        return "enterCreds" if status in {"CREATED", "PENDING"} else "loginError"


class Connect:
    def __init__(self, state: State, widgets: Widgets, consents: Consents) -> None:
        self._state = state
        self._widgets = widgets
        self._consents = consents

    def routes(self) -> list[Route]:
        post = ["POST"]
        return [
            Route("/md/connect/{token}", self.open, methods=["GET"]),
            Route("/md/connect/{token}/{settings}", self.open, methods=["GET"]),
            Route("/_pages/{name}", self.serve_script, methods=["GET"]),
            Route("/_connect/ping", self.ping, methods=post),
            Route("/_connect/search", self.search, methods=post),
            Route("/_connect/login", self.log_in, methods=post),
            Route("/_connect/answer", self.answer, methods=post),
            Route("/_connect/invite", self.invite, methods=post),
            Route("/_connect/member", self.read_member, methods=post),
            Route("/_connect/choose", self.choose, methods=post),
        ]

    async def open(self, request: Request) -> Response:
        kit = self._state.kit
        if request.method == "HEAD":  # a look without a page must not use the address up
            return Response(media_type="text/html")
        try:
            widget = self._widgets.open(request.path_params["token"])
            beginning = Journey(self._state, self._consents, widget).begin()
        except Refusal as refusal:
            return kit.page(PAGES, "expired.html", refusal.status, what="This link")
        settings = widget["settings"]
        boot = {
            "token": self._widgets.begin_session(widget),
            "user_guid": widget["user_guid"],
            "session_guid": widget["session_guid"],
            "webview": settings.get("is_mobile_webview") is True,
            "scheme": settings.get("ui_message_webview_url_scheme", "mx"),
            "redirect": settings.get("client_redirect_url"),
            "search": settings.get("disable_institution_search") is not True,
            **beginning,
        }
        scheme = settings.get("color_scheme")
        theme = f" scheme-{scheme}" if scheme in {"light", "dark"} else ""
        return kit.page(PAGES, "connect.html", boot=json.dumps(boot), theme=theme)

    async def serve_script(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _SCRIPTS:
            raise not_found("The script")
        return Response((PAGES / name).read_bytes(), media_type="text/javascript")

    def _enter(self, request: Request) -> Journey:
        widget = self._widgets.resume_session(read_bearer(request))
        return Journey(self._state, self._consents, widget)

    async def ping(self, request: Request) -> Response:
        self._enter(request)
        return JSONResponse({})

    async def search(self, request: Request) -> Response:
        self._enter(request)
        query = (await read_object(request)).get("query")
        found = search(query) if isinstance(query, str) else []
        return JSONResponse({"institutions": [show_choice(one) for one in found]})

    async def log_in(self, request: Request) -> Response:
        journey = self._enter(request)
        asked = await read_object(request)
        username, password = asked.get("username"), asked.get("password")
        if not isinstance(username, str) or not isinstance(password, str):
            raise bad_request("username and password are required.")
        institution = find_institution(asked.get("institution_code"))
        member = journey.log_in(institution, username, password, asked.get("member_guid"))
        return JSONResponse({"member": journey.show(member)})

    async def answer(self, request: Request) -> Response:
        journey = self._enter(request)
        asked = await read_object(request)
        member = journey.member(asked.get("member_guid"))
        member = journey.answer(member, str(asked.get("answer", "")))
        return JSONResponse({"member": journey.show(member)})

    async def invite(self, request: Request) -> Response:
        journey = self._enter(request)
        institution = find_institution((await read_object(request)).get("institution_code"))
        member = journey.invite(institution)
        base_url = self._state.kit.base_url(request)
        uri = self._consents.show_uri(member, base_url, always=True)
        return JSONResponse({"member": journey.show(member), "url": uri})

    async def read_member(self, request: Request) -> Response:
        journey = self._enter(request)
        member = journey.look(journey.member((await read_object(request)).get("member_guid")))
        return JSONResponse({"member": journey.show(member)})

    async def choose(self, request: Request) -> Response:
        journey = self._enter(request)
        asked = await read_object(request)
        member = journey.member(asked.get("member_guid"))
        guids = asked.get("account_guids")
        if not isinstance(guids, list) or not all(isinstance(guid, str) for guid in guids):
            raise bad_request("account_guids is missing.")
        return JSONResponse({"member": journey.show(journey.choose(member, guids))})


def show_choice(institution: Institution) -> dict[str, Any]:
    return {
        "code": institution.code,
        "guid": institution.guid,
        "name": institution.name,
        "url": institution.url,
        "oauth": institution.oauth,
    }


def find_institution(code: object) -> Institution:
    if not isinstance(code, str) or code not in BY_CODE:
        raise not_found("The institution")
    return BY_CODE[code]
