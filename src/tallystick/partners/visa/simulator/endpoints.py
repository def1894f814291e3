"""`/events/v2/webhook-endpoints`: where an app wants its events posted to."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.clock import to_iso
from tallystick.partners.visa.simulator.errors import bad_request, not_found
from tallystick.partners.visa.simulator.gate import check_token, read_object, text
from tallystick.partners.visa.simulator.hooks import EVENTS
from tallystick.partners.visa.simulator.state import Document, State

_SCOPE = "webhook-endpoints"
_PATH = "/events/v2/webhook-endpoints"


class Endpoints:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route(_PATH, self.create, methods=["POST"]),
            Route(_PATH, self.list_all, methods=["GET"]),
            Route(f"{_PATH}/{{hook}}", self.read, methods=["GET"]),
            Route(f"{_PATH}/{{hook}}", self.change, methods=["PATCH"]),
            Route(f"{_PATH}/{{hook}}", self.delete, methods=["DELETE"]),
        ]

    async def create(self, request: Request) -> Response:
        """The only answer that shows the secret."""
        check_token(self._state, request, _SCOPE)
        body = await read_object(request)
        hook = self._state.hooks.create(
            _url(body), _events(body), _description(body), disabled=body.get("disabled") is True
        )
        return JSONResponse({**_show(hook), "secret": hook["secret"]})

    async def list_all(self, request: Request) -> Response:
        check_token(self._state, request, _SCOPE)
        hooks = self._state.shelf.all("hook")
        return JSONResponse({"webhookEndpoints": [_show(hook) for hook in hooks]})

    async def read(self, request: Request) -> Response:
        return JSONResponse(_show(self._find(request)))

    async def change(self, request: Request) -> Response:
        hook = self._find(request)
        body = await read_object(request)
        if "url" in body:
            hook["url"] = _url(body)
        if "enabledEvents" in body:
            hook["events"] = _events(body)
        if "description" in body:
            hook["description"] = _description(body)
        if "disabled" in body:
            hook["disabled"] = body["disabled"] is True
        hook["updated_at"] = self._state.now_ms()
        self._state.shelf.put("hook", hook["id"], hook)
        return JSONResponse(_show(hook))

    async def delete(self, request: Request) -> Response:
        self._state.shelf.drop("hook", self._find(request)["id"])
        return Response(status_code=204)

    def _find(self, request: Request) -> Document:
        check_token(self._state, request, _SCOPE)
        hook = self._state.shelf.get("hook", request.path_params["hook"])
        if hook is None:
            raise not_found("The webhook endpoint")
        return hook


def _url(body: dict[str, Any]) -> str:
    url = text(body, "url")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise bad_request("url is no address.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise bad_request("url is no web address.")
    return url


def _events(body: dict[str, Any]) -> list[str]:
    events = body.get("enabledEvents")
    if not isinstance(events, list) or not events:
        raise bad_request("enabledEvents is missing or not a list.")
    if not all(isinstance(each, str) and each in EVENTS for each in events):
        raise bad_request("enabledEvents has an event that does not exist.")
    return events


def _description(body: dict[str, Any]) -> str:
    description = body.get("description", "")
    if not isinstance(description, str):
        raise bad_request("description is not a text.")
    return description


def _show(hook: Document) -> Document:
    return {
        "id": hook["id"],
        "description": hook["description"],
        "disabled": hook["disabled"],
        "enabledEvents": hook["events"],
        "url": hook["url"],
        "createdAt": to_iso(hook["created_at"]),
        "updatedAt": to_iso(hook["updated_at"]),
    }
