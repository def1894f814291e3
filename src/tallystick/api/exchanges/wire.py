"""An exchange as it crosses the wire. What a client posts is read in `routes.py`: its one member
besides the link belongs to the partner, and a new partner must not change this file.
"""

from __future__ import annotations

import msgspec

from tallystick.hal import Link

COLLECTION = "exchanges"
KIND = "exchange"
REL_PARTNER = "exchange-partner"
REL_CUSTOMER = "customer"
REL_ACCOUNT = "account"
REL_FUNDING_SOURCES = "funding-sources"


class Exchange(msgspec.Struct, frozen=True):
    """`status` is active, deactivated or removed. Nothing here tells the token or the account."""

    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    status: str
    created: str


class EmbeddedExchanges(msgspec.Struct, frozen=True):
    exchanges: list[Exchange]


class Exchanges(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    embedded: EmbeddedExchanges = msgspec.field(name="_embedded")
    total: int


class Nothing(msgspec.Struct, frozen=True):
    """`{}`: the body of one 201, because one SDK parses it as JSON (contract 5.4)."""
