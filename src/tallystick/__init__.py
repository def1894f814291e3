"""tallystick: a self-hostable, Dwolla-compatible bank-link gateway, and the SDK for it.

`from tallystick import Client` needs httpx2 and msgspec, and loads them only when it is asked for:
the server's modules import this package too. See README.md and docs/sdk.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallystick.sdk.public import *  # noqa: F403  # it lists what it shows


def __getattr__(name: str) -> Any:
    # What is public is a class; the name of a module, in lower case, must not load the SDK.
    if name[:1].isupper() or name == "__all__":
        public = import_module("tallystick.sdk.public")
        if name == "__all__" or name in public.__all__:
            return getattr(public, name)
    raise AttributeError(f"module 'tallystick' has no attribute {name!r}")
