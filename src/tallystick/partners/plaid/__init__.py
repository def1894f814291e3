"""Plaid: bank accounts through Link (`plaid.publicToken`) or through a processor token (`token`).

Id and date are Dwolla's production entry (contract 5.0): clients look Plaid up by its name.
"""

from __future__ import annotations

from tallystick.partners.contract import Manifest
from tallystick.partners.plaid.proof import PlaidProcessorToken, PlaidPublicToken
from tallystick.partners.plaid.settings import PlaidSettings

PARTNER = Manifest(
    key="plaid",
    id="f53ffb32-c84f-496a-9d9d-acd100d396ef",
    name="Plaid",
    created="2023-11-08T17:22:09.717Z",
    settings=PlaidSettings,
    live_hosts=("https://sandbox.plaid.com", "https://production.plaid.com"),
    proofs=(PlaidPublicToken, PlaidProcessorToken),
    connector="tallystick.partners.plaid.connector:Connector",
    simulator="tallystick.partners.plaid.simulator.app:create",
    # A balance in real time may take this long (Plaid, /accounts/balance/get).
    deadline_s=25.0,
)
