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


class NameInquiry(msgspec.Struct, frozen=True, rename="camel"):
    """What the issuer of a card said to the name that the session expected on it (contract 5.5).

    `full-match`, `partial-match`, `no-match`, `not-performed` or `not-supported`.
    """

    account_name_inquiry: str


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True):
    """`status` is active, deactivated or removed. Nothing here tells the token or the account.

    `card_details` is there only where the session asked about a name.
    """

    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    status: str
    created: str
    card_details: NameInquiry | None = msgspec.field(default=None, name="cardDetails")


class EmbeddedExchanges(msgspec.Struct, frozen=True):
    exchanges: list[Exchange]


class Exchanges(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    embedded: EmbeddedExchanges = msgspec.field(name="_embedded")
    total: int


class Nothing(msgspec.Struct, frozen=True):
    """`{}`: the body of one 201, because one SDK parses it as JSON (contract 5.4)."""
