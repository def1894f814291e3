"""The page a person logs in on, and the controls that stand in for the person in a test.

REPLACE: the steps of the partner's page. A plain form needs no script; whatever one page can do the
headless control does through the same functions of `state`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tallystick.partners.acme.simulator.errors import Refusal
from tallystick.partners.acme.simulator.state import PASSWORD, USER, Document, State
from tallystick.sandbox.kit import read_json, strange_member

PAGES = Path(__file__).parent / "pages"
FORM_BYTES_MAX = 4_096


class Connect:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/link/{id}", self.show, methods=["GET"]),
            Route("/link/{id}", self.log_in, methods=["POST"]),
            Route("/link/{id}/return", self.leave, methods=["GET"]),
            Route("/_control/complete", self.complete, methods=["POST"]),
            Route("/_control/happen", self.happen, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        try:
            return self._page(self._state.session(request.path_params["id"]))
        except Refusal as refusal:
            return self._page(None, refusal)

    async def log_in(self, request: Request) -> Response:
        session = None
        try:
            session = self._state.session(request.path_params["id"])
            fields = await _read_form(request)
            username, password = fields.get("username", ""), fields.get("password", "")
            session = self._state.log_in(session, username.strip(), password)
        except Refusal as refusal:
            return self._page(session, refusal)
        # To be looked at with GET, so that reloading the page logs nobody in again.
        return RedirectResponse(f"{self._state.kit.prefix}/link/{session['id']}", 303)

    async def leave(self, request: Request) -> Response:
        """Back to the app, by a link: a form may not lead to another site (CSP)."""
        session = self._state.session(request.path_params["id"])
        if session["redirect_url"] is None or session["connection_id"] is None:
            raise Refusal(404, "SESSION_UNKNOWN")
        address: str = session["redirect_url"]
        if session["code"] is not None:
            join = "&" if "?" in address else "?"
            address += join + urlencode({"code": session["code"]})
        return RedirectResponse(address, 303, headers={"Referrer-Policy": "no-referrer"})

    def _page(self, session: Document | None, refusal: Refusal | None = None) -> Response:
        status = refusal.status if refusal else 200
        code = refusal.code if refusal else None
        return self._state.kit.page(
            PAGES, "connect.html", status, session=session, refused=code, login=(USER, PASSWORD)
        )

    async def complete(self, request: Request) -> Response:
        """Finish the page without a browser. `handle` is its address; `user` and `password` may
        be left out. Answers as the page ends: with the code, or that the connection is repaired.
        """
        given = await read_object(request)
        if strange_member(given, "handle", "user", "password"):
            raise Refusal(400, "REQUEST_INVALID")
        asked = {"user": USER, "password": PASSWORD, **given}
        session = self._state.session(text(asked, "handle").rpartition("/")[2])
        session = self._state.log_in(session, text(asked, "user"), text(asked, "password"))
        ended = {"repaired": True} if session["repairs"] else {"code": session["code"]}
        return JSONResponse({**ended, "connectionId": session["connection_id"]})

    async def happen(self, request: Request) -> Response:
        """Let an event (LOGIN_REQUIRED, REPAIRED, REVOKED) happen to a connection."""
        asked = await read_object(request)
        event = text(asked, "event")
        if event not in ("LOGIN_REQUIRED", "REPAIRED", "REVOKED"):
            raise Refusal(400, "REQUEST_INVALID")
        self._state.change(text(asked, "connectionId"), event)
        return Response(status_code=204)


async def read_object(request: Request) -> Document:
    """The JSON object of the body. Raises Refusal."""
    try:
        body = await read_json(request)
    except ValueError:
        raise Refusal(400, "REQUEST_INVALID") from None
    if not isinstance(body, dict):
        raise Refusal(400, "REQUEST_INVALID")
    return body


def text(body: dict[str, Any], name: str) -> str:
    """A member that must be a text with something in it. Raises Refusal."""
    value = body.get(name)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise Refusal(400, "REQUEST_INVALID")
    return value


async def _read_form(request: Request) -> dict[str, str]:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > FORM_BYTES_MAX:
            raise Refusal(413, "REQUEST_INVALID")
    return {name: values[0] for name, values in parse_qs(raw.decode("latin-1")).items()}
