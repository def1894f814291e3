"""Plaid's error codes (plaid.com/docs/errors) → partners.errors: what the caller should do.

Plaid calls `error_type` and `error_code` safe for programmatic use and `error_message` not; the one
place that looks at a message all the same is `_is_expired`, and nothing breaks when it is wrong.
"""

from __future__ import annotations

import re
from typing import Any

from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    PartnerError,
    PartnerRefused,
    PartnerUnavailable,
    ProofExpired,
    ProofRejected,
)
from tallystick.partners.plaid.messages import request_id

# The Item is there, but the person has to pass Link's update mode (docs/errors/item; for
# ADDITIONAL_CONSENT_REQUIRED and INVALID_ACCOUNT_ID docs/errors/invalid-input names update mode).
NEEDS_UPDATE_MODE = frozenset(
    {
        "ITEM_LOGIN_REQUIRED",
        "ACCESS_NOT_GRANTED",
        "ADDITIONAL_CONSENT_REQUIRED",
        "INSUFFICIENT_CREDENTIALS",
        "INVALID_ACCOUNT_ID",
        "INVALID_CREDENTIALS",
        "INVALID_MFA",
        "ITEM_LOCKED",
        "PASSWORD_RESET_REQUIRED",
        "USER_INPUT_TIMEOUT",
        "USER_SETUP_REQUIRED",
    }
)

# The Item or the token is no more. For USER_PERMISSION_REVOKED Plaid says: remove the Item, a new
# consent makes a new one. INVALID_PROCESSOR_TOKEN: /item/remove ends an Item's processor tokens.
GONE = frozenset(
    {
        "ITEM_NOT_FOUND",
        "ITEM_CONCURRENTLY_DELETED",
        "INVALID_ACCESS_TOKEN",
        "INVALID_PROCESSOR_TOKEN",
        "USER_PERMISSION_REVOKED",
    }
)

# The Item has no account that ACH can reach. Plaid still has the second name in its documentation.
NO_ACCOUNTS = frozenset({"NO_AUTH_ACCOUNTS", "no-depository-accounts", "NO_ACCOUNTS"})

# The Item will not give us `auth`, however often it is asked.
LACKS_PRODUCT = NO_ACCOUNTS | {
    "INVALID_PRODUCT",
    "ITEM_NOT_SUPPORTED",
    "PRODUCTS_NOT_SUPPORTED",
    "PRODUCT_NOT_ENABLED",
}

# Of a type that means "later", yet only the operator or Plaid's support can help.
FOR_THE_OPERATOR = frozenset(
    {
        "CREDITS_EXHAUSTED",
        "INSTITUTION_NOT_ENABLED_IN_ENVIRONMENT",
        "INSTITUTION_NO_LONGER_SUPPORTED",
        "INSTITUTION_REGISTRATION_REQUIRED",
        "UNAUTHORIZED_INSTITUTION",
    }
)

NOT_STARTED = frozenset({"PRODUCT_NOT_READY"})

CODE = re.compile(r"[A-Z][A-Z0-9_]{1,63}|plaid-internal-error|no-depository-accounts")


class NotStarted(PartnerUnavailable):
    """Plaid turned the request away before it did anything: trying again later is safe."""

    def __init__(self, code: str, *, request_id: str | None = None) -> None:
        super().__init__(code, request_id=request_id, acted=False)


class InstitutionDown(PartnerUnavailable):
    """Plaid is well; the institution does not answer it."""

    def __init__(self, code: str, *, request_id: str | None = None) -> None:
        super().__init__(code, request_id=request_id, bank=True)


def as_error(status: int, body: Any, *, redeeming: bool) -> PartnerError:
    """The error that an answer of `status` with `body` means.

    An answer that is not one of Plaid's error bodies is no usable answer: PartnerUnavailable.
    """
    said = body if isinstance(body, dict) else {}
    code, kind, about = said.get("error_code"), said.get("error_type"), request_id(said)
    if not (isinstance(code, str) and CODE.fullmatch(code) and isinstance(kind, str)):
        return PartnerUnavailable("UNREADABLE_ANSWER", request_id=about)
    unsuitable = code == "INVALID_PUBLIC_TOKEN" or (redeeming and code in GONE | LACKS_PRODUCT)
    # The first that holds. A 5xx comes first: it is Plaid's trouble, whatever the body claims, and
    # must not end a grant.
    rules: tuple[tuple[bool, type[PartnerError]], ...] = (
        (status >= 500, PartnerUnavailable),
        (unsuitable and _is_expired(said), ProofExpired),
        (unsuitable, ProofRejected),
        (code in GONE, GrantRevoked),
        (code in NEEDS_UPDATE_MODE, ConsentLost),
        (code in FOR_THE_OPERATOR, PartnerRefused),
        (code in NOT_STARTED or kind == "RATE_LIMIT_EXCEEDED" or status == 429, NotStarted),
        (kind == "INSTITUTION_ERROR", InstitutionDown),
        (kind in {"API_ERROR", "INVALID_RESULT"}, PartnerUnavailable),
    )
    meaning = next((meaning for holds, meaning in rules if holds), PartnerRefused)
    return meaning(code, request_id=about)


def _is_expired(said: dict[str, Any]) -> bool:
    """Our reading: Plaid has one code for unknown, used and expired public tokens.

    Its documentation shows "could not find matching public token"; messages seen in the field say
    "provided public token is expired". Without the word it is merely rejected, which is as true.
    """
    message = said.get("error_message")
    return isinstance(message, str) and "expired" in message.lower()
