"""What POST /customers/{id} asks for: a status, an upgrade, a retry, or other fields (6.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import msgspec

from tallystick.api.customers.rules import check
from tallystick.api.customers.store import CustomerRow
from tallystick.api.customers.wire import (
    Address1,
    Address2,
    BusinessName,
    City,
    Email,
    Name,
    Phone,
    PostalCode,
    PostedBase,
    State,
    Text,
)
from tallystick.body import problems
from tallystick.errors import BadRequest, FieldError, InvalidResourceState, ValidationFailed

Status = Literal["suspended", "deactivated", "reactivated"]
_CLOSED = ("suspended", "deactivated")


class UnverifiedEdits(msgspec.Struct, rename="camel", kw_only=True):
    """Fields of an unverified or receive-only customer that may be edited."""

    first_name: Name | None = None
    last_name: Name | None = None
    email: Email | None = None
    business_name: BusinessName | None = None


class VerifiedEdits(msgspec.Struct, rename="camel", kw_only=True):
    """Fields of a verified customer that may be edited: not the names, which were verified."""

    email: Email | None = None
    ip_address: Text | None = None
    phone: Phone | None = None
    address1: Address1 | None = None
    address2: Address2 | None = None
    city: City | None = None
    state: State | None = None
    postal_code: PostalCode | None = None
    doing_business_as: BusinessName | None = None
    website: Text | None = None


class StatusChange(msgspec.Struct, kw_only=True):
    """A customer is suspended, deactivated or reactivated by its status alone."""

    status: Status


@dataclass(frozen=True, slots=True)
class Change:
    """Exactly one of the three: a status, a whole customer, or single columns and details."""

    status: str | None = None
    posted: PostedBase | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


def change_of(row: CustomerRow, body: Any, now_ms: int) -> Change:
    """Raises BadRequest, ValidationFailed, or InvalidResourceState where the state forbids it."""
    if not isinstance(body, dict):
        raise BadRequest
    if "status" in body:
        return _status(row, body["status"])
    if row.status in _CLOSED:
        raise InvalidResourceState
    upgrade = "type" in body and body["type"] != row.type
    if upgrade and body["type"] == "unverified" and row.type == "receive-only":
        return Change(columns={"type": "unverified"})
    if upgrade or row.status == "retry":
        return _again(row, body, now_ms)
    return _edit(row, body)


def _status(row: CustomerRow, status: Any) -> Change:
    if status not in get_args(Status):
        raise ValidationFailed(errors=[FieldError("Invalid", "Status invalid.", "/status")])
    wrong_way = (row.status in _CLOSED) != (status == "reactivated")
    if wrong_way and not (row.status == "suspended" and status == "deactivated"):
        raise InvalidResourceState
    return Change(status=status)


def _again(row: CustomerRow, body: dict[str, Any], now_ms: int) -> Change:
    """An upgrade to a verified type, or all fields again after a failed verification."""
    if row.type not in ("unverified", "receive-only") and row.status != "retry":
        raise InvalidResourceState
    whole = {"type": row.type, **body}
    posted, errors = check(whole, now_ms, full_ssn=row.status == "retry")
    if posted is None or posted.type not in ("personal", "business"):
        errors = errors or [FieldError("Invalid", "Type invalid.", "/type")]
        raise ValidationFailed(errors=errors)
    return Change(posted=posted)


def _edit(row: CustomerRow, body: dict[str, Any]) -> Change:
    shape = UnverifiedEdits if row.type in ("unverified", "receive-only") else VerifiedEdits
    errors = problems(body, shape)
    if errors:
        raise ValidationFailed(errors=errors)
    edits = msgspec.to_builtins(msgspec.convert(body, shape))
    given = {name: value for name, value in edits.items() if value is not None}
    columns = {
        column: given.pop(name)
        for name, column in (
            ("firstName", "first_name"),
            ("lastName", "last_name"),
            ("email", "email"),
            ("businessName", "business_name"),
        )
        if name in given
    }
    given.pop("ipAddress", None)
    return Change(columns=columns, details=given)
