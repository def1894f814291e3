"""What POST /funding-sources/{id} makes of a bank account other than removed (contract 6.3)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from tallystick.api.funding_sources import numbers
from tallystick.api.funding_sources.numbers import Numbers
from tallystick.api.funding_sources.store import FundingSourceRow
from tallystick.api.funding_sources.wire import Edits
from tallystick.core import Core
from tallystick.errors import FieldError, ValidationFailed

# Documented for what is no bank; the documents use it for bad names as well.
ONLY_BANKS = "Only funding sources of type='bank' can be updated."

_NUMBERS = ("routingNumber", "accountNumber", "bankAccountType")


def edited(core: Core, row: FundingSourceRow, body: dict[str, Any]) -> FundingSourceRow:
    """The row as `body` wants it. Raises ValidationFailed with everything that is wrong.

    Of a verified bank only the name may change: the rest is what was verified.
    """
    if row.type != "bank" or row.bank_usage_type is not None:
        raise ValidationFailed(ONLY_BANKS)
    errors = numbers.problems_of(body, Edits)
    if row.status == "verified":
        errors = [error for error in errors if error.path == "/name"]
        errors += [
            FieldError("NotAllowed", f"{name} of a verified bank cannot be changed.", f"/{name}")
            for name in _NUMBERS
            if name in body
        ]
    if errors or not any(name in body for name in ("name", *_NUMBERS)):
        raise ValidationFailed(ONLY_BANKS, errors=errors)
    edits = msgspec.convert(body, Edits)
    fresh = msgspec.structs.replace(
        row,
        name=_or(edits.name, row.name),
        bank_account_type=_or(edits.bank_account_type, row.bank_account_type),
    )
    if edits.routing_number is UNSET and edits.account_number is UNSET:
        return fresh
    old = numbers.unseal(core, row.app_id, row.id, row.numbers_sealed or b"")
    own = Numbers(
        _or(edits.routing_number, old.routing),
        numbers.canonical(_or(edits.account_number, old.account)),
    )
    return msgspec.structs.replace(
        fresh,
        fingerprint=numbers.fingerprint(core, row.app_id, own),
        numbers_sealed=numbers.seal(core, row.app_id, row.id, own),
    )


def _or(value: Any, otherwise: Any) -> Any:
    return otherwise if value is UNSET else value
