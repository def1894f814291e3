"""Tokens, grants and users."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.clock import SECOND_MS
from tallystick.partners.visa.simulator.errors import bad_request
from tallystick.partners.visa.simulator.fixtures import MARKET
from tallystick.partners.visa.simulator.gate import (
    check_client,
    check_token,
    check_user,
    read_form,
    read_object,
    text,
)
from tallystick.partners.visa.simulator.state import TOKEN_MS, Document, State

# Tink Link, to which alone an authorization is delegated.
TINK_LINK_CLIENT = "df05e4b379934cd09963197cc855bfe9"

_GRANT = "authorization:grant"


class OAuth:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        grant = "/api/v1/oauth/authorization-grant"
        return [
            Route("/api/v1/oauth/token", self.token, methods=["POST"]),
            Route(grant, self.grant, methods=["POST"]),
            Route(f"{grant}/delegate", self.delegate, methods=["POST"]),
            Route("/api/v1/user/create", self.create_user, methods=["POST"]),
            Route("/api/v1/user/delete", self.delete_user, methods=["POST"]),
        ]

    async def token(self, request: Request) -> Response:
        fields = await read_form(request)
        check_client(self._state.kit, fields)
        match fields.get("grant_type"):
            case "client_credentials":
                token = self._state.create_token(_scope(fields), None)
                return JSONResponse(_show(token))
            case "authorization_code":
                code = self._state.use_code(fields.get("code", ""), delegated=False)
                if code is None:
                    raise bad_request("The code is unknown, used or expired.", "oauth.invalid_code")
                token = self._state.create_token(code["scope"], code["user_id"])
                refresh = self._keep_refresh(token)
                return JSONResponse({**_show(token), "refresh_token": refresh})
            case "refresh_token":
                return self._refresh(fields.get("refresh_token", ""))
            case _:
                raise bad_request("The grant_type is not known.", "oauth.unsupported_grant_type")

    def _keep_refresh(self, token: Document) -> str:
        refresh = self._state.new_id()
        kept = {"id": refresh, "scope": token["scope"], "user_id": token["user_id"]}
        self._state.shelf.put("refresh_token", refresh, kept)
        return refresh

    def _refresh(self, refresh_id: str) -> Response:
        kept = self._state.shelf.get("refresh_token", refresh_id)
        if kept is None or self._state.shelf.get("user", kept["user_id"]) is None:
            raise bad_request("The refresh token is unknown.", "oauth.invalid_refresh_token")
        token = self._state.create_token(kept["scope"], kept["user_id"])
        return JSONResponse({**_show(token), "refresh_token": refresh_id})

    async def grant(self, request: Request) -> Response:
        """A code that is swapped for a token of the user."""
        check_token(self._state, request, _GRANT)
        fields = await read_form(request)
        user = self._state.user(fields.get("user_id"), fields.get("external_user_id"))
        code = self._state.create_code(user, _scope(fields), delegated=False)
        return JSONResponse({"code": code["id"]})

    async def delegate(self, request: Request) -> Response:
        """A code with which Tink Link acts for the user."""
        check_token(self._state, request, _GRANT)
        fields = await read_form(request)
        if fields.get("actor_client_id") != TINK_LINK_CLIENT:
            raise bad_request("The actor_client_id is not known.")
        text(fields, "id_hint")
        user = self._state.user(fields.get("user_id"), fields.get("external_user_id"))
        code = self._state.create_code(user, _scope(fields), delegated=True)
        return JSONResponse({"code": code["id"]})

    async def create_user(self, request: Request) -> Response:
        check_token(self._state, request, "user:create")
        body = await read_object(request)
        external = body.get("external_user_id")
        if external is not None:
            external = text(body, "external_user_id")
        if text(body, "market") != MARKET:
            raise bad_request("The market is not open to this app.")
        user = self._state.create_user(external, MARKET, text(body, "locale", "en_US"))
        return JSONResponse({"user_id": user["id"], "external_user_id": external})

    async def delete_user(self, request: Request) -> Response:
        user_id = check_user(self._state, request, "user:delete")
        self._state.delete_user(self._state.user(user_id, None))
        return Response(status_code=204)


def _scope(fields: dict[str, str]) -> str:
    """Comma-separated; blanks around the commas do not matter. Raises Refusal (400)."""
    scopes = [each.strip() for each in text(fields, "scope").split(",")]
    if not all(scopes):
        raise bad_request("The scope has an empty part.", "oauth.invalid_scope")
    return ",".join(scopes)


def _show(token: Document) -> Document:
    return {
        "access_token": token["id"],
        "token_type": "bearer",
        "expires_in": TOKEN_MS // SECOND_MS,
        "scope": token["scope"],
    }
