"""Tink's webhooks: signed with HMAC over the time and the body, at most five minutes old."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

import msgspec

from tallystick.clock import MINUTE_MS, SECOND_MS, Clock
from tallystick.partners.contract import Notice, NoticeKind

HEADER = "x-tink-signature"
AGE_MS_MAX = 5 * MINUTE_MS

_REFRESHED = "refresh:finished"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_WORD = re.compile(r"[A-Z_]{1,64}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)

# Any other status (a bank that is down, a word that is new) is a reason to look, no more.
_KINDS: Mapping[str, NoticeKind] = {
    "AUTHENTICATION_ERROR": "reauth_required",
    "SESSION_EXPIRED": "reauth_required",
    "UPDATED": "healthy",
    "DELETED": "revoked",
}


class Content(msgspec.Struct, frozen=True, rename="camel"):
    credentials_id: str | None = None
    credentials_status: str | None = None


class Webhook(msgspec.Struct, frozen=True):
    """The members we look at; the context names the person, which we do not need."""

    event: str
    content: Content


class Inbound:
    def __init__(self, secret: str | None, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """True if one `v1` of `t=…,v1=…` is ours and `t` is not too far from now."""
        pairs = [part.strip().partition("=") for part in headers.get(HEADER, "").split(",")]
        times = [value for name, _, value in pairs if name == "t"]
        if self._secret is None or len(times) != 1 or not _SECONDS.fullmatch(times[0]):
            return False
        if abs(self._clock.now_ms() - int(times[0]) * SECOND_MS) > AGE_MS_MAX:
            return False
        signed = times[0].encode() + b"." + body
        right = hmac.new(self._secret.encode(), signed, hashlib.sha256).hexdigest().encode()
        given = [value.encode() for name, _, value in pairs if name == "v1"]
        return any(hmac.compare_digest(each, right) for each in given)

    def translate(self, body: bytes) -> Sequence[Notice]:
        """One notice for a finished refresh; none for any other event, or for garbage."""
        try:
            webhook = msgspec.json.decode(body, type=Webhook)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return []
        credentials = webhook.content.credentials_id or ""
        if webhook.event != _REFRESHED or not _ID.fullmatch(credentials):
            return []
        status = webhook.content.credentials_status or ""
        code = status if _WORD.fullmatch(status) else "UNKNOWN"
        return [Notice(_KINDS.get(status, "changed"), credentials, code)]
