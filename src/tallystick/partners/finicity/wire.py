"""One call to Finicity: the app key, a token that is fetched when needed, and its errors sorted."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec

from tallystick.clock import HOUR_MS, MINUTE_MS, Clock
from tallystick.partners.errors import (
    ConsentLost,
    PartnerError,
    PartnerRefused,
    PartnerUnavailable,
)
from tallystick.partners.finicity import messages as finicity
from tallystick.partners.finicity.settings import FinicitySettings
from tallystick.partners.http import Answer, PartnerHttp
from tallystick.secret import Secret

AUTHENTICATION = "/aggregation/v2/partners/authentication"

# "The token is valid for two hours"; "if the token is greater than 90 minutes, generate a new one"
# (Mastercard, Create Access Token).
TOKEN_MS = 2 * HOUR_MS
RENEW_MS = 90 * MINUTE_MS

# "After five failed attempts to authenticate, your account will be locked", and only Mastercard's
# support unlocks it (Create Access Token). A busy gateway with a mistyped secret would use up the
# five in a second, so one refusal keeps us from asking again for this long. Correcting a setting
# means a restart, which forgets the refusal: nobody waits for it.
COOL_DOWN_MS = HOUR_MS

# Invalid, and expired, app token: the only refusals that a new token can mend.
_TOKEN_REFUSED = frozenset({"10022", "10023"})
# "Customer ID does not exist or does not belong to this partner", "Customer not found.", "customer
# does not have given account": all that we send are the ids of the receipt.
_NOT_OURS = frozenset({"10010", "14001", "38003"})

T = TypeVar("T")


class Tokens:
    """The app token: one for all calls, fetched once for all who wait, and its failure as well."""

    def __init__(self, settings: FinicitySettings, http: PartnerHttp, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._headers = {"Accept": "application/json", "Finicity-App-Key": settings.app_key}
        self._credentials = {
            "partnerId": settings.partner_id,
            "partnerSecret": settings.partner_secret,
        }
        self._token: Secret[str] | None = None
        self._renew_at = 0
        self._ends_at = 0
        self._refused_until = 0
        self._flight: asyncio.Task[Secret[str]] | None = None

    async def get(self, *, instead_of: Secret[str] | None = None) -> Secret[str]:
        """The token in use, or a new one: when there is none, when it is old, and `instead_of` one
        that Finicity no longer takes, unless somebody has replaced it in the meantime.
        """
        token = self._token
        fresh = self._clock.now_ms() < self._renew_at
        if token is not None and token != instead_of and fresh:
            return token
        if self._flight is None:
            self._flight = asyncio.create_task(self._renew(instead_of))
            self._flight.add_done_callback(self._land)
        # Who stops waiting does not stop the others.
        return await asyncio.shield(self._flight)

    def _land(self, flight: asyncio.Task[Secret[str]]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # looked at: all who waited for it may have gone

    async def _renew(self, refused: Secret[str] | None) -> Secret[str]:
        """A new token; or the old one while it lives, when Finicity gives no usable answer."""
        old = self._token
        try:
            return await self._fetch()
        except PartnerUnavailable:
            now_ms = self._clock.now_ms()
            if old is None or old == refused or now_ms >= self._ends_at:
                raise
            self._renew_at = now_ms + MINUTE_MS
            return old

    async def _fetch(self) -> Secret[str]:
        now_ms = self._clock.now_ms()
        if now_ms < self._refused_until:
            raise PartnerRefused("CREDENTIALS_WERE_REFUSED")
        answer = await self._http.call(
            "POST", AUTHENTICATION, json=self._credentials, headers=self._headers
        )
        if not answer.ok:
            failure = refusal(answer, PartnerRefused)
            if isinstance(failure, PartnerUnavailable):
                raise failure
            self._refused_until = now_ms + COOL_DOWN_MS
            raise PartnerRefused(failure.code)
        self._token = Secret(read(answer, finicity.Token).token)
        self._renew_at, self._ends_at = now_ms + RENEW_MS, now_ms + TOKEN_MS
        return self._token


class FinicityWire:
    """Reads from Finicity as the processor. It has no call that acts."""

    def __init__(self, settings: FinicitySettings, http: PartnerHttp, clock: Clock) -> None:
        self._http = http
        self._app_key = settings.app_key
        self._tokens = Tokens(settings, http, clock)

    async def get(self, path: str) -> Answer:
        """The answer, whatever its status; asked once more when it was only the token."""
        token = await self._tokens.get()
        answer = await self._send(path, token)
        if answer.status == 401 and finicity.code_of(answer.body) in _TOKEN_REFUSED:
            token = await self._tokens.get(instead_of=token)
            answer = await self._send(path, token)
        return answer

    async def _send(self, path: str, token: Secret[str]) -> Answer:
        headers = {
            "Accept": "application/json",
            "Finicity-App-Key": self._app_key,
            "Finicity-App-Token": token.reveal(),
        }
        return await self._http.call("GET", path, headers=headers)


def read(answer: Answer, shape: type[T]) -> T:
    """The body of a good answer. Raises PartnerUnavailable when it is not what is documented."""
    try:
        return msgspec.convert(answer.body, shape)
    except (msgspec.ValidationError, RecursionError):
        # The cause is dropped on purpose: it may quote an answer that holds a number.
        raise PartnerUnavailable("UNREADABLE_ANSWER") from None


def refusal(
    answer: Answer, gone: type[PartnerError], wrong: type[PartnerError] = PartnerRefused
) -> PartnerError:
    """What an answer that is not a good one means.

    `gone`: what it means that there is no such customer or account, or not for us. `wrong`: what
    any other complaint about the request means; it depends on whose ids were in it.
    """
    code = finicity.code_of(answer.body)
    told = code or f"HTTP_{answer.status}"
    status = answer.status
    if status == 429:
        return PartnerUnavailable(told, acted=False)  # turned away at the door
    if status >= 500 or status < 400:
        return PartnerUnavailable(told)
    if code in finicity.FIXABLE:
        return ConsentLost(code)
    if status == 401:
        return PartnerRefused(told)
    if status in (403, 404, 410) or code in _NOT_OURS:
        return gone(told)
    return wrong(told)
