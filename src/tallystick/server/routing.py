"""From a path to an operation.

Every path of the API is `/collection`, `/collection/{id}` or `/collection/{id}/collection`: so a
dictionary finds an operation in one look, however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallystick.web import Route

_NONE: Mapping[str, Route] = {}


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
        if len(parts) == 2:
            return self._found.get(path, _NONE), ""
        if len(parts) == 3 and parts[2]:
            return self._found.get(f"/{parts[1]}/{{id}}", _NONE), parts[2]
        if len(parts) == 4 and parts[2]:
            return self._found.get(f"/{parts[1]}/{{id}}/{parts[3]}", _NONE), parts[2]
        return _NONE, ""
