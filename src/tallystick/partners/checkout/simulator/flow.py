"""Flow: the script that a page loads, and the card fields that the script frames.

The fields are a page of ours in a frame of ours, so that a card's number is never in the page of
the integrator. They call POST /tokens and the pay call of `payments.py`.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallystick.partners.checkout.simulator.errors import not_found
from tallystick.partners.checkout.simulator.state import State

_PAGES = Path(__file__).parent / "pages"
_ASSETS = {"card.js": "text/javascript", "fields.js": "text/javascript", "card.css": "text/css"}

# In index.js, what stands for the address it was loaded from.
_PLACE = '"{{ base }}"'

# The hosts that Checkout.com serves its script from. A copy of ours that a proxy answers under such
# a name must not look for the card fields there.
_OWN_HOSTS = (".checkout.com", "checkout.com")


class Flow:
    def __init__(self, state: State) -> None:
        self._kit = state.kit

    def routes(self) -> list[Route]:
        return [
            Route("/web-components/index.js", self.script, methods=["GET"]),
            Route("/web-components/card", self.fields, methods=["GET"]),
            Route("/_pages/{name}", self.asset, methods=["GET"]),
        ]

    async def script(self, request: Request) -> Response:
        """The drop-in for Flow's script, with the address where this answer was asked for."""
        host = request.url.hostname or ""
        base = "" if host.endswith(_OWN_HOSTS) else self._kit.base_url(request)
        # A host is a header, so it may not end the text it is put into.
        safe = base if not set(base) & set("\"'\\<>\n\r") else ""
        text = (_PAGES / "index.js").read_text("utf-8").replace(_PLACE, f'"{safe}"')
        return _asset(text, "text/javascript")

    async def fields(self, request: Request) -> Response:
        return self._kit.page(_PAGES, "card.html", origin=request.query_params.get("origin", ""))

    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _ASSETS:
            raise not_found()
        return _asset((_PAGES / name).read_text("utf-8"), _ASSETS[name])


def _asset(text: str, media_type: str) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(text, media_type=media_type, headers=headers)
