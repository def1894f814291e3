"""The API, one folder per resource, all of the same shape:

wire.py     what crosses the wire, for server and SDK alike
routes.py   HTTP to service and back
service.py  the rules and the transaction boundaries; no HTTP, no SQL, no JSON
store.py    the table and its queries; returns frozen rows

`RESOURCES` lists them in dependency order: a service may call the services above its own line, and
that of `applications`, which is no resource of the API.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallystick.web import Route

RESOURCES = (
    "token",
    "root",
    "accounts",
    "events",
    "customers",
    "exchange_partners",
    "available_connections",
    "exchanges",
    "exchange_sessions",
    "funding_sources",
)


def routes() -> Sequence[Route]:
    """Every route of the API, in the order of RESOURCES."""
    found: list[Route] = []
    for name in RESOURCES:
        module = importlib.import_module(f"{__name__}.{name}.routes")
        found.extend(module.ROUTES)
    return found
