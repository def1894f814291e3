"""Listing what a customer has shared, and opening the tokens that the list handed out.

Dwolla's sample token is unsigned base64 of two ids, which any customer could write (threat T31).
Ours is a sealed box bound to the application, the customer and the partner, good for half an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from tallystick.api.customers import service as customers
from tallystick.clock import MINUTE_MS
from tallystick.core import Core, Principal
from tallystick.partners.contract import ListsConnections
from tallystick.partners.errors import ProofExpired, ProofRejected
from tallystick.partners.explain import explained
from tallystick.secret import Secret
from tallystick.store.vault import CannotOpen, Place

LIFETIME_MS = 30 * MINUTE_MS


class Content(msgspec.Struct, frozen=True):
    """What is in a token. `nonce` makes every token the proof of one redemption."""

    handle: str
    expires_at: int
    nonce: str

    def __repr__(self) -> str:
        return "Content(«secret»)"


@dataclass(frozen=True, slots=True)
class Offered:
    """An account offered for redemption."""

    token: str = field(repr=False)
    name: str


async def list_for_customer(
    core: Core, principal: Principal, customer_id: str
) -> Sequence[Offered]:
    """Every account the customer has shared with a partner that can tell. Raises NotFound."""
    await customers.require(core, principal, customer_id, "Check Customer ID.")
    offered = []
    for partner in core.partners.all():
        if not partner.has(ListsConnections):
            continue
        place = _place(principal.app_id, partner.manifest.key, customer_id)
        with explained(partner):
            connections = await partner.list_connections(customer_id)
        for connection in connections:
            content = Content(
                connection.handle.reveal(), core.clock.now_ms() + LIFETIME_MS, core.ids.new()
            )
            sealed = core.vault.seal_text(place, msgspec.msgpack.encode(content))
            offered.append(Offered(sealed, connection.name))
    return offered


def open_token(
    core: Core, app_id: str, partner_key: str, customer_id: str, token: str
) -> Secret[str]:
    """The partner's handle in a token. Raises ProofRejected, or ProofExpired after its time."""
    try:
        box = core.vault.open_text(_place(app_id, partner_key, customer_id), token)
    except CannotOpen:
        raise ProofRejected("UNKNOWN_CONNECTION_TOKEN") from None
    content = msgspec.msgpack.decode(box.reveal(), type=Content)
    if core.clock.now_ms() >= content.expires_at:
        raise ProofExpired("EXPIRED_CONNECTION_TOKEN")
    return Secret(content.handle)


def _place(app_id: str, partner_key: str, customer_id: str) -> Place:
    return Place(app_id, "available_connection", partner_key, customer_id)
