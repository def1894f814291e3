"""Who may call, and what is in the call: the checks that come before every handler."""

from __future__ import annotations

import hmac
from typing import Any

from starlette.requests import Request

from tallystick.partners.flinks.simulator.errors import (
    Refusal,
    access_denied,
    invalid_request,
)
from tallystick.sandbox.kit import Kit, read_json

# The customer that Flinks' documentation gives everybody on its `toolbox` instance.
TOOLBOX_CUSTOMER = "43387ca6-0391-4c82-857d-70d95f087ecb"


def check_customer(kit: Kit, request: Request) -> str:
    """The customer in the path. Raises Refusal for one that is not known."""
    customer: str = request.path_params["customer"]
    if customer not in (kit.credentials[0], TOOLBOX_CUSTOMER):
        raise Refusal(404, "CUSTOMER_NOT_FOUND", "The CustomerId is unknown.")
    return customer


def read_bearer(request: Request) -> str:
    """The token of `Authorization: Bearer`. Raises Refusal (401)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise access_denied()
    return token.strip()


def check_secret(kit: Kit, given: str) -> None:
    """The API secret of the customer. Raises Refusal (401)."""
    if not hmac.compare_digest(given.encode(), kit.credentials[1].encode()):
        raise access_denied()


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body. Raises Refusal."""
    try:
        body = await read_json(request)
    except ValueError as why:
        raise invalid_request("The body is not JSON.") from why
    if not isinstance(body, dict):
        raise invalid_request("The body is not an object.")
    return body


def text(body: dict[str, Any], name: str) -> str:
    """A member that must be a text with something in it. Raises Refusal."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise invalid_request(f"{name} is missing or not a text.")
    return value.strip()


def flag(body: dict[str, Any], name: str, *, default: bool) -> bool:
    """A member that says yes or no; Flinks' own samples write `"true"` as well as `true`."""
    value = body.get(name, default)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise invalid_request(f"{name} is neither true nor false.")
    return value
