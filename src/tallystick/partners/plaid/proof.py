"""What a caller hands us to claim an exchange with Plaid (contract 5.7 a and b).

Both are secret. Their form is not checked here but by the connector, so that a wrong token is a
wrong token (InvalidExchangeToken) and not a malformed request.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from tallystick.partners.contract import Proof

Token = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class PlaidPublicToken(Proof, frozen=True):
    """The `public_token` that Link hands the page; good for 30 minutes and one exchange."""

    member = "plaid"

    public_token: Token

    def identity(self) -> str:
        return self.public_token


class PlaidProcessorToken(Proof, frozen=True):
    """The `processor_token` that an integrator with its own Plaid contract made for us."""

    member = "token"
    only_looked_at = True

    token: Token

    def identity(self) -> str:
        return self.token
