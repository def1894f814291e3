"""Everything the SDK raises, drawn once.

TallystickError
├─ ConfigurationError                 no credentials, an unknown environment, an unsafe address
├─ ArgumentError                      an argument that no request can be made of (also ValueError)
├─ ResponseShapeError                 a success that is not usable
├─ WebhookSignatureError              this body was not signed with one of your secrets
├─ LinkNotCompletedError              nobody finished the connect page in time
├─ APIConnectionError                 no answer came
│  └─ APITimeoutError                 … before the deadline of the call
└─ APIError                           an answer of 400 or above
   ├─ 400 BadRequestError
   │      ValidationError  DuplicateResourceError  MaxNumberOfResourcesError
   │      InvalidExchangeTokenError  InvalidExchangeError  InactiveExchangeError
   │      UpdateCredentialsError  UnsupportedOperationError
   ├─ 401 AuthenticationError
   │      InvalidCredentialsError  InvalidAccessTokenError  ExpiredAccessTokenError
   │      InvalidAccountStatusError  InvalidApplicationStatusError  InvalidScopeError
   ├─ 403 PermissionDeniedError       InvalidResourceStateError
   ├─ 404 NotFoundError               405 MethodNotAllowedError       406 InvalidVersionError
   ├─ 408 SlowRequestError            409 ConflictError               413 PayloadTooLargeError
   ├─ 415 UnsupportedMediaTypeError   429 RateLimitError
   └─ 5xx ServerError                 RequestTimeoutError

The status picks the branch and the code the leaf, without regard to case: the same codes come in
two spellings (contract 3.3). One code stands in two branches: a bad proof is answered with 401 by
POST /customers/{id}/exchanges (5.7), and is an InvalidExchangeTokenError there too, because signing
in anew would not help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from tallystick.errors import ConfigurationError, FieldError, TallystickError
from tallystick.flow import ArgumentError, Http, ResponseShapeError, links_in
from tallystick.hal import Link

__all__ = [
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "ArgumentError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "DuplicateResourceError",
    "ExpiredAccessTokenError",
    "FieldError",
    "InactiveExchangeError",
    "InvalidAccessTokenError",
    "InvalidAccountStatusError",
    "InvalidApplicationStatusError",
    "InvalidCredentialsError",
    "InvalidExchangeError",
    "InvalidExchangeTokenError",
    "InvalidResourceStateError",
    "InvalidScopeError",
    "InvalidVersionError",
    "LinkNotCompletedError",
    "MaxNumberOfResourcesError",
    "MethodNotAllowedError",
    "NotFoundError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "RateLimitError",
    "RequestTimeoutError",
    "ResponseShapeError",
    "ServerError",
    "SlowRequestError",
    "TallystickError",
    "UnsupportedMediaTypeError",
    "UnsupportedOperationError",
    "UpdateCredentialsError",
    "ValidationError",
    "WebhookSignatureError",
]


class WebhookSignatureError(TallystickError):
    """The body was not signed with one of the secrets, or is no event."""


class LinkNotCompletedError(TallystickError):
    """The person has not finished the connect page; waiting longer or a new session may help."""


class APIConnectionError(TallystickError):
    """No answer came: the address, the network or TLS failed. `__cause__` is httpx2's error."""


class APITimeoutError(APIConnectionError):
    """No answer came before the deadline of the call, retries included."""


class APIError(TallystickError):
    """An answer of 400 or above.

    - `code`, `message`: the wire's. `errors`: one per failing member, each with a JSON pointer.
    - `http`: status, headers, request id, number of retries. `body`: the answer's bytes, as they
      came; `links`: its `_links`, where UpdateCredentials shows the way out (contract 6.4).
    - `retry_after_s`: seconds that the server asked to wait, or None.
    """

    status: ClassVar[int] = 0
    codes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, http: Http, body: bytes = b"", retry_after_s: float | None = None) -> None:
        self.http = http
        self.body = body
        self.retry_after_s = retry_after_s
        members = _members(body)
        self.code = _text(members, "code") or _text(members, "error")
        self.message = _text(members, "message") or _text(members, "error_description")
        self.errors: Sequence[FieldError] = _field_errors(members)
        self.links: Mapping[str, Link] = links_in(members)
        super().__init__(self._told())

    def __reduce__(self) -> tuple[type[APIError], tuple[Http, bytes, float | None]]:
        """Made again of the answer, as an error is that comes out of another process."""
        return type(self), (self.http, self.body, self.retry_after_s)

    @property
    def status_code(self) -> int:
        return self.http.status_code

    @property
    def request_id(self) -> str | None:
        return self.http.request_id

    @property
    def about(self) -> str | None:
        """The address of what the error is about: the bank that exists, the way to re-auth."""
        link = self.links.get("about")
        return link.href if link else None

    def _told(self) -> str:
        said = f"{self.status_code} {self.code or 'without a code'}"
        if self.message:
            said += f": {self.message}"
        if self.errors:
            said += " [" + "; ".join(f"{e.path or '/'}: {e.message}" for e in self.errors) + "]"
        return f"{said} (request {self.request_id or 'unknown'})"


