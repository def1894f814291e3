"""How this simulator says no: Mastercard's error body and its documented codes.

Codes and messages are those of the examples in Mastercard's OpenAPI document. Which of them a
locked partner, or a processor without consent, gets to see is not documented: our reading is marked
at each.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse


class Refusal(Exception):
    """An answer with an error body: `status` is the HTTP status, `code` Mastercard's number."""

    def __init__(self, status: int, code: str, message: str, said: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        # For the person in front of Connect.
        self.said = said or message


def missing(parameter: str) -> Refusal:
    return Refusal(400, "10005", f"Missing parameter ({parameter})")


def invalid(message: str) -> Refusal:
    said = "One or more of the fields could not be validated. Please check what you entered."
    return Refusal(400, "10010", message, said)


def bad_request(why: str = "") -> Refusal:
    return Refusal(400, "14020", f"Bad request. ({why})." if why else "Bad request.")


def unknown_customer() -> Refusal:
    return Refusal(404, "14001", "Customer not found.")


def not_found(what: str = "Resource") -> Refusal:
    return Refusal(404, "14001", f"{what} not found.")


def unknown_account() -> Refusal:
    return Refusal(404, "38003", "customer does not have given account")


def bad_credentials() -> Refusal:
    return Refusal(401, "10001", "Invalid credentials")


def locked_out() -> Refusal:
    """Our reading: the document says that the partner is locked, not how that is told."""
    return Refusal(401, "10021", "You are not authorized.")


def not_consented() -> Refusal:
    """Our reading: a processor asks for what the receipt does not, or no longer, allow."""
    return Refusal(403, "10021", "You are not authorized.")


def bank_says(code: int) -> Refusal:
    """An aggregation status code, as an answer of its own (Account Errors: HTTP 400)."""
    message = AGGREGATION.get(code, "The institution could not be reached.")
    return Refusal(400, str(code), message)


# What the person reads in Connect when an aggregation ends with this code.
AGGREGATION = {
    103: "The username or password is not right.",
    108: "Your bank has a message for you. Sign in at your bank first.",
    109: "Your bank wants a new password. Change it at your bank first.",
    185: "Your bank asks a security question.",
    187: "That answer is not right.",
    947: "Your bank no longer shares this account. Sign in again.",
}


def render(refusal: Refusal) -> JSONResponse:
    body = {
        "code": refusal.code,
        "status": str(refusal.status),
        "message": refusal.message,
        "user_message": refusal.said,
    }
    return JSONResponse(body, refusal.status)


def answer_refusal(_request: Request, error: Exception) -> JSONResponse:
    """Starlette's exception handler for `Refusal`."""
    if not isinstance(error, Refusal):
        raise error
    return render(error)
