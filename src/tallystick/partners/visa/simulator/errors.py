"""How this simulator says no: a status, and `{"errorMessage", "errorCode"}`.

Tink's newer paths may answer in other shapes; clients are told to decide on the status alone.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse


class Refusal(Exception):
    """An answer with an error body."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def bad_request(message: str, code: str = "request.invalid") -> Refusal:
    return Refusal(400, code, message)


def unauthorized(message: str = "The token is missing, unknown or expired.") -> Refusal:
    return Refusal(401, "authentication.unauthorized", message)


def forbidden(scope: str) -> Refusal:
    return Refusal(403, "authorization.forbidden", f"The token lacks the scope {scope}.")


def not_found(what: str) -> Refusal:
    return Refusal(404, "resource.not_found", f"{what} was not found.")


def answer_refusal(_request: Request, error: Exception) -> JSONResponse:
    """Starlette's exception handler for `Refusal`."""
    if not isinstance(error, Refusal):
        raise error
    return JSONResponse({"errorMessage": error.message, "errorCode": error.code}, error.status)
