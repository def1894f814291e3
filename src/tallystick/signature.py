"""The signatures of a webhook, made and checked: Dwolla's, and that of Standard Webhooks.

Dwolla signs the body alone (contract 6.7). The other (standardwebhooks.com, symmetric `v1`) covers
the message's id and time as well, so that a receiver can refuse what is old.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence

TOPIC = "X-Dwolla-Topic"
SIGNATURE = "X-Request-Signature-SHA-256"
STANDARD_ID = "webhook-id"
STANDARD_TIMESTAMP = "webhook-timestamp"
STANDARD_SIGNATURE = "webhook-signature"

# A secret in the form of Standard Webhooks: the key is what is encoded behind this.
_STANDARD_SECRET = b"whsec_"
_VERSION = "v1,"


def sign(secret: bytes, body: bytes) -> str:
    """The value of `X-Request-Signature-SHA-256`: 64 hex digits in lower case."""
    return hmac.digest(secret, body, "sha256").hex()


def verify(secret: bytes, body: bytes, presented: str) -> bool:
    """True if `presented` signs exactly these bytes; compared in constant time."""
    return hmac.compare_digest(sign(secret, body).encode(), presented.encode("utf-8", "replace"))


def sign_standard(secret: bytes, message_id: str, timestamp_s: int, body: bytes) -> str:
    """The value of `webhook-signature`. `timestamp_s` is seconds since the epoch."""
    content = b"%s.%d.%s" % (message_id.encode(), timestamp_s, body)
    digest = hmac.digest(_standard_key(secret), content, "sha256")
    return _VERSION + base64.b64encode(digest).decode()


def standard_headers(
    secrets: Sequence[bytes], message_id: str, timestamp_s: int, body: bytes
) -> Mapping[str, str]:
    """The three headers; a signature for each secret, separated by spaces, as the standard has it
    for a secret that is being replaced.
    """
    signatures = (sign_standard(each, message_id, timestamp_s, body) for each in secrets)
    return {
        STANDARD_ID: message_id,
        STANDARD_TIMESTAMP: str(timestamp_s),
        STANDARD_SIGNATURE: " ".join(signatures),
    }


def _standard_key(secret: bytes) -> bytes:
    """The bytes of the secret itself, unless it says that it encodes others."""
    if secret.startswith(_STANDARD_SECRET):
        text = secret.removeprefix(_STANDARD_SECRET)
        try:
            return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True) or secret
        except binascii.Error:
            return secret
    return secret
