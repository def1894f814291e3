"""A partner, and the list of them (contract 5.1)."""

from __future__ import annotations

import msgspec

from tallystick.hal import Link

COLLECTION = "exchange-partners"
KIND = "exchange-partner"


class ExchangePartner(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    name: str
    status: str
    created: str


class EmbeddedPartners(msgspec.Struct, frozen=True):
    exchange_partners: list[ExchangePartner] = msgspec.field(name="exchange-partners")


class ExchangePartners(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    embedded: EmbeddedPartners = msgspec.field(name="_embedded")
    total: int