class BadRequestError(APIError):
    status = 400
    codes = ("BadRequest",)


class ValidationError(BadRequestError):
    codes = ("ValidationError",)


class DuplicateResourceError(BadRequestError):
    """`about` is the address of the one that exists."""

    codes = ("DuplicateResource",)


class MaxNumberOfResourcesError(BadRequestError):
    codes = ("MaxNumberOfResources",)


class InvalidExchangeTokenError(BadRequestError):
    """The proof is no good, was used before, or has expired: start a new session. 400 or 401."""

    codes = ("InvalidExchangeToken",)


class InvalidExchangeError(BadRequestError):
    codes = ("InvalidExchange",)


class InactiveExchangeError(BadRequestError):
    codes = ("InactiveExchange",)


class UpdateCredentialsError(BadRequestError):
    """The person must sign in at the bank again: make a re-auth session. 400 on the wire."""

    codes = ("UpdateCredentials",)


class UnsupportedOperationError(BadRequestError):
    codes = ("UnsupportedOperation",)


class AuthenticationError(APIError):
    """Also what POST /token refuses, with OAuth's code (`invalid_client`)."""

    status = 401


class InvalidCredentialsError(AuthenticationError):
    codes = ("InvalidCredentials", "invalid_client")


class InvalidAccessTokenError(AuthenticationError):
    codes = ("InvalidAccessToken",)


class ExpiredAccessTokenError(AuthenticationError):
    codes = ("ExpiredAccessToken",)


class InvalidAccountStatusError(AuthenticationError):
    codes = ("InvalidAccountStatus",)


class InvalidApplicationStatusError(AuthenticationError):
    codes = ("InvalidApplicationStatus",)


class InvalidScopeError(AuthenticationError):
    codes = ("InvalidScope", "InvalidScopes")


class PermissionDeniedError(APIError):
    status = 403
    codes: ClassVar[tuple[str, ...]] = ("Forbidden", "InvalidIpAddress")


class InvalidResourceStateError(PermissionDeniedError):
    codes = ("InvalidResourceState",)


class NotFoundError(APIError):
    """The resource does not exist, or belongs to another application."""

    status = 404
    codes = ("NotFound",)


class MethodNotAllowedError(APIError):
    status = 405
    codes = ("MethodNotAllowed",)


class InvalidVersionError(APIError):
    status = 406
    codes = ("InvalidVersion",)


class SlowRequestError(APIError):
    status = 408
    codes = ("RequestTimeout",)


class ConflictError(APIError):
    """A request with this Idempotency-Key is running, failed, or was a different one."""

    status = 409
    codes = ("Conflict",)


class PayloadTooLargeError(APIError):
    status = 413
    codes = ("PayloadTooLarge",)


class UnsupportedMediaTypeError(APIError):
    status = 415
    codes = ("UnsupportedMediaType",)


class RateLimitError(APIError):
    status = 429
    codes = ("TooManyRequests", "Too Many Requests")


class ServerError(APIError):
    status = 500
    codes = ("ServerError",)


class RequestTimeoutError(ServerError):
    codes = ("RequestTimeout",)


# What passes by itself: nobody is there, too much is asked, or the server is at fault.
OUTAGE = (APIConnectionError, RateLimitError, ServerError)


def _tree(branch: type[APIError]) -> list[type[APIError]]:
    return [branch, *(each for below in branch.__subclasses__() for each in _tree(below))]


_BRANCHES = {each.status: each for each in APIError.__subclasses__()}
_LEAVES = {
    (each.status, code.lower()): each for each in _tree(APIError)[1:] for code in each.codes
} | {(401, "invalidexchangetoken"): InvalidExchangeTokenError}


def error_of(http: Http, body: bytes, retry_after_s: float | None = None) -> APIError:
    """The error for an answer. Whatever the body is, this is an APIError with its status."""
    status = min(500, http.status_code)
    members = _members(body)
    code = (_text(members, "code") or _text(members, "error")).lower()
    kind = _LEAVES.get((status, code)) or _BRANCHES.get(status, APIError)
    return kind(http, body, retry_after_s)


def _members(body: bytes) -> Mapping[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""


def _field_errors(members: Mapping[str, Any]) -> Sequence[FieldError]:
    embedded = members.get("_embedded")
    listed = embedded.get("errors") if isinstance(embedded, dict) else None
    return tuple(
        FieldError(_text(each, "code"), _text(each, "message"), _text(each, "path"))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict)
    )
