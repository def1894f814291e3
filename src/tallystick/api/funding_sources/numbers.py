"""Routing and account numbers: checked, sealed as one box, and never shown again."""

from __future__ import annotations

from typing import Any

import msgspec

from tallystick.api.funding_sources import store
from tallystick.api.funding_sources.wire import Edits, FromNumbers
from tallystick.body import problems
from tallystick.core import Core
from tallystick.errors import FieldError
from tallystick.secret import Secret
from tallystick.store.vault import Place

ROUTING = "/routingNumber"

_WEIGHTS = (3, 7, 1) * 3


class Numbers(msgspec.Struct, frozen=True):
    routing: str
    account: str

    def __repr__(self) -> str:
        return "Numbers(«secret»)"


def canonical(account_number: str) -> str:
    """Digits only: spaces and hyphens go, leading zeros stay (security-reliability 4.5)."""
    return account_number.replace(" ", "").replace("-", "")


def is_routing(digits: str) -> bool:
    """The ABA check digit: weights 3, 7, 1 give a sum that ten divides."""
    return (
        len(digits) == len(_WEIGHTS)
        and digits.isascii()
        and digits.isdigit()
        and sum(w * int(d) for w, d in zip(_WEIGHTS, digits, strict=True)) % 10 == 0
    )


def problems_of(body: dict[str, Any], shape: type[FromNumbers | Edits]) -> list[FieldError]:
    """Everything that is wrong with a body that may carry numbers.

    A shape cannot say that a check digit is wrong; that comes last.
    """
    errors = list(problems(body, shape))
    routing = body.get("routingNumber")
    known = any(error.path == ROUTING for error in errors)
    if isinstance(routing, str) and not known and not is_routing(routing):
        errors.append(FieldError("Invalid", "RoutingNumber invalid.", ROUTING))
    return errors


def seal(core: Core, app_id: str, source_id: str, numbers: Numbers) -> bytes:
    place = Place(app_id, store.TABLE, store.NUMBERS, source_id)
    return core.vault.seal(place, msgspec.msgpack.encode(numbers))


def unseal(core: Core, app_id: str, source_id: str, box: bytes) -> Numbers:
    place = Place(app_id, store.TABLE, store.NUMBERS, source_id)
    return msgspec.msgpack.decode(core.vault.open_box(place, box).reveal(), type=Numbers)


def fingerprint(core: Core, app_id: str, numbers: Numbers) -> str:
    return core.vault.fingerprint(app_id, Secret(numbers.routing), Secret(numbers.account))
