"""Every error of the API, drawn once. Services raise them; one place renders them; the SDK rebuilds
them from `code` (contract 3.2).

TallystickError
├─ ConfigurationError            the settings are wrong; the process does not start
├─ StoreFailed                   the database did not answer, or could not keep what it was given
└─ ApiError                      what an API call answers instead of a result
   ├─ 400  BadRequest  ValidationFailed  DuplicateResource  MaxNumberOfResources
   │       InvalidExchangeToken  InvalidExchange  InactiveExchange
   │       UpdateCredentials  UnsupportedOperation
   ├─ 401  InvalidCredentials  InvalidAccessToken  ExpiredAccessToken  InvalidAccountStatus
   │       InvalidApplicationStatus  InvalidScopes  InvalidScope
   ├─ 403  Forbidden  InvalidResourceState
   ├─ 404  NotFound          405  MethodNotAllowed     406  InvalidVersion
   ├─ 408  SlowRequest       409  Conflict             413  PayloadTooLarge
   ├─ 415  UnsupportedMediaType
   ├─ 429  TooManyRequests
   └─ 500  ServerError       RequestTimeout

`code` is the identity. Some operations spell `Forbidden`, `NotFound` and others in lower camel case
(contract 3.3); that is a matter of rendering, decided by the operation, not of the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec


class TallystickError(Exception):
    """Base of everything that this package raises on purpose."""


class ConfigurationError(TallystickError):
    """A setting is unknown, missing or unsafe. The message names it and says what to do."""


class StoreFailed(TallystickError):
    """The database could not answer. `committed` is False when certainly nothing was written.

    None means unknown: a connection that broke during COMMIT may have committed (invariant I9).
    """

    def __init__(self, reason: str, *, committed: bool | None = False) -> None:
        super().__init__(reason)
        self.committed = committed


class FieldError(msgspec.Struct, frozen=True):
    """One problem in a request body (contract 3.1).

    `code` is one of Required, Invalid, InvalidFormat, Duplicate, ReadOnly, NotAllowed, Restricted;
    `path` is a JSON pointer into the body.
    """

    code: str
    message: str
    path: str


class ApiError(TallystickError):
    """An answer of the API that is not a success.

    `about` is the path of the resource that `_links.about` points to, `("exchanges", id)` or
    `("exchanges", id, "exchange-sessions")`, or None. `status` is the HTTP status, `code` and
    `message` are the wire's.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "ServerError"
    default: ClassVar[str] = ""

    def __init__(
        self,
        message: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        about: tuple[str, ...] | None = None,
    ) -> None:
        self.message = message or self.default
        self.errors = tuple(errors)
        self.about = about
        super().__init__(f"{self.code}: {self.message}")


# ── 400 ───────────────────────────────────────────────────────────────────────────────────────


class BadRequest(ApiError):
    status = 400
    code = "BadRequest"
    default = "The request body contains bad syntax or is incomplete."


class ValidationFailed(ApiError):
    status = 400
    code = "ValidationError"
    default = "Validation error(s) present. See embedded errors list for more details."


class DuplicateResource(ApiError):
    status = 400
    code = "DuplicateResource"


class MaxNumberOfResources(ApiError):
    status = 400
    code = "MaxNumberOfResources"


class InvalidExchangeToken(ApiError):
    """The proof is no good. 400 or 401: the operation decides (contract 10, no. 9)."""

    status = 400
    code = "InvalidExchangeToken"
    default = (
        "The exchange token is not valid to perform this operation. Either the token is expired or "
        "invalid, or the products permissions to the token are invalid or expired."
    )


class UnauthorizedExchangeToken(InvalidExchangeToken):
    """The same, as POST /customers/{id}/exchanges answers it: 401 for a body problem (5.7)."""

    status = 401


class InvalidExchange(ApiError):
    status = 400
    code = "InvalidExchange"
    default = "The exchange is no longer active."


class InactiveExchange(ApiError):
    status = 400
    code = "InactiveExchange"
    default = "The Exchange was removed or disabled."


class UpdateCredentials(ApiError):
    status = 400
    code = "UpdateCredentials"
    default = (
        "Re-authentication is required in order to access account data. Please initiate the "
        "exchange session flow to regain access."
    )


class UnsupportedOperation(ApiError):
    status = 400
    code = "UnsupportedOperation"


# ── 401 ───────────────────────────────────────────────────────────────────────────────────────


class Unauthorized(ApiError):
    status = 401


class InvalidCredentials(Unauthorized):
    code = "InvalidCredentials"
    default = "Missing or invalid Authorization header."


class InvalidAccessToken(Unauthorized):
    code = "InvalidAccessToken"
    default = "Invalid access token."


class ExpiredAccessToken(Unauthorized):
    code = "ExpiredAccessToken"
    default = "Generate a new access token using your client credentials."


class InvalidAccountStatus(Unauthorized):
    code = "InvalidAccountStatus"
    default = "Invalid access token account status."


class InvalidApplicationStatus(Unauthorized):
    code = "InvalidApplicationStatus"
    default = "Invalid application status."


class InvalidScopes(Unauthorized):
    code = "InvalidScopes"
    default = "Missing or invalid scopes for requested endpoint."


class InvalidScope(Unauthorized):
    """As InvalidScopes, in the spelling of the exchange endpoints (contract 10, no. 12)."""

    code = "InvalidScope"
    default = "Missing or invalid scopes for requested endpoint."


# ── 403 to 500 ────────────────────────────────────────────────────────────────────────────────


class Forbidden(ApiError):
    status = 403
    code = "Forbidden"
    default = "The supplied credentials are not authorized for this resource."


class InvalidResourceState(ApiError):
    status = 403
    code = "InvalidResourceState"
    default = "Resource cannot be modified."


class NotFound(ApiError):
    status = 404
    code = "NotFound"
    default = "The requested resource was not found."


class MethodNotAllowed(ApiError):
    status = 405
    code = "MethodNotAllowed"
    default = "The method is not allowed for this resource."


class InvalidVersion(ApiError):
    status = 406
    code = "InvalidVersion"
    default = "Missing or invalid API version."


class Conflict(ApiError):
    status = 409
    code = "Conflict"
    default = "A request with this Idempotency-Key is still being processed."


class SlowRequest(ApiError):
    """The client did not send its body in time. Not in Dwolla's documents: a limit of ours."""

    status = 408
    code = "RequestTimeout"
    default = "The request body did not arrive in time."


class PayloadTooLarge(ApiError):
    status = 413
    code = "PayloadTooLarge"
    default = "The request body is too large."


class UnsupportedMediaType(ApiError):
    status = 415
    code = "UnsupportedMediaType"
    default = "The Content-Type of the request is not supported."


class TooManyRequests(ApiError):
    status = 429
    code = "TooManyRequests"
    default = "Please wait a short period of time before re-attempting the request."


class ServerError(ApiError):
    """Rendered as `A server error occurred. Error ID: {request id}`; `message` goes to the log."""

    status = 500
    code = "ServerError"
    default = "A server error occurred."


class RequestTimeout(ApiError):
    status = 500
    code = "RequestTimeout"
    default = "The request timed out."
