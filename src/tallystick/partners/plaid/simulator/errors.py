"""Plaid's error body and the codes that this simulator answers with.

Types, codes, messages and display messages are those of Plaid's error pages (item, institution,
invalid input, invalid request, API, sandbox errors). What is our reading is marked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Entry:
    error_type: str
    message: str
    display: str | None = None
    status: int = 400


_TRY_LATER = (
    "This financial institution is not currently responding to requests. "
    "We apologize for the inconvenience."
)
_NOT_RESPONDING = (
    "this institution is not currently responding to this request. please try again soon"
)

_ENTRIES = {
    # Item errors
    "INSUFFICIENT_CREDENTIALS": _Entry(
        "ITEM_ERROR",
        "insufficient authorization was provided to complete the request",
        "INSUFFICIENT_CREDENTIALS",
    ),
    "INVALID_CREDENTIALS": _Entry(
        "ITEM_ERROR",
        "the provided credentials were not correct",
        "The provided credentials were not correct. Please try again.",
    ),
    "INVALID_MFA": _Entry(
        "ITEM_ERROR",
        "the provided MFA response(s) were not correct",
        "The provided MFA responses were not correct. Please try again.",
    ),
    "INVALID_SEND_METHOD": _Entry("ITEM_ERROR", "the provided MFA send_method was invalid"),
    "INVALID_UPDATED_USERNAME": _Entry(
        "ITEM_ERROR",
        "the username provided to /item/credentials/update does not match the original username "
        "for the item",
    ),
    "ITEM_LOCKED": _Entry(
        "ITEM_ERROR",
        "the account is locked. prompt the user to visit the institution's site and unlock their "
        "account",
        "The given account has been locked by the financial institution. Please visit your "
        "financial institution's website to unlock your account.",
    ),
    "ITEM_LOGIN_REQUIRED": _Entry(
        "ITEM_ERROR",
        "the login details of this item have changed (credentials, MFA, or required user action) "
        "and a user login is required to update this information. use Link's update mode to "
        "restore the item to a good state",
    ),
    "ITEM_NOT_FOUND": _Entry(
        "ITEM_ERROR",
        "The Item you requested cannot be found. This Item does not exist, has been previously "
        "removed via /item/remove, or has had access removed by the user.",
    ),
    "ITEM_NOT_SUPPORTED": _Entry(
        "ITEM_ERROR",
        "this account is currently not supported",
        "The given account is not currently supported for this financial institution. We "
        "apologize for the inconvenience.",
    ),
    "MFA_NOT_SUPPORTED": _Entry(
        "ITEM_ERROR",
        "this account requires a MFA type that we do not currently support for the institution",
        "The multi-factor security features enabled on this account are not currently supported "
        "for this financial institution. We apologize for the inconvenience.",
    ),
    "NO_ACCOUNTS": _Entry(
        "ITEM_ERROR",
        "no valid accounts were found for this item",
        "No valid accounts were found at the financial institution. Please visit your financial "
        "institution's website to confirm accounts are available.",
    ),
    "NO_AUTH_ACCOUNTS": _Entry(
        "ITEM_ERROR",
        "There are no valid checking or savings account(s) associated with this Item. See "
        "https://plaid.com/docs/api/#item-errors for more.",
    ),
    "PASSWORD_RESET_REQUIRED": _Entry(
        "ITEM_ERROR",
        "user must reset their password",
        "The user needs to reset their password for their account",
    ),
    "USER_INPUT_TIMEOUT": _Entry(
        "ITEM_ERROR",
        "user input timeout",
        "The application timed out waiting for user input",
    ),
    "USER_PERMISSION_REVOKED": _Entry(
        "ITEM_ERROR",
        "the holder of this account has revoked their permission for your application to access it",
    ),
    "USER_SETUP_REQUIRED": _Entry(
        "ITEM_ERROR",
        "the account has not been fully set up. prompt the user to visit the issuing "
        "institution's site and finish the setup process",
        "The given account is not fully setup. Please visit your financial institution's website "
        "to setup your account.",
    ),
    # Institution errors
    "INSTITUTION_DOWN": _Entry("INSTITUTION_ERROR", _NOT_RESPONDING, _TRY_LATER),
    "INSTITUTION_NOT_RESPONDING": _Entry("INSTITUTION_ERROR", _NOT_RESPONDING, _TRY_LATER),
    "INSTITUTION_NOT_AVAILABLE": _Entry("INSTITUTION_ERROR", _NOT_RESPONDING, _TRY_LATER),
    "INSTITUTION_NO_LONGER_SUPPORTED": _Entry(
        "INSTITUTION_ERROR",
        "this institution is no longer supported",
        "This financial institution is no longer supported. We apologize for the inconvenience.",
    ),
    # Invalid input
    "INVALID_ACCESS_TOKEN": _Entry("INVALID_INPUT", "could not find matching access token"),
    "INVALID_ACCOUNT_ID": _Entry(
        "INVALID_INPUT", "failed to find requested account ID for requested item"
    ),
    "INVALID_API_KEYS": _Entry("INVALID_INPUT", "invalid client_id or secret provided"),
    "INVALID_INSTITUTION": _Entry("INVALID_INPUT", "invalid institution_id provided"),
    "INVALID_LINK_TOKEN": _Entry("INVALID_INPUT", "invalid link_token provided"),
    # Plaid's page shows a null message; the OpenAPI document wants a string. Our reading.
    "INVALID_PROCESSOR_TOKEN": _Entry("INVALID_INPUT", "could not find matching processor token"),
    "INVALID_PRODUCT": _Entry(
        "INVALID_INPUT", "client is not authorized to access the following products"
    ),
    "INVALID_PUBLIC_TOKEN": _Entry("INVALID_INPUT", "could not find matching public token"),
    # The code is the one that plaid-node's own tests expect; the message is our reading.
    "INVALID_WEBHOOK_VERIFICATION_KEY_ID": _Entry(
        "INVALID_INPUT", "invalid key_id provided. note that key_ids are case-sensitive"
    ),
    # Invalid request
    "INVALID_BODY": _Entry("INVALID_REQUEST", "body could not be parsed as JSON"),
    "INVALID_FIELD": _Entry("INVALID_REQUEST", "a field of the request is invalid"),
    "MISSING_FIELDS": _Entry("INVALID_REQUEST", "the following required fields are missing"),
    "NOT_FOUND": _Entry("INVALID_REQUEST", "the requested resource could not be found", None, 404),
    "UNKNOWN_FIELDS": _Entry(
        "INVALID_REQUEST", "the following fields are not recognized by this endpoint"
    ),
    # API and sandbox errors
    "INTERNAL_SERVER_ERROR": _Entry("API_ERROR", "an unexpected error occurred", None, 500),
    "SANDBOX_PRODUCT_NOT_ENABLED": _Entry(
        "SANDBOX_ERROR", "The product is not enabled on this item"
    ),
    "SANDBOX_WEBHOOK_INVALID": _Entry(
        "SANDBOX_ERROR",
        "Webhook for this item is either not set up, or invalid. Please update the item's webhook "
        "and try again.",
    ),
}

# What a password `error_{code}` can bring about (Plaid, Sandbox test credentials): the item and
# institution errors that the person meets while logging in.
LOGIN_ERRORS = frozenset(
    code
    for code, entry in _ENTRIES.items()
    if entry.error_type in {"ITEM_ERROR", "INSTITUTION_ERROR"}
    and code
    not in {
        "ITEM_LOGIN_REQUIRED",
        "ITEM_NOT_FOUND",
        "INVALID_UPDATED_USERNAME",
        "USER_PERMISSION_REVOKED",
    }
) | {"INTERNAL_SERVER_ERROR"}


class Refusal(Exception):
    """An answer of Plaid that is not a success. `code` is one of Plaid's error codes."""

    def __init__(self, code: str, message: str | None = None) -> None:
        self.entry = _ENTRIES[code]
        self.code = code
        self.message = message or self.entry.message
        super().__init__(f"{code}: {self.message}")

    @property
    def status(self) -> int:
        return self.entry.status

    def body(self, request_id: str) -> Document:
        return {
            "error_type": self.entry.error_type,
            "error_code": self.code,
            "error_message": self.message,
            "display_message": self.entry.display,
            "request_id": request_id,
            "suggested_action": None,
        }


def describe(code: str) -> Document:
    """The error as an Item or a webhook carries it: without a request of its own."""
    refusal = Refusal(code)
    return {
        "error_type": refusal.entry.error_type,
        "error_code": code,
        "error_message": refusal.message,
        "display_message": refusal.entry.display,
        "status": refusal.status,
    }


def missing(*names: str) -> Refusal:
    return Refusal(
        "MISSING_FIELDS", f"the following required fields are missing: {', '.join(names)}"
    )


def unknown(*names: str) -> Refusal:
    return Refusal(
        "UNKNOWN_FIELDS",
        f"the following fields are not recognized by this endpoint: {', '.join(names)}",
    )


def invalid(message: str) -> Refusal:
    return Refusal("INVALID_FIELD", message)
