"""One POST to Plaid: our credentials go with it, and only a documented answer comes back."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from tallystick.partners.errors import PartnerUnavailable
from tallystick.partners.http import PartnerHttp
from tallystick.partners.plaid.messages import Message, request_id
from tallystick.partners.plaid.refusals import as_error
from tallystick.partners.plaid.settings import PlaidSettings

VERSION = "2020-09-14"

M = TypeVar("M", bound=Message)


class PlaidWire:
    """Speaks Plaid's one verb. Credentials go in headers, so that no request body holds them."""

    def __init__(self, settings: PlaidSettings, http: PartnerHttp) -> None:
        self._http = http
        self._headers = {
            "PLAID-CLIENT-ID": settings.client_id,
            "PLAID-SECRET": settings.secret,
            "Plaid-Version": VERSION,
        }

    async def post(
        self, path: str, request: Message, answer: type[M], *, redeeming: bool = False
    ) -> M:
        """`path`'s answer to `request`. Never repeated.

        Raises PartnerError only. `redeeming` says that the token in the request is a proof rather
        than a grant we hold, which decides what Plaid's "unknown token" means to us.
        """
        received = await self._http.call("POST", path, json=request, headers=self._headers)
        if not received.ok:
            raise as_error(received.status, received.body, redeeming=redeeming)
        try:
            return msgspec.convert(received.body, answer)
        except (msgspec.ValidationError, RecursionError):
            # The cause is dropped on purpose: it describes an answer that may hold a token.
            raise PartnerUnavailable(
                "UNREADABLE_ANSWER", request_id=request_id(received.body)
            ) from None
