"""tallystick: a self-hostable, Dwolla-compatible bank-link gateway, and the SDK for it.

`from tallystick import Client` needs httpx2 and msgspec only, and loads them only when it is asked
for: the server imports this package too. See README.md and docs/sdk.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallystick.sdk.client import AsyncClient as AsyncClient, Client as Client

_EXPORTS = {"AsyncClient": "tallystick.sdk.client", "Client": "tallystick.sdk.client"}


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'tallystick' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
