"""One call to Acme: our keys go with it, and only a documented answer comes back.

REPLACE: the headers, and what each of the partner's error codes means to us.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec

from tallystick.partners import errors
from tallystick.partners.acme.messages import Id, Message
from tallystick.partners.acme.settings import AcmeSettings
from tallystick.partners.contract import Grant
from tallystick.partners.http import Answer, PartnerHttp

M = TypeVar("M", bound=Message)

# Of a refusal: a partner in trouble ends no grant. Any other code is judged by the status alone.
_MEANINGS: dict[str, type[errors.PartnerError]] = {
    "CODE_UNKNOWN": errors.ProofRejected,
    "CODE_EXPIRED": errors.ProofExpired,
    "LOGIN_REQUIRED": errors.ConsentLost,
    "CONNECTION_GONE": errors.GrantRevoked,
}


class Failure(Message, frozen=True):
    code: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z_]{1,64}\Z")]
    request_id: Id | None = None


class Refusal(Message, frozen=True):
    error: Failure


class AcmeWire:
    def __init__(self, settings: AcmeSettings, http: PartnerHttp) -> None:
        self._http = http
        self._keys = {"X-Client-Id": settings.client_id, "X-Client-Secret": settings.client_secret}

    async def call(
        self,
        method: str,
        path: str,
        shape: type[M],
        *,
        json: Any = None,
        grant: Grant | None = None,
    ) -> M:
        """The answer as a `shape`. Never repeated; raises PartnerError only."""
        headers = dict(self._keys)
        if grant is not None:
            headers["Authorization"] = f"Bearer {grant.secret.reveal()}"
        answer = await self._http.call(method, path, json=json, headers=headers)
        if not answer.ok:
            raise _refusal(answer)
        try:
            # An empty body (204) is an answer without members.
            return msgspec.convert({} if answer.body is None else answer.body, shape)
        except (msgspec.ValidationError, RecursionError):
            # The cause is dropped on purpose: it may quote an answer that holds a token.
            raise errors.PartnerUnavailable("UNREADABLE_ANSWER") from None


def _refusal(answer: Answer) -> errors.PartnerError:
    try:
        said = msgspec.convert(answer.body, Refusal).error
    except (msgspec.ValidationError, RecursionError):
        said = Failure(f"HTTP_{answer.status}")
    if 400 <= answer.status < 500 and said.code in _MEANINGS:
        return _MEANINGS[said.code](said.code, request_id=said.request_id)
    if answer.status == 429:
        # `acted=False`: what was asked was surely not done, so the same code may be tried again.
        return errors.PartnerUnavailable(said.code, request_id=said.request_id, acted=False)
    if 400 <= answer.status < 500:
        return errors.PartnerRefused(said.code, request_id=said.request_id)
    bank = said.code == "BANK_DOWN"
    return errors.PartnerUnavailable(said.code, request_id=said.request_id, bank=bank)
