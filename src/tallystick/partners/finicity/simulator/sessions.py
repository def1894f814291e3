"""Connect URLs: making one, and opening it.

The shape is that of Mastercard's example, with its two hours between `timestamp` and `ttl`. The
`signature` is what makes a URL one of ours: it is the secret of the session behind it.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.clock import HOUR_MS
from tallystick.partners.finicity.simulator.errors import Refusal, invalid, not_found
from tallystick.partners.finicity.simulator.fixtures import BY_ID
from tallystick.partners.finicity.simulator.gate import (
    Body,
    Gate,
    read_object,
    read_optional_text,
    read_text,
)
from tallystick.partners.finicity.simulator.notices import Notices
from tallystick.partners.finicity.simulator.state import Document, State

URL_LIFE_MS = 2 * HOUR_MS

_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)
# Addresses that would run as a script of the page that goes there.
_FORBIDDEN_SCHEMES = frozenset({"javascript", "data", "vbscript", "blob", "file", "about"})


class Sessions:
    def __init__(self, state: State, gate: Gate) -> None:
        self._state = state
        self._shelf = state.shelf
        self._clock = state.kit.clock
        self._gate = gate
        self.notices = Notices(state.kit, gate)

    def routes(self) -> list[Route]:
        return [
            Route("/connect/v2/generate", self.generate, methods=["POST"]),
            Route("/connect/v2/generate/lite", self.generate_lite, methods=["POST"]),
            Route("/connect/v2/generate/fix", self.generate_fix, methods=["POST"]),
        ]

    async def generate(self, request: Request) -> Response:
        partner = self._gate.partner(request)
        body = await read_object(request)
        return self._issue(request, partner, body, {"type": "full"})

    async def generate_lite(self, request: Request) -> Response:
        """One institution, chosen by the integrator."""
        partner = self._gate.partner(request)
        body = await read_object(request)
        number = read_text(body, "institutionId")
        if not number.isascii() or not number.isdigit() or len(number) > 9:
            raise invalid('"institutionId" must be a number')
        if int(number) not in BY_ID:
            raise not_found("Institution")
        return self._issue(request, partner, body, {"type": "lite", "institution_id": int(number)})

    async def generate_fix(self, request: Request) -> Response:
        """A sign-in that the person has to repeat."""
        partner = self._gate.partner(request)
        body = await read_object(request)
        login_id = read_text(body, "institutionLoginId")
        customer = self._customer(partner, body)
        login = self._state.login(customer["id"], login_id)
        kind = {
            "type": "fix",
            "institution_id": login["institution_id"],
            "login_id": login["id"],
        }
        return self._issue(request, partner, body, kind)

    def _customer(self, partner: str, body: Body) -> Document:
        if read_text(body, "partnerId") != partner:
            raise invalid("partnerId does not belong to this partner")
        customer = self._shelf.get("customer", read_text(body, "customerId"))
        if customer is None or customer["partner"] != partner:
            raise invalid("Customer ID does not exist or does not belong to this partner")
        return customer

    def _issue(self, request: Request, partner: str, body: Body, kind: Document) -> Response:
        customer = self._customer(partner, body)
        now_ms = self._clock.now_ms()
        session = {
            "id": self._state.kit.entropy.bytes(32).hex(),
            "customer_id": customer["id"],
            "partner": partner,
            "institution_id": None,
            "login_id": None,
            "single_use": body.get("singleUseUrl") is True,
            "redirect": _read_address(body, "redirectUri"),
            "webhook": _read_web_address(body, "webhook"),
            "webhook_headers": _read_headers(body),
            "webhook_data": _read_plain_object(body, "webhookData"),
            "created_at": now_ms,
            "done": False,
            # What the person has reached: who is signed in where, and what the bank asked.
            "signed_in": None,
            "asked": None,
            **kind,
        }
        self._shelf.put("session", session["id"], session)
        query = {
            "customerId": customer["id"],
            "origin": "url",
            "partnerId": partner,
            "signature": session["id"],
            "timestamp": now_ms,
            "ttl": now_ms + URL_LIFE_MS,
            "type": session["type"],
        }
        link = f"{self._state.kit.base_url(request)}/connect?{urlencode(query)}"
        return JSONResponse({"link": link})

    def open(self, key: object) -> Document:
        """The session of a Connect URL. Raises Refusal: unknown (404), or over (401)."""
        session = None
        if isinstance(key, str) and _KEY.fullmatch(key):
            session = self._shelf.get("session", key)
        if session is None:
            raise not_found("Session")
        if self._clock.now_ms() - session["created_at"] >= URL_LIFE_MS:
            raise Refusal(401, "10023", "Expired session", "This page has been open for too long.")
        if session["done"] and session["single_use"]:
            raise Refusal(401, "10022", "Used session", "This link has been used.")
        return session

    def keep(self, session: Document) -> Document:
        self._shelf.put("session", session["id"], session)
        return session


def read_key(handle: object) -> object:
    """The session's key in a Connect URL, or the key itself."""
    if not isinstance(handle, str):
        return None
    found = re.search(r"[?&]signature=([0-9a-f]{64})", handle)
    return found[1] if found else handle


def _read_address(body: Body, name: str) -> str | None:
    """Where a person may be sent: an absolute address, of the web or of an app."""
    text = read_optional_text(body, name)
    if not text:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        raise invalid(f'"{name}" must be a valid uri') from None
    scheme = parts.scheme
    if not _SCHEME.fullmatch(scheme) or scheme in _FORBIDDEN_SCHEMES or not parts.netloc:
        raise invalid(f'"{name}" must be a valid uri')
    return text


def _read_web_address(body: Body, name: str) -> str | None:
    text = _read_address(body, name)
    if text is not None and urlsplit(text).scheme not in ("http", "https"):
        raise invalid(f'"{name}" must be a valid uri with a scheme of http|https')
    return text


def _read_plain_object(body: Body, name: str) -> dict[str, Any]:
    found = body.get(name)
    if found is not None and not isinstance(found, dict):
        raise invalid(f'"{name}" must be an object')
    return found or {}


def _read_headers(body: Body) -> dict[str, str]:
    found = _read_plain_object(body, "webhookHeaders")
    for header, value in found.items():
        fits = isinstance(value, str) and value.isascii() and value.isprintable()
        if not _HEADER_NAME.fullmatch(header) or not fits:
            raise invalid('"webhookHeaders" must be texts')
    return found
