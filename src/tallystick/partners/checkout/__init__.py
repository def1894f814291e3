"""Checkout.com: a debit card that a person enters in Flow (`token` is a payment id, `pay_…`).

The id is the one of Dwolla's sandbox, the only one it publishes; the date is not published at all
(contract 5.0): ours only puts Checkout.com behind the partners whose dates are known.
"""

from __future__ import annotations

from tallystick.partners.checkout.proof import CheckoutPayment
from tallystick.partners.checkout.settings import CheckoutSettings
from tallystick.partners.contract import Manifest

PARTNER = Manifest(
    key="checkout",
    id="d652517d-9c02-4ea4-87af-2977e6cf3850",
    name="Checkout.com",
    created="2025-01-01T00:00:00.000Z",
    settings=CheckoutSettings,
    live_hosts=("https://api.sandbox.checkout.com", "https://api.checkout.com"),
    proofs=(CheckoutPayment,),
    connector="tallystick.partners.checkout.connector:Connector",
    simulator="tallystick.partners.checkout.simulator.app:create",
)
