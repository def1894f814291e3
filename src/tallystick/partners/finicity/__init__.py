"""Finicity, Mastercard's Open Banking in the US: a consent receipt (`finicity`).

Id and date are Dwolla's production entry (contract 5.0). The name is compared case-sensitively by
Mastercard's own example application (contract 7.7).
"""

from __future__ import annotations

from tallystick.partners.contract import Manifest
from tallystick.partners.finicity.proof import FinicityReceipt
from tallystick.partners.finicity.settings import FinicitySettings

PARTNER = Manifest(
    key="finicity",
    id="a12a48fe-65b6-4b09-9419-715ce39ca40c",
    name="Finicity",
    created="2022-05-24T18:09:56.012Z",
    settings=FinicitySettings,
    live_hosts=("https://api.finicity.com",),
    proofs=(FinicityReceipt,),
    connector="tallystick.partners.finicity.connector:Connector",
    simulator="tallystick.partners.finicity.simulator.app:create",
)
