"""Which shape a body must have, and what a shape cannot say: ages, dates, one of two numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from tallystick.api.customers.wire import (
    PostedBase,
    PostedBusiness,
    PostedCompany,
    PostedCustomer,
    PostedPersonal,
    PostedSoleProprietor,
)
from tallystick.body import problems
from tallystick.errors import BadRequest, FieldError

AGE_MIN = 18
AGE_MAX = 125
SOLE = "soleProprietorship"
_FULL_SSN_DIGITS = 9


def shape_of(body: Mapping[str, Any]) -> type[PostedBase]:
    """The shape that a body with this `type` and `businessType` must have."""
    match body.get("type"):
        case "personal":
            return PostedPersonal
        case "business" if body.get("businessType") == SOLE:
            return PostedSoleProprietor
        case "business" if body.get("businessType") in ("llc", "corporation", "partnership"):
            return PostedCompany
        case "business":
            return PostedBusiness
        case _:
            return PostedCustomer


def check(
    body: Any, now_ms: int, *, full_ssn: bool = False
) -> tuple[PostedBase | None, list[FieldError]]:
    """The customer that a body asks for, or everything that is wrong with it.

    `full_ssn`: a retry must give all nine digits. Raises BadRequest when it is no JSON object.
    """
    if not isinstance(body, dict):
        raise BadRequest
    shape = shape_of(body)
    errors = list(problems(body, shape))
    wrong = {error.path for error in errors}
    errors += [each for each in _beyond(body, now_ms, full_ssn=full_ssn) if each.path not in wrong]
    if errors:
        return None, _ordered(errors, shape)
    return msgspec.convert(body, shape), []


def _beyond(body: Mapping[str, Any], now_ms: int, *, full_ssn: bool) -> list[FieldError]:
    if body.get("type") not in ("personal", "business"):
        return []
    today = datetime.fromtimestamp(now_ms / 1_000, UTC).date()
    found = []
    if "dateOfBirth" in body and not _of_age(body["dateOfBirth"], today):
        found.append(FieldError("Invalid", "DateOfBirth invalid.", "/dateOfBirth"))
    if full_ssn and "ssn" in body and len(str(body["ssn"]).replace("-", "")) != _FULL_SSN_DIGITS:
        found.append(FieldError("Invalid", "Ssn must have nine digits.", "/ssn"))
    controller = body.get("controller")
    if isinstance(controller, dict) and body.get("businessType") != SOLE:
        if not _of_age(controller.get("dateOfBirth"), today):
            path = "/controller/dateOfBirth"
            found.append(FieldError("Invalid", "DateOfBirth invalid.", path))
        if controller.get("ssn") is None and controller.get("passport") is None:
            found.append(FieldError("Required", "Ssn required.", "/controller/ssn"))
    return found


def _of_age(text: object, today: date) -> bool:
    try:
        born = date.fromisoformat(str(text))
    except ValueError:
        return False
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return AGE_MIN <= age <= AGE_MAX


def _ordered(errors: list[FieldError], shape: type[msgspec.Struct]) -> list[FieldError]:
    order = [field.encode_name for field in msgspec.structs.fields(shape)]

    def rank(error: FieldError) -> int:
        name = error.path.split("/")[1] if error.path else ""
        return order.index(name) if name in order else len(order)

    return sorted(errors, key=rank)
