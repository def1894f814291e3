"""Who may call, and what is in the call: the checks that come before every handler."""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from tallystick.partners.visa.simulator.errors import (
    Refusal,
    bad_request,
    forbidden,
    unauthorized,
)
from tallystick.partners.visa.simulator.state import Document, State
from tallystick.sandbox.kit import BODY_BYTES_MAX, Kit, read_json

_FORM = "application/x-www-form-urlencoded"
_FIELDS_MAX = 50


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, each once. Raises Refusal (400, 415)."""
    if not request.headers.get("content-type", "").startswith(_FORM):
        raise Refusal(415, "request.unsupported_media_type", f"Send {_FORM}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise bad_request("The body is too large.")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError:
        raise bad_request("The body is not a form.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise bad_request("A field is there twice.")
    return fields


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body. Raises Refusal (400)."""
    try:
        body = await read_json(request)
    except ValueError:
        raise bad_request("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise bad_request("The body is not an object.")
    return body


def text(fields: dict[str, Any], name: str, default: str | None = None) -> str:
    """A text of the body. Raises Refusal (400) when it is not one, or not there."""
    value = fields.get(name, default)
    if not isinstance(value, str) or not value:
        raise bad_request(f"{name} is missing or not a text.")
    return value


def check_client(kit: Kit, fields: dict[str, str]) -> None:
    """The app that the sandbox knows. Raises Refusal (401)."""
    given = (fields.get("client_id", ""), fields.get("client_secret", ""))
    right = [
        hmac.compare_digest(mine.encode(), theirs.encode())
        for mine, theirs in zip(given, kit.credentials, strict=True)
    ]
    if not all(right):
        raise unauthorized("The client is unknown, or its secret is wrong.")


def check_token(state: State, request: Request, scope: str) -> Document:
    """The bearer's token. Raises Refusal: 401, or 403 when it lacks the scope."""
    kind, _, token_id = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise unauthorized()
    token = state.token(token_id.strip())
    if scope not in token["scope"].split(","):
        raise forbidden(scope)
    return token


def check_user(state: State, request: Request, scope: str) -> str:
    """The user whose token this is. Raises Refusal: 401, 403."""
    user_id = check_token(state, request, scope)["user_id"]
    if not isinstance(user_id, str):
        raise forbidden("of a user")
    return user_id
