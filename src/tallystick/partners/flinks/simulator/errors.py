"""How this simulator says no: Flinks' status, `FlinksCode` and message ("Error codes")."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse


class Refusal(Exception):
    """An answer with an error body: `code` is Flinks' word for machines."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


def access_denied() -> Refusal:
    return Refusal(401, "ACCESS_DENIED", "Authentication was unsuccessful.")


def invalid_request(message: str) -> Refusal:
    return Refusal(401, "INVALID_REQUEST", message)


def invalid_login_id() -> Refusal:
    said = "The LoginId provided is either invalid or does not belong to the CustomerId."
    return Refusal(401, "INVALID_LOGIN", said)


def no_session() -> Refusal:
    return Refusal(400, "SESSION_NONEXISTENT", "The RequestId is unknown or its time is over.")


def render(refusal: Refusal) -> JSONResponse:
    body = {
        "HttpStatusCode": refusal.status,
        "FlinksCode": refusal.code,
        "Message": refusal.message,
    }
    return JSONResponse(body, refusal.status)


def answer_refusal(_request: Request, error: Exception) -> JSONResponse:
    """Starlette's exception handler for `Refusal`."""
    if not isinstance(error, Refusal):
        raise error
    return render(error)
