"""Flinks: an integrator's AuthSecret and AccessToken, handed on as `token`. No session.

Id and date are Dwolla's production entry (contract 5.0): clients look Flinks up by its name.
"""

from __future__ import annotations

from tallystick.partners.contract import Manifest
from tallystick.partners.flinks.proof import FlinksPair
from tallystick.partners.flinks.settings import FlinksSettings

PARTNER = Manifest(
    key="flinks",
    id="a0b22a57-68df-4450-b507-47c937e64e89",
    name="Flinks",
    created="2023-05-15T14:43:47.615Z",
    settings=FlinksSettings,
    # Every client of Flinks has an instance of its own; this one is for testing.
    live_hosts=("https://toolbox-api.private.fin.ag",),
    proofs=(FlinksPair,),
    connector="tallystick.partners.flinks.connector:Connector",
    simulator="tallystick.partners.flinks.simulator.app:create",
)
