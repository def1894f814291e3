"""Who may call, and what is in the call: the checks that come before every endpoint."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request

from tallystick.partners.checkout.simulator.cards import is_luhn_valid
from tallystick.partners.checkout.simulator.errors import invalid, malformed, unauthorized
from tallystick.sandbox.kit import Kit, read_json

Body = dict[str, Any]

# The form of sandbox keys, as the official SDKs check it: they take no other text for a key. One
# without `sbox_` is a key to real money, and has no business here.
_SECRET = re.compile(r"sk_sbox_[a-z2-7]{26}[a-z2-7*#$=]", re.ASCII)
_PUBLIC = re.compile(r"pk_sbox_[a-z2-7]{26}[a-z2-7*#$=]", re.ASCII)

_NUMBER = re.compile(r"(?<![0-9])(?:[0-9]{13,19}|[0-9]{4}(?:[ -][0-9]{4}){3})(?![0-9])", re.ASCII)


def check_secret_key(kit: Kit, request: Request) -> None:
    """Raises Refusal (401)."""
    _check(request, kit.credentials[1], _SECRET)


def check_public_key(kit: Kit, request: Request) -> None:
    """Raises Refusal (401)."""
    _check(request, kit.credentials[0], _PUBLIC)


def _check(request: Request, known: str, form: re.Pattern[str]) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    right = hmac.compare_digest(given.encode(), known.encode()) or form.fullmatch(given)
    if scheme.lower() != "bearer" or not right:
        raise unauthorized()


async def read_object(request: Request) -> Body:
    """The JSON object of the body. Raises Refusal."""
    try:
        body = await read_json(request)
    except ValueError:
        # Without its cause, which quotes the body.
        raise malformed() from None
    if not isinstance(body, dict):
        raise malformed()
    return body


def refuse_card_numbers(body: Body) -> None:
    """No text of a call from a server may hold a card's number: all of it is kept. Raises Refusal.

    Ours, not Checkout.com's: see "Card numbers" in docs/partners/checkout.md.
    """
    if any(_holds_number(str(leaf)) for leaf in _leaves(body) if isinstance(leaf, str | int)):
        raise invalid("card_number_not_allowed")


def _leaves(body: Body) -> Iterator[object]:
    """Every value, and every name, in the body."""
    rest: list[object] = [body]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            rest += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            rest += value
        else:
            yield value


def _holds_number(text: str) -> bool:
    return any(is_luhn_valid(found) for found in _NUMBER.findall(text))


def text_of(body: Body, name: str) -> str:
    """A member that must be a text. Raises Refusal (422)."""
    value = body.get(name)
    if value is None:
        raise invalid(f"{name}_required")
    if not isinstance(value, str) or not value:
        raise invalid(f"{name}_invalid")
    return value
