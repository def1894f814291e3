"""Which partners this gateway has."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.core import Core
from tallystick.errors import NotFound
from tallystick.partners.contract import Partner


def list_all(core: Core) -> Sequence[Partner]:
    """Oldest first: clients and samples expect that order (contract 10, no. 18)."""
    return core.partners.all()


def find(core: Core, partner_id: str) -> Partner:
    """Raises NotFound."""
    partner = core.partners.by_id(partner_id)
    if partner is None:
        raise NotFound
    return partner
