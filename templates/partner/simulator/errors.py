"""How this simulator says no. REPLACE: the partner's error body and codes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse


class Refusal(Exception):
    """An answer with an error body: `code` is the partner's word for machines."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def answer_refusal(_request: Request, error: Exception) -> JSONResponse:
    """Starlette's exception handler for `Refusal`."""
    if not isinstance(error, Refusal):
        raise error
    return JSONResponse({"error": {"code": error.code}}, error.status)
