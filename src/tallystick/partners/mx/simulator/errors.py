"""How this simulator says no.

MX documents the HTTP statuses ("Platform API, Errors") and one member of the body, `message`, in an
`error` object. `status` and `type` beside it are our reading; clients are told not to rely on them.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse

MEDIA_TYPE = "application/vnd.mx.api.v1+json"


class Refusal(Exception):
    """An answer with an error body: `status` is the HTTP status, `kind` a word for machines."""

    def __init__(self, status: int, message: str, kind: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind or HTTPStatus(status).name.lower()


def bad_request(message: str) -> Refusal:
    return Refusal(400, message)


def unauthorized(message: str = "The credentials were not accepted.") -> Refusal:
    return Refusal(401, message)


def not_found(what: str) -> Refusal:
    return Refusal(404, f"{what} was not found.")


def conflict(message: str) -> Refusal:
    return Refusal(409, message)


def unprocessable(message: str) -> Refusal:
    return Refusal(422, message)


def render(refusal: Refusal) -> JSONResponse:
    body = {
        "error": {"message": refusal.message, "status": refusal.status, "type": refusal.kind},
    }
    headers = {"WWW-Authenticate": 'Basic realm="MX"'} if refusal.status == 401 else None
    return JSONResponse(body, refusal.status, headers=headers, media_type=MEDIA_TYPE)


def answer_refusal(_request: Request, error: Exception) -> JSONResponse:
    """Starlette's exception handler for `Refusal`."""
    if not isinstance(error, Refusal):
        raise error
    return render(error)
