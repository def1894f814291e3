"""Checkout.com's webhooks: signed over the raw body, and a doorbell all the same.

`Cko-Signature` is the lower-case hexadecimal HMAC-SHA256 of the body under a key that the operator
chose in the dashboard. Nothing else is signed, so an old webhook is as good as a new one: what it
says is never believed. Every notice is `changed`, and the state is read from Checkout.com.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

import msgspec

from tallystick.partners.contract import Notice

HEADER = "cko-signature"

_PAYMENT_ID = re.compile(r"pay_[A-Za-z0-9_]{26}", re.ASCII)
# `card_verified`, `payment_declined`, … Anything else is nothing to keep.
_WORD = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)


class About(msgspec.Struct, frozen=True):
    id: str | None = None


class Event(msgspec.Struct, frozen=True):
    """The members we look at; events have more."""

    type: str | None = None
    data: About | None = None


class Inbound:
    def __init__(self, secret: str | None) -> None:
        self._secret = secret

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        if self._secret is None:
            return False
        expected = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
        given = headers.get(HEADER, "")
        # As bytes: text that is not ASCII cannot be compared in constant time.
        return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))

    def translate(self, body: bytes) -> Sequence[Notice]:
        """One notice for an event about a payment; none for any other, or for garbage."""
        try:
            event = msgspec.json.decode(body, type=Event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return []
        about = (event.data.id if event.data else None) or ""
        if not _PAYMENT_ID.fullmatch(about):
            return []
        said = event.type or ""
        return [Notice("changed", about, said if _WORD.fullmatch(said) else "UNKNOWN")]
