"""One call to MX: credentials, the API's version, and MX's errors by what to do about them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

import msgspec

from tallystick.partners.errors import (
    GrantRevoked,
    PartnerError,
    PartnerRefused,
    PartnerUnavailable,
)
from tallystick.partners.http import Answer, PartnerHttp
from tallystick.partners.mx.settings import MxSettings

MEDIA_TYPE = "application/vnd.mx.api.v1+json"
PER_PAGE = 100
# Nobody has this many; an answer that says so is not to be believed.
PAGES_MAX = 50

T = TypeVar("T")


class MxWire:
    """Speaks version 20111101 of the Platform API, with Basic or Bearer credentials.

    `gone` is the error that a 404 means: whether a grant, a proof or only this answer is lost
    depends on what was asked for and why.
    """

    def __init__(self, settings: MxSettings, http: PartnerHttp) -> None:
        self._http = http
        self._client = (settings.client_id, settings.api_key)
        self._processor = (
            settings.processor_id or settings.client_id,
            settings.processor_api_key or settings.api_key,
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str | int] | None = None,
    ) -> Answer:
        """The answer, whatever its status. Raises PartnerUnavailable when there is none."""
        headers = {"Accept": MEDIA_TYPE}
        return await self._http.call(
            method, path, json=json, params=params, headers=headers, auth=self._client
        )

    async def call_as_processor(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        bearer: str | None = None,
    ) -> Answer:
        """As `call`, with the processor's own credentials or with a token it was given."""
        headers = {"Accept": MEDIA_TYPE}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        auth = None if bearer is not None else self._processor
        return await self._http.call(method, path, params=params, headers=headers, auth=auth)

    def one(
        self,
        answer: Answer,
        name: str | None,
        shape: type[T],
        *,
        gone: type[PartnerError] = GrantRevoked,
    ) -> T:
        """What stands under `name` in a good answer. Raises a PartnerError."""
        if not answer.ok:
            raise refusal(answer, gone)
        try:
            inner = answer.body if name is None else answer.body[name]
            return msgspec.convert(inner, shape, strict=False)
        except (msgspec.ValidationError, KeyError, TypeError, RecursionError):
            # The cause is dropped on purpose: it may quote an answer that holds a number.
            raise PartnerUnavailable("UNREADABLE_ANSWER") from None

    async def all(
        self,
        path: str,
        name: str,
        shape: type[T],
        *,
        gone: type[PartnerError] = GrantRevoked,
        **params: str,
    ) -> AsyncIterator[T]:
        """Every entry of a paged list. Raises a PartnerError rather than give a part of it."""
        for page in range(1, PAGES_MAX + 1):
            asked: dict[str, str | int] = {**params, "page": page, "records_per_page": PER_PAGE}
            answer = await self.call("GET", path, params=asked)
            for entry in self.one(answer, name, list[shape], gone=gone):  # type: ignore[valid-type]  # ty: ignore[invalid-type-form]
                yield entry
            if page >= _total_pages(answer.body):
                return
        raise PartnerUnavailable("TOO_MANY_PAGES")


def _total_pages(body: Any) -> int:
    pagination = body.get("pagination")
    total = pagination.get("total_pages") if isinstance(pagination, dict) else None
    return total if isinstance(total, int) else 1


def refusal(answer: Answer, gone: type[PartnerError]) -> PartnerError:
    """MX documents statuses, not codes ("Platform API, Errors")."""
    code = f"HTTP_{answer.status}"
    if answer.status in (404, 410):
        return gone(code)
    if answer.status == 429 or answer.status >= 500 or answer.status < 400:
        # A 429 was turned away at the door.
        return PartnerUnavailable(code, acted=False if answer.status == 429 else None)
    return PartnerRefused(code)
