"""The programs that are measured, each a process of its own on the same server with one worker."""

from __future__ import annotations

import json
import sys
from typing import Any

import uvicorn

from tallystick.cli.serve import build, server_config
from tallystick.clock import HOUR_MS
from tallystick.partners import registry
from tallystick.partners.contract import SessionRequest, SessionStarted
from tallystick.secret import Secret
from tallystick.server import config, logs


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """The do-nothing application: what the server alone can do."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")],
        }
    )
    await send({"type": "http.response.body", "body": b"ok"})


class InstantConnector:
    """Stands where Plaid's connector stands and answers at once: the gateway is measured."""

    def __init__(self, *_parts: Any) -> None:
        pass

    async def start_session(self, _request: SessionRequest) -> SessionStarted:
        return SessionStarted(
            expires_at=4 * HOUR_MS,
            token=Secret("link-sandbox-00000000-0000-4000-8000-000000000000"),
        )


def main() -> None:
    which, flags = sys.argv[1], json.loads(sys.argv[2])
    settings = config.load(flags, environ={})
    logs.configure(settings.log_level)
    if which == "nothing":
        app: Any = nothing
    else:
        if which == "instant":
            load = registry.load
            registry.load = lambda name: (
                InstantConnector if name.endswith("plaid.connector:Connector") else load(name)
            )
        app = build(settings)
    uvicorn.Server(server_config(settings, app)).run()


if __name__ == "__main__":
    main()
