"""One call to Tink: which token it takes, and Tink's errors by what to do about them.

Every operation of ours asks for new tokens: they are short-lived, and nothing is kept.
"""

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
from tallystick.partners.visa import messages as tink
from tallystick.partners.visa.settings import VisaSettings

# Tink Link itself, to which a person's authorization is delegated; the same for everybody.
TINK_LINK_CLIENT = "df05e4b379934cd09963197cc855bfe9"
_LINK_SCOPE = (
    "authorization:read,authorization:grant,credentials:refresh,credentials:read,"
    "credentials:write,providers:read,user:read"
)
# What Tink Link shows as the name of whoever is asked; we know none.
_ID_HINT = "Account holder"

PAGE_SIZE = 200
# Nobody has this many accounts; an answer that says so is not to be believed.
PAGES_MAX = 10

T = TypeVar("T")


class TinkWire:
    """`gone` is the error that a 404 means: whether a grant, a proof or only this answer is lost
    depends on what was asked for and why.
    """

    def __init__(self, settings: VisaSettings, http: PartnerHttp) -> None:
        self._http = http
        self._client = {
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
        }

    async def client_token(self, *scopes: str) -> str:
        """A token for ourselves."""
        form = {**self._client, "grant_type": "client_credentials", "scope": ",".join(scopes)}
        answer = await self._post_form("/api/v1/oauth/token", form)
        return self.read(answer, tink.Token, gone=PartnerRefused).access_token

    async def user_token(
        self, person: str, *scopes: str, gone: type[PartnerError] = GrantRevoked
    ) -> str:
        """A token for a person's data: a grant of ours, exchanged at once."""
        token = await self.client_token("authorization:grant")
        form = {"external_user_id": person, "scope": ",".join(scopes)}
        granted = await self._post_form("/api/v1/oauth/authorization-grant", form, token)
        code = self.read(granted, tink.Code, gone=gone).code
        swap = {**self._client, "grant_type": "authorization_code", "code": code}
        answer = await self._post_form("/api/v1/oauth/token", swap)
        return self.read(answer, tink.Token, gone=PartnerRefused).access_token

    async def delegate(self, token: str, person: str, *, gone: type[PartnerError]) -> str:
        """A code with which Tink Link acts for a person, once."""
        form = {
            "external_user_id": person,
            "id_hint": _ID_HINT,
            "actor_client_id": TINK_LINK_CLIENT,
            "scope": _LINK_SCOPE,
        }
        answer = await self._post_form("/api/v1/oauth/authorization-grant/delegate", form, token)
        return self.read(answer, tink.Code, gone=gone).code

    async def _post_form(
        self, path: str, form: Mapping[str, str], token: str | None = None
    ) -> Answer:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self._http.call("POST", path, form=form, headers=headers)

    async def call(
        self,
        method: str,
        path: str,
        token: str,
        *,
        json: Any = None,
        params: Mapping[str, str | int] | None = None,
    ) -> Answer:
        """The answer, whatever its status. Raises PartnerUnavailable when there is none."""
        headers = {"Authorization": f"Bearer {token}"}
        return await self._http.call(method, path, json=json, params=params, headers=headers)

    def read(self, answer: Answer, shape: type[T], *, gone: type[PartnerError]) -> T:
        """A good answer. Raises a PartnerError."""
        if not answer.ok:
            raise refusal(answer, gone)
        try:
            return msgspec.convert(answer.body, shape, strict=False)
        except (msgspec.ValidationError, RecursionError):
            # The cause is dropped on purpose: it may quote an answer that holds a number.
            raise PartnerUnavailable("UNREADABLE_ANSWER", request_id=_request_id(answer)) from None

    async def accounts(self, token: str, *, gone: type[PartnerError]) -> AsyncIterator[tink.Shown]:
        """Every account of a person. Raises a PartnerError rather than give a part of them."""
        params: dict[str, str | int] = {"pageSize": PAGE_SIZE}
        for _ in range(PAGES_MAX):
            answer = await self.call("GET", "/data/v2/accounts", token, params=params)
            page = self.read(answer, tink.Accounts, gone=gone)
            for account in page.accounts:
                yield account
            if not page.next_page_token:
                return
            params["pageToken"] = page.next_page_token
        raise PartnerUnavailable("TOO_MANY_PAGES")


def refusal(answer: Answer, gone: type[PartnerError]) -> PartnerError:
    """By the status alone: Tink's codes differ between its services."""
    code, request_id = f"HTTP_{answer.status}", _request_id(answer)
    if answer.status in (404, 410):
        return gone(code, request_id=request_id)
    if answer.status == 429 or answer.status >= 500 or answer.status < 400:
        # A 429 was turned away at the door.
        acted = False if answer.status == 429 else None
        return PartnerUnavailable(code, request_id=request_id, acted=acted)
    return PartnerRefused(code, request_id=request_id)


def _request_id(answer: Answer) -> str | None:
    """Only what looks like an id: it ends up in a log."""
    text = answer.headers.get("x-tink-request-id", "")
    plain = text.isascii() and text.replace("-", "").isalnum() and len(text) <= 64
    return text if plain else None
