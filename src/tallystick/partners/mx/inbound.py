"""MX's webhooks: not signed, so they are a doorbell (threat T14).

MX sends Basic credentials with them if it is told to (MX, "Webhooks"); without a configured secret
all are refused. What they say is never believed: every notice is `changed`, and the state is read
from MX.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence

import msgspec

from tallystick.partners.contract import Notice

_GUID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
# MX's words, such as `CHANGED` and `CONNECTION_STATUS`. Anything else is nothing to keep.
_WORD = re.compile(r"[A-Za-z_]{1,64}", re.ASCII)


class Webhook(msgspec.Struct, frozen=True):
    """The members we look at; MX's webhooks have more, by type."""

    type: str | None = None
    action: str | None = None
    member_guid: str | None = None
    connection_status: str | None = None


class Inbound:
    def __init__(self, secret: str | None) -> None:
        self._secret = secret

    def verify(self, headers: Mapping[str, str]) -> bool:
        """True if the Basic credentials carry our secret; the user name does not matter."""
        scheme, _, encoded = headers.get("authorization", "").partition(" ")
        if self._secret is None or scheme.lower() != "basic":
            return False
        try:
            plain = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(plain.partition(b":")[2], self._secret.encode())

    def translate(self, body: bytes) -> Sequence[Notice]:
        """One notice for a webhook about a member; none for any other, or for garbage."""
        try:
            webhook = msgspec.json.decode(body, type=Webhook)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return []
        if not _GUID.fullmatch(webhook.member_guid or ""):
            return []
        said = webhook.connection_status or webhook.action or webhook.type or ""
        code = said if _WORD.fullmatch(said) else "UNKNOWN"
        return [Notice("changed", webhook.member_guid or "", code)]
