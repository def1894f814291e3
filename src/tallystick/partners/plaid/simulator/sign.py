"""The Plaid-Verification header: an ES256 JWT over the hash of the webhook's body.

Plaid, webhook verification: header `alg` ES256, `typ` JWT, `kid`; claims `iat` in seconds and
`request_body_sha256`, the hexadecimal SHA-256 of the body as sent. The key is made once and kept on
the shelf, so a receiver that caches it by `kid` stays right across restarts.
"""

from __future__ import annotations

import hashlib
from typing import Any

from tallystick.clock import SECOND_MS
from tallystick.ids import uuid4
from tallystick.partners.plaid.simulator.errors import Refusal
from tallystick.sandbox.kit import Kit

HEADER = "Plaid-Verification"

KIND = "signing_key"
_CURRENT = "current"

# The order of the group of P-256 (FIPS 186-4, D.1.2.3): a private key is below it and not zero.
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Signer:
    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def sign(self, body: bytes) -> str:
        from joserfc import jwt  # not before there is something to sign: it takes long to import
        from joserfc.jwk import ECKey

        key = self._current()
        claims = {
            "iat": self._kit.clock.now_ms() // SECOND_MS,
            "request_body_sha256": hashlib.sha256(body).hexdigest(),
        }
        header = {"alg": "ES256", "kid": key["kid"], "typ": "JWT"}
        return jwt.encode(header, claims, ECKey.import_key(key["private"]), algorithms=["ES256"])

    def public(self, key_id: str) -> dict[str, Any]:
        """The key as /webhook_verification_key/get answers it. Raises Refusal."""
        key = self._current()
        if key_id != key["kid"]:
            raise Refusal("INVALID_WEBHOOK_VERIFICATION_KEY_ID")
        return {
            "alg": "ES256",
            "created_at": key["created_at"] // SECOND_MS,
            "crv": "P-256",
            "expired_at": None,
            "kid": key["kid"],
            "kty": "EC",
            "use": "sig",
            "x": key["private"]["x"],
            "y": key["private"]["y"],
        }

    def _current(self) -> dict[str, Any]:
        key = self._kit.shelf.get(KIND, _CURRENT)
        if key is None:
            from cryptography.hazmat.primitives.asymmetric import ec
            from joserfc.jwk import ECKey

            number = int.from_bytes(self._kit.entropy.bytes(40)) % (_P256_ORDER - 1) + 1
            private = ec.derive_private_key(number, ec.SECP256R1())
            key = {
                "kid": uuid4(self._kit.entropy),
                "private": ECKey.import_key(private).as_dict(private=True),
                "created_at": self._kit.clock.now_ms(),
            }
            self._kit.shelf.put(KIND, _CURRENT, key)
        return key
