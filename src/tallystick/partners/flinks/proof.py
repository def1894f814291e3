"""What a caller hands us to claim an exchange with Flinks (contract 5.7 a). Secret."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated

import msgspec

from tallystick.partners.contract import Proof

Token = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]

# Both are GUIDs or GUID-like in Flinks' documentation. The first becomes a header and the second a
# part of a path, so nothing is let through that could break out of either.
_PAIR = re.compile(r"([!-9;-~]{1,512}):([A-Za-z0-9_-]{1,128})", re.ASCII)


class FlinksPair(Proof, frozen=True):
    """base64(`AuthSecret:AccessToken`): who may look, and at which account of which login."""

    member = "token"
    only_looked_at = True

    token: Token

    def identity(self) -> str:
        """One spelling for a pair, however its base64 was padded; junk is itself."""
        pair = self.read()
        return self.token if pair is None else base64.b64encode(":".join(pair).encode()).decode()

    def read(self) -> tuple[str, str] | None:
        """AuthSecret and AccessToken; None when the token is not of that form."""
        try:
            plain = base64.b64decode(self.token, validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            return None
        found = _PAIR.fullmatch(plain)
        return (found[1], found[2]) if found else None
