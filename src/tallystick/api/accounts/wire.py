"""An account."""

from __future__ import annotations

import msgspec

from tallystick.hal import Link


class Account(msgspec.Struct, frozen=True):
    """`timezoneOffset` is in hours from UTC (contract 6.1)."""

    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    name: str
    timezone_offset: float = msgspec.field(name="timezoneOffset")
    type: str
