"""Acme: accounts that a person shares on its page, claimed with a one-use code.

REPLACE: this sentence, `live_hosts`, and `opt_in` once the clients you serve know the name.
"""

from __future__ import annotations

from tallystick.partners.acme.proof import AcmeCode
from tallystick.partners.acme.settings import AcmeSettings
from tallystick.partners.contract import Manifest

PARTNER = Manifest(
    key="acme",
    id="00000000-0000-4000-8000-000000000000",
    name="Acme",
    created="2000-01-01T00:00:00.000Z",
    settings=AcmeSettings,
    live_hosts=("https://api.acme.example",),
    proofs=(AcmeCode,),
    connector="tallystick.partners.acme.connector:Connector",
    simulator="tallystick.partners.acme.simulator.app:create",
    # Dwolla's typed clients know a closed list of names and refuse a list with any other in it, so
    # a partner of your own is listed only with the setting `compat.acme = true`.
    opt_in=True,
)
