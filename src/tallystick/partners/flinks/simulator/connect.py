"""Flinks Connect: the page for an iframe, and the calls that it makes.

The page's calls carry the token that was put into it. What a person does there runs through the
same functions as /Authorize with credentials.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.partners.flinks.simulator.errors import Refusal, access_denied, no_session
from tallystick.partners.flinks.simulator.fixtures import INSTITUTION, INSTITUTION_NAME
from tallystick.partners.flinks.simulator.gate import read_bearer, read_object, text
from tallystick.partners.flinks.simulator.state import Document, State

PAGES = Path(__file__).parent / "pages"

_SCRIPTS = frozenset({"connect.js", "steps.js"})
_URL_CHARS_MAX = 2_000

# The switches of the iframe's address that this page knows, and what they are by default
# ("Widget parameters").
_SWITCHES = {
    "demo": False,
    "consentEnable": True,
    "backEnable": True,
    "closeEnable": False,
    "headerEnable": True,
    "accountSelectorEnable": False,
    "innerRedirect": False,
    "jsRedirect": False,
}


class Connect:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        post = ["POST"]
        return [
            Route("/v2", self.open, methods=["GET"]),
            Route("/v2/", self.open, methods=["GET"]),
            Route("/v2/Credential/{institution}", self.open, methods=["GET"]),
            Route("/v2/Credential/{institution}/", self.open, methods=["GET"]),
            Route("/v2/Result/{institution}", self.show_result, methods=["GET"]),
            Route("/_pages/{name}", self.serve_script, methods=["GET"]),
            Route("/_connect/login", self.log_in, methods=post),
            Route("/_connect/answer", self.answer, methods=post),
        ]

    async def open(self, request: Request) -> Response:
        """The page. An authorize token may be left out, but one that is given must be good."""
        if request.method == "HEAD":  # a look without a page must not use a token up
            return Response(media_type="text/html")
        kit, query = self._state.kit, request.query_params
        look = read_look(query)
        token = query.get("authorizeToken")
        good = token is None or self._state.use_authorize_token(token)
        chosen = request.path_params.get("institution") == INSTITUTION
        boot = {
            "token": self._state.new_visit(look["tag"]) if good else None,
            "chosen": chosen,
            "institutions": [{"code": INSTITUTION, "name": INSTITUTION_NAME}]
            if look["demo"] or chosen
            else [],
            "result": f"{kit.base_url(request)}/v2/Result/{INSTITUTION}?demo=true",
            **look,
        }
        return kit.page(
            PAGES,
            "connect.html",
            boot=json.dumps(boot),
            asker=query.get("customerName", "")[:80],
            header=look["headerEnable"],
            theme=_theme(query),
        )

    async def show_result(self, _request: Request) -> Response:
        return self._state.kit.page(PAGES, "result.html")

    async def serve_script(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _SCRIPTS:
            raise Refusal(404, "NOT_FOUND", "There is no such script.")
        return Response((PAGES / name).read_bytes(), media_type="text/javascript")

    async def log_in(self, request: Request) -> Response:
        visit = self._enter(request)
        body = await read_object(request)
        session = self._state.log_in(
            text(body, "institution"), text(body, "username"), text(body, "password"), visit["tag"]
        )
        self._state.shelf.put("visit", visit["id"], {**visit, "session": session["id"]})
        return JSONResponse(show_progress(self._state, session))

    async def answer(self, request: Request) -> Response:
        visit = self._enter(request)
        given = text(await read_object(request), "answer")
        if visit["session"] is None:
            raise no_session()
        session = self._state.session(visit["session"])
        session = self._state.answer(session, {session["asked"]: [given]})
        return JSONResponse(show_progress(self._state, session))

    def _enter(self, request: Request) -> Document:
        visit = self._state.shelf.get("visit", read_bearer(request))
        if visit is None:
            raise access_denied()
        return visit


def read_look(query: Mapping[str, str]) -> dict[str, Any]:
    """What the iframe's address asks for. Anything it says that makes no sense is left out."""
    look: dict[str, Any] = {
        name: {"true": True, "false": False}.get(query.get(name, "").lower(), default)
        for name, default in _SWITCHES.items()
    }
    redirect = query.get("redirectUrl", "")
    try:
        sound = urlsplit(redirect).scheme in ("http", "https") and len(redirect) <= _URL_CHARS_MAX
    except ValueError:
        sound = False
    currency = query.get("accountSelectorCurrency", "").upper()
    return {
        **look,
        "redirectUrl": redirect if sound else None,
        "currency": currency if currency in ("CAD", "USD") else None,
        "tag": query.get("tag", "")[:200] or None,
    }


def _theme(query: Mapping[str, str]) -> str:
    theme = query.get("theme")
    return f" scheme-{theme}" if theme in ("light", "dark") else ""


def show_progress(state: State, session: Document) -> dict[str, Any]:
    """The question that is open, or the login and its accounts."""
    if session["login_id"] is None:
        return {"prompt": session["asked"]}
    accounts = [
        {
            "id": account["id"],
            "title": account["title"],
            "kind": account["kind"],
            "currency": account["currency"],
            "mask": account["number"][-4:],
            "balance": f"${account['available_cents'] / 100:,.2f}",
        }
        for account in state.accounts(session["login_id"])
    ]
    return {"loginId": session["login_id"], "accounts": accounts}
