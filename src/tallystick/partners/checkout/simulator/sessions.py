"""POST /payment-sessions: what a session must have, and every code for what it lacks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tallystick.clock import from_iso
from tallystick.partners.checkout.simulator import names
from tallystick.partners.checkout.simulator.errors import VALIDATION, Refusal, invalid
from tallystick.partners.checkout.simulator.gate import Body
from tallystick.partners.checkout.simulator.show import show_session
from tallystick.partners.checkout.simulator.state import Document, State

_REQUIRED = ("amount", "currency", "billing", "success_url", "failure_url")
_AMOUNT_MAX = 9_999_999_999
_REFERENCE_CHARS_MAX = 50
_URL_CHARS_MAX = 1024
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_CHANNEL = re.compile(r"pc_\w{26}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_STORING = frozenset({"disabled", "enabled", "collect_consent"})
_TYPES = frozenset({"Regular", "Recurring", "MOTO", "Installment", "PayLater", "Unscheduled"})
_OBJECTS = ("metadata", "customer", "payment_method_configuration", "3ds", "risk", "customer_retry")
_LISTS = ("enabled_payment_methods", "disabled_payment_methods", "items")
_TEXTS = ("description", "locale", "display_name")


class Sessions:
    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, body: Body, base_url: str) -> Document:
        asked = {name: value for name, value in body.items() if value is not None}
        codes = _problems(asked, self._state.now_ms())
        if codes:
            raise invalid(*codes)
        channel = asked.get("processing_channel_id")
        if channel is not None and not (isinstance(channel, str) and _CHANNEL.fullmatch(channel)):
            raise Refusal(422, VALIDATION, "processing_channel_id_invalid")
        expires_on = asked.get("expires_on")
        expires_at = None if expires_on is None else from_iso(expires_on)
        return show_session(self._state.create_session(asked, base_url, expires_at), base_url)


def _problems(asked: Document, now_ms: int) -> list[str]:
    """A code for every member that is missing or wrong."""
    missing = [f"{name}_required" for name in _REQUIRED if name not in asked]
    wrong = [f"{name}_invalid" for name, value in asked.items() if not _fits(name, value, now_ms)]
    return missing + wrong + _inner_problems(asked)


def _inner_problems(asked: Document) -> list[str]:
    codes = []
    billing = asked.get("billing")
    address = billing.get("address") if isinstance(billing, dict) else None
    country = address.get("country") if isinstance(address, dict) else None
    if billing is not None and not (isinstance(country, str) and _COUNTRY.fullmatch(country)):
        codes.append("billing_address_country_required" if country is None else "country_invalid")
    configuration = asked.get("payment_method_configuration")
    card = configuration.get("card") if isinstance(configuration, dict) else None
    storing = card.get("store_payment_details") if isinstance(card, dict) else None
    if card is not None and (not isinstance(card, dict) or not _is_one_of(storing, _STORING)):
        codes.append("store_payment_details_invalid")
    if isinstance(card, dict):
        codes += names.problems(card.get("account_holder"))
    secure = asked.get("3ds")
    if isinstance(secure, dict) and secure.get("enabled") is True:
        # Said rather than silently left out; see docs/partners/checkout.md.
        codes.append("three_ds_not_simulated")
    return codes


def _fits(name: str, value: Any, now_ms: int) -> bool:
    if name == "expires_on":
        return _is_later(value, now_ms)
    return name not in _CHECKS or _CHECKS[name](value)


def _is_one_of(value: Any, allowed: frozenset[str]) -> bool:
    return value is None or (isinstance(value, str) and value in allowed)


def _is_url(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > _URL_CHARS_MAX:
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _is_later(value: Any, now_ms: int) -> bool:
    try:
        return from_iso(value) > now_ms
    except (ValueError, TypeError, AttributeError, OverflowError):
        return False


_CHECKS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(_OBJECTS, lambda value: isinstance(value, dict)),
    **dict.fromkeys(_LISTS, lambda value: isinstance(value, list)),
    **dict.fromkeys(_TEXTS, lambda value: isinstance(value, str)),
    **dict.fromkeys(("success_url", "failure_url"), _is_url),
    "amount": lambda value: type(value) is int and 0 <= value <= _AMOUNT_MAX,
    "currency": lambda value: isinstance(value, str) and _CURRENCY.fullmatch(value) is not None,
    "reference": lambda value: isinstance(value, str) and len(value) <= _REFERENCE_CHARS_MAX,
    "payment_type": lambda value: _is_one_of(value, _TYPES),
    "capture": lambda value: isinstance(value, bool),
}
