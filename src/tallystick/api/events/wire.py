"""An event and a page of events."""

from __future__ import annotations

import msgspec

from tallystick.hal import Link

REL_RESOURCE = "resource"


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
