"""`/_tallystick/health/live` and `/_tallystick/health/ready`, without authentication.

Ready means: the store answers, and a box that was sealed opens again.
"""

from __future__ import annotations

from tallystick.core import Core
from tallystick.errors import StoreFailed
from tallystick.store.db import Statement
from tallystick.store.vault import CannotOpen

PREFIX = "/_tallystick/health"

_ANYTHING = Statement("SELECT version_num FROM alembic_version")


class Health:
    """An ASGI application of two answers."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001, ARG002
        name = scope["path"].removeprefix(PREFIX)
        if name == "/live":
            status, body = 200, b'{"status":"live"}'
        elif name == "/ready":
            status, body = await self._ready()
        else:
            status, body = 404, b'{"status":"unknown"}'
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _ready(self) -> tuple[int, bytes]:
        try:
            if await self._core.db.one(_ANYTHING) is None:
                return 503, b'{"status":"the store is not migrated"}'
        except StoreFailed:
            return 503, b'{"status":"the store does not answer"}'
        try:
            self._core.vault.check()
        except CannotOpen:
            return 503, b'{"status":"a sealed box does not open"}'
        return 200, b'{"status":"ready"}'
