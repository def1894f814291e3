"""`/users`, the widget URLs of a user, and `/institutions`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallystick.partners.mx.simulator.errors import bad_request, not_found
from tallystick.partners.mx.simulator.fixtures import BY_CODE, INSTITUTIONS, Institution
from tallystick.partners.mx.simulator.gate import check_basic, pick, read_object, say
from tallystick.partners.mx.simulator.state import Document, State
from tallystick.partners.mx.simulator.widgets import Widgets
from tallystick.partners.mx.simulator.wire import (
    NEW,
    paginate,
    read_version,
    show_fields,
    show_institution,
    show_user,
)

_USER_FIELDS: dict[str, type] = {"email": str, "id": str, "is_disabled": bool, "metadata": str}


class Users:
    def __init__(self, state: State, widgets: Widgets) -> None:
        self._state = state
        self._widgets = widgets

    def routes(self) -> list[Route]:
        user = "/users/{user}"
        return [
            Route("/users", self.list_users, methods=["GET"]),
            Route("/users", self.create, methods=["POST"]),
            Route(user, self.read, methods=["GET"]),
            Route(user, self.update, methods=["PUT"]),
            Route(user, self.delete, methods=["DELETE"]),
            Route(f"{user}/widget_urls", self.request_widget_url, methods=["POST"]),
            Route(f"{user}/connect_widget_url", self.request_connect_url, methods=["POST"]),
            Route("/institutions", self.list_institutions, methods=["GET"]),
            Route("/institutions/favorites", self.list_institutions, methods=["GET"]),
            Route("/institutions/{code}", self.read_institution, methods=["GET"]),
            Route("/institutions/{code}/credentials", self.list_fields, methods=["GET"]),
        ]

    def _enter(self, request: Request) -> Document:
        check_basic(self._state.kit, request)
        by_id = read_version(request) == NEW
        return self._state.user(request.path_params["user"], by_id=by_id)

    def _say(self, request: Request, user: Document) -> Response:
        return say(request, {"user": show_user(user, read_version(request))})

    async def list_users(self, request: Request) -> Response:
        check_basic(self._state.kit, request)
        found = self._state.shelf.all("user")
        for name in ("id", "email"):
            if (wanted := request.query_params.get(name)) is not None:
                found = [user for user in found if user[name] == wanted]
        if (disabled := request.query_params.get("is_disabled")) is not None:
            found = [user for user in found if user["is_disabled"] is (disabled.lower() == "true")]
        version = read_version(request)
        return say(request, paginate(request, "users", [show_user(u, version) for u in found]))

    async def create(self, request: Request) -> Response:
        check_basic(self._state.kit, request)
        fields = pick(await read_object(request, "user"), _USER_FIELDS)
        return self._say(request, self._state.create_user(fields))

    async def read(self, request: Request) -> Response:
        return self._say(request, self._enter(request))

    async def update(self, request: Request) -> Response:
        user = self._enter(request)
        fields = pick(await read_object(request, "user"), _USER_FIELDS)
        return self._say(request, self._state.update_user(user, fields))

    async def delete(self, request: Request) -> Response:
        self._state.delete_user(self._enter(request))
        return Response(status_code=204)

    async def request_widget_url(self, request: Request) -> Response:
        user = self._enter(request)
        settings = await read_object(request, "widget_url")
        if not settings.get("widget_type"):
            raise bad_request("widget_type is missing.")
        url = self._widgets.issue(user, settings, self._state.kit.base_url(request))
        shown = {"type": settings["widget_type"], "url": url, "user_id": user["id"]}
        return say(request, {"widget_url": shown})

    async def request_connect_url(self, request: Request) -> Response:
        user = self._enter(request)
        body = await read_object(request)
        settings = body.get("config") or {}
        if not isinstance(settings, dict):
            raise bad_request("config is not an object.")
        url = self._widgets.issue(user, settings, self._state.kit.base_url(request))
        return say(request, {"user": {"connect_widget_url": url, "guid": user["guid"]}})

    async def list_institutions(self, request: Request) -> Response:
        check_basic(self._state.kit, request)
        version = read_version(request)
        found = search(request.query_params.get("name", ""))
        shown = [show_institution(institution, version) for institution in found]
        return say(request, paginate(request, "institutions", shown))

    async def read_institution(self, request: Request) -> Response:
        check_basic(self._state.kit, request)
        shown = show_institution(_find(request), read_version(request))
        return say(request, {"institution": shown})

    async def list_fields(self, request: Request) -> Response:
        check_basic(self._state.kit, request)
        return say(request, paginate(request, "credentials", show_fields(_find(request))))


def search(name: str) -> list[Institution]:
    """The institutions whose name contains every word of `name`."""
    words = name.lower().split()
    return [one for one in INSTITUTIONS if all(word in one.name.lower() for word in words)]


def _find(request: Request) -> Institution:
    """The institution of the path, by code or (new version: `institution_identifier`) by guid."""
    key = request.path_params["code"]
    by_guid = {institution.guid: institution for institution in INSTITUTIONS}
    found = BY_CODE.get(key) or by_guid.get(key)
    if found is None:
        raise not_found("The institution")
    return found
