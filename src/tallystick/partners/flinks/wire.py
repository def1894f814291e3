"""The one call of Flinks' partner side: which it is, how the pair goes into it, what "no" means.

Flinks documents `GET /partneraccess/{accesstoken}` ("Data sharing", /PartnerAccess), that it needs
an AuthSecret and an Access Token, and what a good answer is.

OUR READING, kept here and nowhere else: the AuthSecret goes into `Authorization: Bearer`, as
Flinks' other data sharing calls carry their secret; and, as no errors are documented for this call,
Flinks' general error body (`HttpStatusCode`, `FlinksCode`, `Message`) with 401, 403 or 404 for a
pair that opens nothing.
"""

from __future__ import annotations

import re
from typing import Any

from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    PartnerError,
    PartnerRefused,
    PartnerUnavailable,
    ProofRejected,
)
from tallystick.partners.flinks.messages import Pair
from tallystick.partners.http import Answer, PartnerHttp

_CODE = re.compile(r"[A-Z][A-Z_]{1,63}", re.ASCII)
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

# In Flinks' table of error codes these come with a 4xx and yet only mean: not now.
_LATER = frozenset({"RETRY_LATER", "TOO_MANY_REQUESTS", "CONCURRENT_SESSION", "CARD_IN_USE"})


class FlinksWire:
    """Reads what a pair opens. Reading leaves nothing behind at Flinks, so it may be repeated."""

    def __init__(self, http: PartnerHttp) -> None:
        self._http = http

    async def open(self, pair: Pair, *, redeeming: bool = False) -> Any:
        """The JSON that the pair opens.

        Raises PartnerUnavailable, PartnerRefused, and for a pair that opens nothing ProofRejected
        while `redeeming`, later ConsentLost (an AccessToken lapses after 30 days and its client may
        extend it) or GrantRevoked.
        """
        answer = await self._http.call(
            "GET",
            f"/partneraccess/{pair.access_token}",
            headers={"Accept": "application/json", "Authorization": f"Bearer {pair.auth_secret}"},
        )
        if answer.status == 200:
            return answer.body
        raise _refusal(answer, pair, redeeming=redeeming)


def _refusal(answer: Answer, pair: Pair, *, redeeming: bool) -> PartnerError:
    body = answer.body if isinstance(answer.body, dict) else {}
    code = _word(body.get("FlinksCode"), _CODE, pair) or f"HTTP_{answer.status}"
    request_id = _word(body.get("RequestId"), _REQUEST_ID, pair)
    later = answer.status < 400 or answer.status == 429 or answer.status >= 500
    if later or code in _LATER:
        # 202 is among them: Flinks is still collecting the login's data (OPERATION_PENDING).
        return PartnerUnavailable(code, request_id=request_id)
    if answer.status in (401, 403, 404, 410):
        lost = ConsentLost if answer.status in (401, 403) else GrantRevoked
        return (ProofRejected if redeeming else lost)(code, request_id=request_id)
    return PartnerRefused(code, request_id=request_id)


def _word(value: object, form: re.Pattern[str], pair: Pair) -> str | None:
    """An error code or id as it may stand in a log: never a secret that Flinks merely repeats."""
    if not isinstance(value, str) or value in (pair.auth_secret, pair.access_token):
        return None
    return value if form.fullmatch(value) else None
