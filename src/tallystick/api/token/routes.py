"""POST /token. The one call without a bearer token, with a form for a body, answered as plain JSON.

Whatever goes wrong is told as `{"error": …}`, because that is all Dwolla's SDKs look at.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec

from tallystick.api.token import service
from tallystick.api.token.wire import AccessToken, TokenRefused
from tallystick.core import Core

FORM = "application/x-www-form-urlencoded"
FIELDS_MAX = 16

Answer = tuple[int, bytes]


async def issue(
    core: Core, content_type: str | None, authorization: str | None, raw: bytes
) -> Answer:
    """The status and body for this request (contract 1.2 has the table)."""
    kind = (FORM if content_type is None else content_type).partition(";")[0].strip().lower()
    try:
        pairs = parse_qsl(raw.decode("utf-8"), max_num_fields=FIELDS_MAX, keep_blank_values=True)
    except ValueError:
        pairs = []
    form = dict(pairs)
    if kind != FORM or len(form) != len(pairs) or "grant_type" not in form:
        return _refuse(400, "invalid_request", "Send grant_type once, in a form.")
    if form["grant_type"] != "client_credentials":
        return _refuse(400, "unsupported_grant_type", "Only client_credentials is supported.")
    credentials = _credentials(authorization, form)
    if credentials is None:
        return _refuse(401, "invalid_client", "Missing or contradictory client credentials.")
    token = await service.issue(core, *credentials)
    if token is None:
        return _refuse(401, "invalid_client", "Unknown client or wrong secret.")
    return 200, msgspec.json.encode(AccessToken(token.reveal(), "Bearer", service.LIFETIME_S))


def _credentials(authorization: str | None, form: Mapping[str, str]) -> tuple[str, str] | None:
    """From the Basic header or from the form; if both are there, they must agree."""
    posted = (form["client_id"], form["client_secret"]) if _posts(form) else None
    if authorization is None:
        return posted
    scheme, _, encoded = authorization.partition(" ")
    try:
        plain = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    client_id, colon, client_secret = plain.partition(":")
    if scheme.lower() != "basic" or not colon:
        return None
    basic = (client_id, client_secret)
    return basic if posted in (None, basic) else None


def _posts(form: Mapping[str, str]) -> bool:
    return "client_id" in form and "client_secret" in form


def _refuse(status: int, error: str, description: str) -> Answer:
    return status, msgspec.json.encode(TokenRefused(error, description))


# Not in the routing table of the HAL operations: it has neither principal nor media type.
ROUTES = ()
