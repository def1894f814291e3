"""Whether a webhook comes from the gateway: HMAC-SHA-256 over the exact bytes (contract 6.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallystick.errors import ConfigurationError
from tallystick.sdk.errors import WebhookSignatureError

HEADER = "x-request-signature-sha-256"


def verify(body: bytes, headers: Mapping[str, str], secret: str | Sequence[str]) -> None:
    """Raises WebhookSignatureError unless one of the secrets signed `body`.

    `body` is the request's raw body: a body that was decoded and encoded again does not match.
    Several secrets are for the time of a rotation. Every one is compared, in constant time.
    """
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError("body must be the raw bytes of the request")
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not secrets or not all(secrets):
        raise ConfigurationError("a webhook secret is empty: anybody could sign with it")
    sent = _signature(headers)
    import hmac  # with OpenSSL's hashes, which are slow to load: only a receiver needs them
    from hashlib import sha256

    good = False
    for each in secrets:
        made = hmac.new(each.encode(), body, sha256).hexdigest()
        good |= hmac.compare_digest(made.encode(), sent)
    if not good:
        raise WebhookSignatureError(
            f"{HEADER} is missing or matches none of {len(secrets)} secrets; "
            "it must be compared with the raw body"
        )


def _signature(headers: Mapping[str, str]) -> bytes:
    for name, value in headers.items():
        if name.lower() == HEADER:
            return value.strip().encode("utf-8", "replace")
    return b""
