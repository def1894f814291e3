"""MX: accounts shared in Connect (`mx.availableConnectionToken`), or a code (`token`).

Id and date are Dwolla's production entry (contract 5.0): clients look MX up by its name.
"""

from __future__ import annotations

from tallystick.partners.contract import Manifest
from tallystick.partners.mx.proof import MxAuthorizationCode, MxAvailableConnection
from tallystick.partners.mx.settings import MxSettings

PARTNER = Manifest(
    key="mx",
    id="2164407f-33c3-4555-a6a1-40d5e9e58744",
    name="MX",
    created="2022-09-14T15:15:21.922Z",
    settings=MxSettings,
    live_hosts=("https://int-api.mx.com", "https://api.mx.com"),
    proofs=(MxAvailableConnection, MxAuthorizationCode),
    connector="tallystick.partners.mx.connector:Connector",
    simulator="tallystick.partners.mx.simulator.app:create",
)
