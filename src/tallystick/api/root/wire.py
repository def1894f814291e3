"""The entry point's links."""

from __future__ import annotations

import msgspec

from tallystick.hal import Link


class Root(msgspec.Struct, frozen=True):
    """`account`, `customers`, and what else the caller's scopes open (contract 6.1)."""

    links: dict[str, Link] = msgspec.field(name="_links")
