"""Who may call, and what is in the call: the checks that come before every handler."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from tallystick.partners.mx.simulator.errors import MEDIA_TYPE, bad_request, unauthorized
from tallystick.partners.mx.simulator.wire import NEW, read_version
from tallystick.sandbox.kit import Kit, read_json


def check_basic(kit: Kit, request: Request) -> None:
    """The caller is the client (or the processor) that the sandbox knows. Raises Refusal (401)."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True) if scheme.lower() == "basic" else b""
    except binascii.Error:
        given = b""
    if not hmac.compare_digest(given, ":".join(kit.credentials).encode()):
        raise unauthorized()


def read_bearer(request: Request) -> str:
    """The access token of a processor, or the token of a page. Raises Refusal (401)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized()
    return token.strip()


async def read_object(request: Request, name: str | None = None) -> dict[str, Any]:
    """The JSON object of the body, or its member `name`. Raises Refusal (400)."""
    try:
        body = await read_json(request)
    except ValueError as why:
        raise bad_request("The body is not JSON.") from why
    found = body.get(name) if name is not None and isinstance(body, dict) else body
    if not isinstance(found, dict):
        raise bad_request(f"{name} is missing." if name else "The body is not an object.")
    return found


def pick(fields: dict[str, Any], kinds: dict[str, type]) -> dict[str, Any]:
    """Those of `fields` that are in `kinds`, each null or of its type. Raises Refusal (400)."""
    picked = {name: fields[name] for name in kinds if name in fields}
    for name, value in picked.items():
        if value is not None and not isinstance(value, kinds[name]):
            raise bad_request(f"{name} is not of the right type.")
    return picked


def say(request: Request, body: dict[str, Any], status: int = 200) -> JSONResponse:
    """A JSON answer in the media type of the caller's API version."""
    media_type = "application/json" if read_version(request) == NEW else MEDIA_TYPE
    return JSONResponse(body, status, media_type=media_type)
