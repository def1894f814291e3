"""What a caller hands us to claim an exchange with Checkout.com (contract 5.7 e). It is secret.

Its form is not checked here but by the connector, so that a wrong token is a wrong token
(InvalidExchangeToken) and not a malformed request.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from tallystick.partners.contract import Proof


class CheckoutPayment(Proof, frozen=True):
    """The payment id that Flow hands the page in `onPaymentCompleted`."""

    member = "token"
    only_looked_at = True

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]

    def identity(self) -> str:
        return self.token
