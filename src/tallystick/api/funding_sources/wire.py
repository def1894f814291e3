"""What a client posts for a funding source, and a funding source as it is shown (contract 6.3)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tallystick.hal import Link

COLLECTION = "funding-sources"
KIND = "funding-source"

Name = Annotated[str, Meta(min_length=1, max_length=50)]
# Spaces and hyphens are dropped; leading zeros count at many banks.
AccountNumber = Annotated[str, Meta(pattern=r"^[ -]*([0-9][ -]*){4,17}$")]
RoutingNumber = Annotated[str, Meta(pattern=r"^(0[1-9]|1[0-2]|2[1-9]|3[0-2])[0-9]{7}$")]
BankAccountType = Literal["checking", "savings", "general-ledger", "loan"]


class FromExchange(msgspec.Struct, rename="camel"):
    """Besides `_links.exchange`. The numbers come from the partner."""

    bank_account_type: Literal["checking", "savings"]
    name: Name


CardholderName = Annotated[str, Meta(min_length=1, max_length=50)]


class BillingAddress(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    address1: Annotated[str, Meta(min_length=1, max_length=50)]
    city: Annotated[str, Meta(min_length=1, max_length=50)]
    state_province_region: Annotated[str, Meta(min_length=1, max_length=50)]
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
    postal_code: Annotated[str, Meta(min_length=1, max_length=20)]
    address2: Annotated[str, Meta(max_length=100)] | None = None
    address3: Annotated[str, Meta(max_length=100)] | None = None

    def __repr__(self) -> str:
        return "BillingAddress(…)"


class PostedCard(msgspec.Struct, rename="camel", frozen=True):
    first_name: CardholderName
    last_name: CardholderName
    billing_address: BillingAddress

    def __repr__(self) -> str:
        return "PostedCard(…)"


class FromCard(msgspec.Struct, rename="camel"):
    """Besides `_links.exchange`. What is known of the card itself comes from the partner."""

    name: Name
    card_details: PostedCard


class CardShown(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """What may be seen of a card; `bin` are the first digits of its number."""

    brand: str
    last_four: str
    expiration_month: int
    expiration_year: int
    name_on_card: str
    bin: str
    billing_address: BillingAddress

    def __repr__(self) -> str:
        return "CardShown(…)"


class FromNumbers(msgspec.Struct, rename="camel"):
    routing_number: RoutingNumber
    account_number: AccountNumber
    bank_account_type: BankAccountType
    name: Name

    def __repr__(self) -> str:
        return "FromNumbers(…)"


class Edits(msgspec.Struct, rename="camel"):
    """Of an unverified bank account all may be changed, of a verified one the name.

    A member may be missing, but null is no name and no number.
    """

    name: Name | UnsetType = UNSET
    routing_number: RoutingNumber | UnsetType = UNSET
    account_number: AccountNumber | UnsetType = UNSET
    bank_account_type: BankAccountType | UnsetType = UNSET

    def __repr__(self) -> str:
        return "Edits(…)"


class Removal(msgspec.Struct):
    """What removes a funding source; false changes nothing."""

    removed: bool


class FundingSource(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """`fingerprint` is the same for the same account and routing number, removed or not."""

    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    status: str
    type: str
    name: str
    created: str
    removed: bool
    channels: list[str]
    bank_account_type: str | None = None
    bank_name: str | None = None
    fingerprint: str | None = None
    bank_usage_type: str | None = None
    card_details: CardShown | None = None


class EmbeddedFundingSources(msgspec.Struct, frozen=True):
    funding_sources: list[FundingSource] = msgspec.field(name=COLLECTION)


class FundingSources(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    embedded: EmbeddedFundingSources = msgspec.field(name="_embedded")
    total: int


class Amount(msgspec.Struct, frozen=True):
    """`value` has two decimals: `542.00`."""

    value: str
    currency: str

    @classmethod
    def of(cls, cents: int, currency: str) -> Amount:
        whole, rest = divmod(abs(cents), 100)
        return cls(f"{'-' if cents < 0 else ''}{whole}.{rest:02d}", currency)


class SettlementBalance(msgspec.Struct, rename="camel", frozen=True):
    """What a settlement account holds: nothing, since no money moves here."""

    links: dict[str, Link] = msgspec.field(name="_links")
    available: Amount


class Balance(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """An open-banking balance; `lastUpdated` is when the partner last asked the institution."""

    links: dict[str, Link] = msgspec.field(name="_links")
    closing: Amount
    last_updated: str
    available: Amount | None = None
