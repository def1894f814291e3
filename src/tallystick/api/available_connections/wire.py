"""The list, which has no `total` and calls its second link by the plural (contract 5.11)."""

from __future__ import annotations

import msgspec

from tallystick.hal import Link

COLLECTION = "available-exchange-connections"


class AvailableConnection(msgspec.Struct, frozen=True):
    """`name` is unique within the list: clients select by it."""

    available_connection_token: str = msgspec.field(name="availableConnectionToken")
    name: str

    def __repr__(self) -> str:
        return f"AvailableConnection(name={self.name!r})"


class EmbeddedConnections(msgspec.Struct, frozen=True):
    connections: list[AvailableConnection] = msgspec.field(name=COLLECTION)


class AvailableConnections(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    embedded: EmbeddedConnections = msgspec.field(name="_embedded")
