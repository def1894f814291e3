"""What a client posts for a customer, and a customer as it is shown (contract 6.2)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tallystick.hal import Link

COLLECTION = "customers"
KIND = "customer"

# The characters that Dwolla refuses in names.
_NAME = r'^[^<>="`!?%~${}\\\[\]]*$'
Name = Annotated[str, Meta(min_length=1, max_length=50, pattern=_NAME)]
BusinessName = Annotated[str, Meta(min_length=1, max_length=255, pattern=_NAME)]
Email = Annotated[str, Meta(max_length=254, pattern=r"^[^@ ]+@[^@ ]+[.][^@ .]+$")]
CorrelationId = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9._-]+$")]
Phone = Annotated[str, Meta(pattern=r"^[0-9]{10}$")]
Address1 = Annotated[
    str, Meta(min_length=1, max_length=50, pattern=r"^(?![Pp][.]? ?[Oo][.]? ?[Bb][Oo][Xx])")
]
Address2 = Annotated[str, Meta(max_length=50)]
City = Annotated[str, Meta(min_length=1, max_length=50, pattern=r"^[^0-9]+$")]
State = Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
PostalCode = Annotated[str, Meta(pattern=r"^[0-9]{5}(-[0-9]{4})?$")]
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
# Four digits, or nine with or without dashes; Dwolla's samples write the dashes.
Ssn = Annotated[str, Meta(pattern=r"^([0-9]{4}|[0-9]{9}|[0-9]{3}-[0-9]{2}-[0-9]{4})$")]
Ein = Annotated[str, Meta(pattern=r"^[0-9]{2}-?[0-9]{7}$")]
Text = Annotated[str, Meta(max_length=255)]

CustomerType = Literal["unverified", "receive-only", "personal", "business"]


class PostedBase(msgspec.Struct, rename="camel", kw_only=True):
    """What every customer has. `type` may be absent: Dwolla's own apps omit it."""

    first_name: Name
    last_name: Name
    email: Email
    type: CustomerType = "unverified"
    ip_address: Text | None = None
    correlation_id: CorrelationId | None = None
    phone: Phone | None = None


class PostedCustomer(PostedBase, kw_only=True):
    """An unverified or receive-only customer."""

    business_name: BusinessName | None = None


class PostedVerified(PostedBase, kw_only=True):
    """What every verified customer has besides. The ssn is checked and then forgotten."""

    address1: Address1
    address2: Address2 | None = None
    city: City
    state: State
    postal_code: PostalCode


class PostedPersonal(PostedVerified, kw_only=True):
    date_of_birth: Day
    ssn: Ssn

    def __repr__(self) -> str:
        return "PostedPersonal(…)"


class PostedBusiness(PostedVerified, kw_only=True):
    business_name: BusinessName
    business_type: Literal["soleProprietorship", "llc", "corporation", "partnership"]
    business_classification: Text
    doing_business_as: BusinessName | None = None
    website: Text | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class PostedSoleProprietor(PostedBusiness, kw_only=True):
    date_of_birth: Day
    ssn: Ssn
    ein: Ein | None = None


class PostedAddress(msgspec.Struct, rename="camel", kw_only=True):
    """A controller's address, which need not be in the United States."""

    address1: Address1
    address2: Address2 | None = None
    address3: Address2 | None = None
    city: Annotated[str, Meta(min_length=1, max_length=50)]
    state_province_region: Annotated[str, Meta(min_length=1, max_length=50)]
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
    postal_code: Annotated[str, Meta(max_length=20)] | None = None


class PostedController(msgspec.Struct, rename="camel", kw_only=True):
    """Who runs a business. One of `ssn` and `passport` is needed; neither is kept."""

    first_name: Name
    last_name: Name
    title: Text
    date_of_birth: Day
    address: PostedAddress
    ssn: Ssn | None = None
    passport: dict[str, str] | None = None

    def __repr__(self) -> str:
        return "PostedController(…)"


class PostedCompany(PostedBusiness, kw_only=True):
    ein: Ein
    controller: PostedController


class Address(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    address1: str
    city: str
    state_province_region: str
    country: str
    address2: str | None = None
    address3: str | None = None
    postal_code: str | None = None


class Controller(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    first_name: str
    last_name: str
    title: str
    address: Address


class Details(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """The members that not every customer has; kept as JSON beside the row."""

    phone: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    business_type: str | None = None
    business_classification: str | None = None
    doing_business_as: str | None = None
    website: str | None = None
    controller: Controller | None = None


class Problem(msgspec.Struct, frozen=True):
    """What verification says is wrong. The shape is our reading: Dwolla's specification names only
    the code.
    """

    code: str
    message: str


class EmbeddedProblems(msgspec.Struct, frozen=True):
    errors: list[Problem]


class Customer(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True):
    """A customer as it is shown: optional members are absent, never null (contract 2.3)."""

    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    first_name: str
    last_name: str
    email: str
    type: str
    status: str
    created: str
    business_name: str | None = None
    correlation_id: str | None = None
    phone: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    business_type: str | None = None
    business_classification: str | None = None
    doing_business_as: str | None = None
    website: str | None = None
    controller: Controller | None = None
    embedded: EmbeddedProblems | None = msgspec.field(default=None, name="_embedded")


class EmbeddedCustomers(msgspec.Struct, frozen=True):
    customers: list[Customer]


class Customers(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    embedded: EmbeddedCustomers = msgspec.field(name="_embedded")
    total: int
