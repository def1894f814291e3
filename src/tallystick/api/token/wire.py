"""The answers of POST /token, which are plain JSON, not HAL (contract 1.1, 1.2)."""

from __future__ import annotations

import msgspec


class AccessToken(msgspec.Struct, frozen=True):
    """`expires_in` is in seconds."""

    access_token: str
    token_type: str
    expires_in: int

    def __repr__(self) -> str:
        return f"AccessToken(«secret», expires_in={self.expires_in})"


class TokenRefused(msgspec.Struct, frozen=True):
    """Two of Dwolla's own SDKs look for `error` and for nothing else, not even the status."""

    error: str
    error_description: str
