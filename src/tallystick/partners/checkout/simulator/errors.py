"""How this simulator says no: `{request_id, error_type, error_codes}`, or nothing but a status.

Checkout.com documents a 401 and a 404 without a body; the request's id is then only in the header.
The list of its codes is open; those that are our reading are named in docs/partners/checkout.md.
"""

from __future__ import annotations

from typing import Any

INVALID = "request_invalid"
# What the live sandbox was seen to say of a wrong channel or customer.
VALIDATION = "validation_error"


class Refusal(Exception):
    """An answer with an error. Without an `error_type` it has no body."""

    def __init__(self, status: int, error_type: str | None = None, *codes: str) -> None:
        super().__init__(", ".join(codes) or str(status))
        self.status = status
        self.error_type = error_type
        self.codes = codes

    def body(self, request_id: str) -> dict[str, Any] | None:
        if self.error_type is None:
            return None
        body: dict[str, Any] = {"request_id": request_id, "error_type": self.error_type}
        return {**body, "error_codes": list(self.codes)} if self.codes else body


def invalid(*codes: str) -> Refusal:
    return Refusal(422, INVALID, *codes)


def malformed() -> Refusal:
    return Refusal(400, "request_malformed")


def unauthorized() -> Refusal:
    return Refusal(401)


def not_found() -> Refusal:
    return Refusal(404)
