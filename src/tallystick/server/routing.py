"""From a path to an operation.

Every path of the API is `/collection`, `/collection/{id}` or `/collection/{id}/collection`, and the
same under `/_tallystick` for what is ours: so a dictionary finds an operation in one look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallystick.web import OURS, Route

_NONE: Mapping[str, Route] = {}
_OURS = f"{OURS}/"


class Table:
    """Operations by their path and method."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._found: dict[str, dict[str, Route]] = {}
        for route in routes:
            by_method = self._found.setdefault(route.path, {})
            if route.method in by_method:
                raise ValueError(f"{route.method} {route.path} is routed twice")
            by_method[route.method] = route

    def find(self, path: str) -> tuple[Mapping[str, Route], str]:
        """The operations at `path` by method, and the id in it; none when nothing is there."""
        parts = path.split("/")
        at = 2 if path.startswith(_OURS) else 1
        count = len(parts) - at
        if count == 1:
            return self._found.get(path, _NONE), ""
        resource_id = parts[at + 1] if count in (2, 3) else ""
        if not resource_id:
            return _NONE, ""
        parts[at + 1] = "{id}"
        return self._found.get("/".join(parts), _NONE), resource_id
