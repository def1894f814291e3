"""Visa Open Banking Solutions, which is Tink in the US: the browser returns to us (contract 7.9).

Dwolla retired it on 2025-11-01, and closed lists of partner names in clients break on it: it is
listed only with the setting `compat.visa`. No proof of its is ever posted by a client.
"""

from __future__ import annotations

from tallystick.partners.contract import Manifest
from tallystick.partners.visa.proof import VisaRepaired, VisaReport
from tallystick.partners.visa.settings import VisaSettings

PARTNER = Manifest(
    key="visa",
    id="2d36c06f-e283-49d8-829f-d4941a73fd6a",
    name="Visa",
    created="2024-06-25T15:15:22.837Z",
    settings=VisaSettings,
    live_hosts=("https://api.us.tink.com", "https://api.tink.com"),
    proofs=(VisaReport, VisaRepaired),
    connector="tallystick.partners.visa.connector:Connector",
    simulator="tallystick.partners.visa.simulator.app:create",
    opt_in=True,
)
