"""One call to Checkout.com: the secret key, and its errors by what to do about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from tallystick.partners.checkout.settings import CheckoutSettings
from tallystick.partners.errors import PartnerError, PartnerRefused, PartnerUnavailable
from tallystick.partners.http import Answer, PartnerHttp

# Checkout.com's own words for an error, and its request ids. Anything else is nothing to keep.
_WORD = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
# How keys begin: a word that repeats one is none to pass on.
_KEYS = ("sk_", "pk_")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

T = TypeVar("T")


class CheckoutWire:
    """Speaks the current API with a secret key.

    `gone` is the error that a 404 means: whether a proof or a grant is lost depends on what was
    asked for.
    """

    def __init__(self, settings: CheckoutSettings, http: PartnerHttp) -> None:
        self._http = http
        self._headers = {
            "Authorization": f"Bearer {settings.secret_key}",
            "Accept": "application/json",
        }

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        idempotency_key: str | None = None,
        gone: type[PartnerError] = PartnerRefused,
    ) -> Answer:
        """A good answer. Raises a PartnerError for any other."""
        headers = dict(self._headers)
        if idempotency_key is not None:
            headers["Cko-Idempotency-Key"] = idempotency_key
        answer = await self._http.call(method, path, json=json, headers=headers)
        if not answer.ok:
            raise refusal(answer, gone)
        return answer


def read(answer: Answer, shape: type[T]) -> T:
    """The body in its shape. Raises PartnerUnavailable."""
    try:
        return msgspec.convert(answer.body, shape)
    except (msgspec.ValidationError, RecursionError):
        # The cause is dropped on purpose: it may quote the answer.
        raise PartnerUnavailable("UNREADABLE_ANSWER") from None


def refusal(answer: Answer, gone: type[PartnerError]) -> PartnerError:
    """What an answer outside of 2xx means. A 401 and a 404 have no body."""
    request_id = _request_id(answer.headers)
    code = _error_code(answer.body) or f"HTTP_{answer.status}"
    if answer.status == 404:
        return gone(code, request_id=request_id)
    if answer.status == 429:
        # Turned away at the door.
        return PartnerUnavailable(code, request_id=request_id, acted=False)
    if answer.status >= 500 or answer.status < 400:
        return PartnerUnavailable(code, request_id=request_id)
    return PartnerRefused(code, request_id=request_id)


def _request_id(headers: Mapping[str, str]) -> str | None:
    given = headers.get("cko-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else None


def _error_code(body: Any) -> str | None:
    """The first of `error_codes`, else the `error_type`."""
    if not isinstance(body, dict):
        return None
    codes = body.get("error_codes")
    listed = codes if isinstance(codes, list) else []
    for word in [*listed[:1], body.get("error_type")]:
        if isinstance(word, str) and _WORD.fullmatch(word) and not word.startswith(_KEYS):
            return word
    return None
