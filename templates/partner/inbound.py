"""Acme's webhooks: signed with HMAC-SHA256 over the time and the body.

REPLACE: the header, what is signed, and the events. Whoever does not notify leaves a file that says
so. A notice without a signature is at most a doorbell: then every kind is `changed`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

import msgspec

from tallystick.clock import MINUTE_MS, SECOND_MS, Clock
from tallystick.partners.acme.messages import Id, Message
from tallystick.partners.contract import Notice, NoticeKind

AGE_MS_MAX = 5 * MINUTE_MS

_SIGNATURE = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})", re.ASCII)
_KINDS: Mapping[str, NoticeKind] = {
    "LOGIN_REQUIRED": "reauth_required",
    "REPAIRED": "healthy",
    "REVOKED": "revoked",
}


class Webhook(Message, frozen=True):
    event: str
    connection_id: Id


class Inbound:
    def __init__(self, secret: str, clock: Clock) -> None:
        self._secret = secret.encode()
        self._clock = clock

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """True if Acme signed exactly these bytes in the last five minutes."""
        found = _SIGNATURE.fullmatch(headers.get("x-signature", ""))
        if found is None or abs(self._clock.now_ms() - int(found[1]) * SECOND_MS) > AGE_MS_MAX:
            return False
        right = hmac.new(self._secret, found[1].encode() + b"." + body, hashlib.sha256)
        return hmac.compare_digest(found[2], right.hexdigest())

    def translate(self, body: bytes) -> Sequence[Notice]:
        """One notice for an event that we know; none for any other, or for garbage."""
        try:
            webhook = msgspec.json.decode(body, type=Webhook)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return []
        kind = _KINDS.get(webhook.event)
        return [Notice(kind, webhook.connection_id, webhook.event)] if kind else []
