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
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallystick.web import Route

RESOURCES = (
    "token",
    "root",
    "accounts",
    "webhook_subscriptions",
    "webhooks",
    "events",
    "customers",
    "exchange_partners",
    "available_connections",
    "exchanges",
    "exchange_sessions",
    "funding_sources",
    "sandbox_simulations",
)


def routes() -> Sequence[Route]:
    """Every route of the API, in the order of RESOURCES."""
    return [route for module in _modules() for route in module.ROUTES]


def extras() -> Sequence[Route]:
    """Every route that is ours and not Dwolla's: below `/_tallystick/`."""
    return [route for module in _modules() for route in getattr(module, "EXTRAS", ())]


def _modules() -> Sequence[ModuleType]:
    return [importlib.import_module(f"{__name__}.{name}.routes") for name in RESOURCES]
