"""Flinks' webhooks: signed with a shared secret, and a doorbell all the same (threat T14).

Flinks posts the data of a login when it has collected them, signed with HMAC-SHA256 over the raw
body, in base64 ("Integrity and authenticity"). The data are the integrator's; we read only which
login it is about, and fetch what our own pair opens.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

import msgspec

from tallystick.partners.contract import Notice
from tallystick.partners.flinks.messages import Login, Message

# The reference names the first, the newer guide the second.
_HEADERS = ("flinks-authenticity-key", "x-flinks-signature")

_GUID = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)
# `GetAccountsDetail`, `KYC`, or the code of what went wrong. Anything else is nothing to keep.
_WORD = re.compile(r"[A-Za-z_]{1,64}", re.ASCII)


class Webhook(Message, frozen=True):
    """The members we look at; the rest is the payload of /GetAccountsDetail."""

    response_type: str | None = None
    flinks_code: str | None = None
    login_id: str | None = None
    login: Login | None = None


class Inbound:
    def __init__(self, secret: str | None) -> None:
        self._secret = secret

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """True if one of Flinks' headers signs exactly these bytes with our secret."""
        if self._secret is None:
            return False
        digest = hmac.digest(self._secret.encode(), body, hashlib.sha256)
        expected = base64.b64encode(digest)
        given = (headers.get(name, "") for name in _HEADERS)
        return any(hmac.compare_digest(expected, each.encode()) for each in given)

    def translate(self, body: bytes) -> Sequence[Notice]:
        """One notice for a webhook about a login; none for any other, or for garbage."""
        try:
            webhook = msgspec.json.decode(body, type=Webhook)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return []
        login_id = webhook.login_id or (webhook.login.id if webhook.login else None) or ""
        if not _GUID.fullmatch(login_id):
            return []
        said = webhook.flinks_code or webhook.response_type or ""
        return [Notice("changed", login_id, said if _WORD.fullmatch(said) else "UNKNOWN")]
