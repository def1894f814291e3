"""One process of the fleet: the storm's, on a host of its own and with bugs of its own."""

from __future__ import annotations

from typing import Any

from tallystick.sandbox import control
from tests.storm import child

from .bugs import BUGS
from .network import enter


def run(namespace: str, bug: str | None, role: str, flags: dict[str, Any], *more: Any) -> None:
    enter(namespace)
    control._is_loopback = lambda _request: True  # who drives the sandbox is on another host here
    if bug is not None:
        BUGS[bug]()
    folder, name = more
    child.run(role, flags, folder, None, quick=False, name=name)
