"""What a caller hands us to claim an exchange: `{"acme": {"code": …}}`. Secret.

REPLACE: the fields. Of their form check only the length: a wrong code is a wrong code
(InvalidExchangeToken, from the connector) and not a malformed request.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from tallystick.partners.contract import Proof


class AcmeCode(Proof, frozen=True):
    """The code that Acme's page ends with; good for ten minutes and one use."""

    member = "acme"

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]

    def identity(self) -> str:
        return self.code
