"""GET / in the SDK."""

from __future__ import annotations

from tallystick.api.root import wire
from tallystick.flow import Flow, Resource, fetch


class Root(wire.Root, Resource, frozen=True):
    """Where everything begins: `link("account")` is the address of the main account."""


def get_root() -> Flow[Root]:
    return fetch(Root)
