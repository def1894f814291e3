"""Plaid Link: the script that a page loads, the page that it frames, and the page's own calls.

The calls under `/_link/` are ours, not Plaid's: JSON objects with `link_token` and, once the
session is open, `link_session_id`. Each answers with the view to draw, and with the events that
the step caused; a login that the bank refuses is such an answer too, with the error beside it.
What cannot be drawn (an expired link token) is refused in the shape of the API.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.partners.plaid.simulator.errors import Refusal, invalid, missing
from tallystick.partners.plaid.simulator.fixtures import Institution
from tallystick.partners.plaid.simulator.gate import Body, read_object, read_strings
from tallystick.partners.plaid.simulator.journey import Journey
from tallystick.partners.plaid.simulator.state import Document, State

_PAGES = Path(__file__).parent / "pages"
_SCRIPTS = frozenset({"link.js", "steps.js"})

# In link-initialize.js, what stands for the address it was loaded from.
_PLACE = '"{{ base }}"'

# The hosts that Plaid serves its script from. A copy of ours that a proxy answers under such a name
# must not look for the page there.
_PLAID_HOSTS = (".plaid.com", "plaid.com")

_THEMES = {"LIGHT": "scheme-light", "DARK": "scheme-dark", "SYSTEM": ""}

Step = Callable[[Journey, Body], None]


class Link:
    def __init__(self, state: State) -> None:
        self._state = state
        self._steps: dict[str, Step] = {
            "agree": lambda journey, _body: journey.agree(),
            "select": lambda journey, body: journey.select(_text(body, "institution_id")),
            "back": lambda journey, _body: journey.back(),
            "login": lambda journey, body: journey.log_in(
                _text(body, "username"), _text(body, "password")
            ),
            "mfa": lambda journey, body: journey.answer(
                list(read_strings(body.get("answers"), "answers"))
            ),
            "oauth": lambda journey, body: journey.authorize(allowed=body.get("allowed") is True),
            "choose": lambda journey, body: journey.choose(
                list(read_strings(body.get("accounts"), "accounts"))
            ),
        }

    def routes(self) -> list[Route]:
        return [
            Route("/link/v2/stable/link-initialize.js", self.script, methods=["GET"]),
            Route("/link/v2/stable/link.html", self.framed, methods=["GET"]),
            Route("/hosted/{token}", self.hosted, methods=["GET"]),
            Route("/_pages/{name}", self.asset, methods=["GET"]),
            Route("/_link/{step}", self.step, methods=["POST"]),
        ]

    async def script(self, request: Request) -> Response:
        """The drop-in for Plaid's script, with the address where this answer was asked for."""
        host = request.url.hostname or ""
        base = "" if host.endswith(_PLAID_HOSTS) else self._state.kit.base_url(request)
        text = (_PAGES / "link-initialize.js").read_text("utf-8")
        return _javascript(text.replace(_PLACE, json.dumps(base)))

    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _SCRIPTS:
            raise Refusal("NOT_FOUND")
        return _javascript((_PAGES / name).read_text("utf-8"))

    async def framed(self, request: Request) -> Response:
        embedded = request.query_params.get("embedded") == "1"
        look = "framed embedded" if embedded else "framed"
        return self._page(
            request.query_params.get("token", ""),
            look,
            parent=request.query_params.get("origin", ""),
        )

    async def hosted(self, request: Request) -> Response:
        """Hosted Link: the same page, without a page around it."""
        return self._page(request.path_params["token"], "alone", parent="")

    def _page(self, token: str, look: str, *, parent: str) -> Response:
        link = self._state.shelf.get("link", token)
        theme = _THEMES[link["appearance"]] if link else ""
        return self._state.kit.page(
            _PAGES,
            "link.html",
            theme=" ".join(filter(None, ("theme-plaid", theme, look))),
            token=token,
            parent=parent,
            client_name=link["client_name"] if link else "This application",
            return_to=(link or {}).get("completion_redirect_uri") or "",
        )

    async def step(self, request: Request) -> Response:
        body = await read_object(request)
        name = request.path_params["step"]
        token = _text(body, "link_token")
        if name == "open":
            return _answer(Journey.begin(self._state, token))
        journey = Journey.resume(self._state, token, _text(body, "link_session_id"))
        if name == "search":
            found = journey.search(_text(body, "query"))
            return _answer(journey, institutions=[_show_institution(one) for one in found])
        if name == "exit":
            return _answer(journey, exit=journey.exit())
        if name not in self._steps:
            raise Refusal("NOT_FOUND")
        try:
            self._steps[name](journey, body)
        except Refusal as refusal:
            error = refusal.body(journey.session["request_id"])
            return _answer(journey, error=error)
        return _answer(journey)


def _answer(journey: Journey, **more: Any) -> JSONResponse:
    return JSONResponse({**_view(journey), "events": journey.fresh, **more})


def _view(journey: Journey) -> Document:
    """All that the page needs to draw the step the session is at."""
    session = journey.session
    place = journey.institution
    view: Document = {
        "step": session["step"],
        "link_session_id": session["link_session_id"],
        "request_id": session["request_id"],
        "update": journey.updates,
        "client_name": journey.link["client_name"],
        "institution": _show_institution(place) if place else None,
    }
    if session["step"] == "mfa":
        view["mfa"] = {
            "type": journey.mfa()["type"],
            "prompts": [
                {
                    "question": prompt["question"],
                    "options": prompt["options"],
                    # This is a test bank: the page says what the right answer is.
                    "hint": prompt["answers"][0],
                }
                for prompt in journey.mfa()["prompts"]
            ],
        }
    if session["step"] == "accounts":
        shared = journey.shared()
        view["single"] = journey.link["single"]
        view["accounts"] = [
            {
                "name": holding.name,
                "mask": holding.mask,
                "subtype": holding.subtype,
                "balance": holding.current if holding.available is None else holding.available,
                "shared": holding.name in shared,
            }
            for holding in journey.offered()
        ]
    if session["step"] == "success":
        view["success"] = {
            "public_token": session["public_token"],
            "metadata": session["success"],
        }
    return view


def _show_institution(place: Institution) -> Document:
    return {
        "institution_id": place.institution_id,
        "name": place.name,
        "host": place.url.removeprefix("https://"),
        "colour": place.colour,
        "oauth": place.oauth,
    }


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if value is None:
        raise missing(name)
    if not isinstance(value, str):
        raise invalid(f"{name} must be a string")
    return value


def _javascript(text: str) -> Response:
    return Response(
        text,
        media_type="text/javascript",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
