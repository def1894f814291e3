"""Who may call, and what is in the call: partner authentication and the checks before a handler.

"The token is valid for two hours"; "after five failed attempts to authenticate, your account will
be locked" and support has to reset it (Create Access Token): `/_control/unlock` is that support.

There are two partners: the one that every simulator knows, which the gateway is, and one for
integrators, whose customers the gateway only reaches through a receipt, as in production.
"""

from __future__ import annotations

import hmac
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.clock import HOUR_MS
from tallystick.ids import base62
from tallystick.partners.finicity.simulator.errors import (
    Refusal,
    bad_credentials,
    bad_request,
    invalid,
    locked_out,
    missing,
)
from tallystick.sandbox.kit import Kit, read_json

TOKEN_LIFE_MS = 2 * HOUR_MS
TOKEN_CHARS = 20
FAILURES_MAX = 5
INTEGRATOR = "integrator"  # its partner id, secret and app key

Body = dict[str, Any]


class Gate:
    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        processor, secret = kit.credentials
        self.processor = processor
        self._secrets = {INTEGRATOR: INTEGRATOR, processor: secret}

    def routes(self) -> list[Route]:
        return [
            Route("/aggregation/v2/partners/authentication", self.authenticate, methods=["POST"]),
            Route("/_control/unlock", self.unlock, methods=["POST"]),
        ]

    async def authenticate(self, request: Request) -> Response:
        self._check_app_key(request)
        body = await read_object(request)
        partner, secret = read_text(body, "partnerId"), read_text(body, "partnerSecret")
        good = self._secrets.get(partner)
        if good is None:
            raise bad_credentials()
        kept = self._kit.shelf.get("partner", partner) or {"failures": 0}
        if kept["failures"] >= FAILURES_MAX:
            raise locked_out()
        if not _same(secret, good):
            self._kit.shelf.put("partner", partner, {"failures": kept["failures"] + 1})
            raise bad_credentials()
        self._kit.shelf.drop("partner", partner)
        token = base62(self._kit.entropy, TOKEN_CHARS)
        expires_at = self._kit.clock.now_ms() + TOKEN_LIFE_MS
        self._kit.shelf.put("token", token, {"partner": partner, "expires_at": expires_at})
        return JSONResponse({"token": token})

    async def unlock(self, _request: Request) -> Response:
        for partner in self._secrets:
            self._kit.shelf.drop("partner", partner)
        return Response(status_code=204)

    def partner(self, request: Request) -> str:
        """The partner who calls. Raises Refusal (401)."""
        self._check_app_key(request)
        token = request.headers.get("finicity-app-token")
        if not token:
            raise Refusal(401, "10024", "Missing parameter (Finicity-App-Token)")
        known = self._kit.shelf.get("token", token)
        if known is None:
            raise Refusal(401, "10022", "Invalid (Finicity-App-Token)")
        if self._kit.clock.now_ms() >= known["expires_at"]:
            said = "Your connection timed out due to inactivity. Please start again."
            raise Refusal(401, "10023", "Expired (Finicity-App-Token)", said)
        return str(known["partner"])

    def secret_of(self, partner: str) -> str:
        """What signs the webhooks that this partner asked for."""
        return self._secrets[partner]

    def _check_app_key(self, request: Request) -> None:
        key = request.headers.get("finicity-app-key")
        if not key:
            raise Refusal(401, "10026", "Missing parameter (Finicity-App-Key)")
        if not any(_same(key, each) for each in self._secrets.values()):
            raise Refusal(401, "10027", "Invalid parameter (Finicity-App-Key)")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


async def read_object(request: Request) -> Body:
    """The JSON object of the body. Raises Refusal (400)."""
    try:
        body = await read_json(request)
    except ValueError as why:
        raise bad_request("The body is not JSON") from why
    if not isinstance(body, dict):
        raise bad_request("The body is not an object")
    return body


def read_text(body: Body, name: str) -> str:
    """A required text. Whole numbers are taken as text: clients write ids either way."""
    value = read_optional_text(body, name)
    if not value:
        raise missing(name)
    return value


def read_optional_text(body: Body, name: str, most: int = 2_048) -> str | None:
    value = body.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        value = str(value)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise invalid(f'"{name}" must be a string')
    return value.strip()
