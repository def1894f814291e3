"""An event and a page of events."""

from __future__ import annotations

from typing import Literal

import msgspec

from tallystick.hal import Link

REL_RESOURCE = "resource"

# Exactly as Dwolla documents them (contract 6.6); a customer's event has the prefix `customer_`.
Topic = Literal[
    "customer_created",
    "customer_verified",
    "customer_suspended",
    "customer_activated",
    "customer_deactivated",
    "customer_reverification_needed",
    "customer_kba_verification_needed",
    "customer_verification_document_needed",
    "customer_exchange_reauth_required",
    "customer_funding_source_added",
    "customer_funding_source_removed",
    "customer_funding_source_verified",
    "customer_funding_source_unverified",
    "customer_funding_source_updated",
    "funding_source_added",
    "funding_source_removed",
    "funding_source_verified",
    "funding_source_unverified",
    "funding_source_updated",
    "account_suspended",
    "account_activated",
]


class Event(msgspec.Struct, frozen=True):
    """`_links` has `self`, `resource`, `account`, and `customer` for a customer's event."""

    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    created: str
    topic: str
    resource_id: str = msgspec.field(name="resourceId")


class EmbeddedEvents(msgspec.Struct, frozen=True):
    events: list[Event]


class Events(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    embedded: EmbeddedEvents = msgspec.field(name="_embedded")
    total: int
