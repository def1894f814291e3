"""Our own programs that are measured, each a process of its own on the same server."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from tallystick.cli import serve
from tallystick.clock import HOUR_MS
from tallystick.partners import registry
from tallystick.partners.contract import Account, Grant, Proof, SessionRequest, SessionStarted
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
    """Stands where Plaid's connector stands and answers at once: the gateway is measured.

    Every proof is good, and each grant is of another account.
    """

    def __init__(self, *_parts: Any) -> None:
        pass

    async def start_session(self, _request: SessionRequest) -> SessionStarted:
        return SessionStarted(
            expires_at=int(time.time() * 1000) + 4 * HOUR_MS,
            token=Secret("link-sandbox-00000000-0000-4000-8000-000000000000"),
        )

    async def redeem(self, proof: Proof) -> Grant:
        secret = proof.identity()
        return Grant(Secret(secret), external_id=secret)

    async def list_accounts(self, grant: Grant) -> Sequence[Account]:
        number = grant.secret.reveal().rpartition("-")[2]
        return [
            Account(
                external_id=grant.external_id,
                kind="checking",
                name="Checking",
                mask=number[-4:],
                number=Secret(number),
                routing=Secret("222222226"),
                institution="Bench Bank",
            )
        ]


def application() -> Any:
    """What each worker process of the instant gateway runs."""
    load = registry.load

    def instant(name: str) -> Any:
        return InstantConnector if name.endswith("plaid.connector:Connector") else load(name)

    registry.load = instant  # ty: ignore[invalid-assignment]
    return serve.application()


def main() -> None:
    which, flags = sys.argv[1], json.loads(sys.argv[2])
    settings = config.load(flags, environ={})
    logs.configure(settings.log_level)
    if which == "stock":
        uvicorn.run(nothing, port=settings.port, http="httptools", loop="uvloop", access_log=False)
        return
    os.environ[serve.FLAGS] = json.dumps(flags)
    apps: dict[str, Any] = {
        "nothing": lambda: nothing,
        "gateway": serve.application,
        "instant": application,
    }
    if settings.workers == 1:
        serve.Server(serve.server_config(settings, apps[which]())).run()
        return
    several = serve.server_config(settings, f"bench.contestants:{apps[which].__name__}")
    Multiprocess(several, [several.bind_socket()]).run()


if __name__ == "__main__":
    main()
