"""What a caller hands us to claim an exchange with MX (contract 5.7 a and c). All are secret."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tallystick.partners.contract import Proof
from tallystick.secret import Secret

Token = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class MxAvailableConnection(Proof, frozen=True):
    """The token of an available exchange connection, which we sealed ourselves (5.11)."""

    member = "mx"
    sealed_by_us = True
    only_looked_at = True

    available_connection_token: Token

    def identity(self) -> str:
        return self.available_connection_token

    def opened(self, handle: Secret[str]) -> MxAccount:
        """The account that the token stands for."""
        return msgspec.json.decode(handle.reveal(), type=MxAccount)


class MxAccount(Proof, frozen=True):
    """One account at MX by its three names. Never posted: it comes out of a token of ours."""

    member = "mx"
    only_looked_at = True

    user_guid: str
    member_guid: str
    account_guid: str

    def identity(self) -> str:
        return f"{self.user_guid}/{self.member_guid}/{self.account_guid}"


class MxAuthorizationCode(Proof, frozen=True):
    """The code that an integrator with its own MX contract asked for; it works once."""

    member = "token"

    token: Token

    def identity(self) -> str:
        return self.token
