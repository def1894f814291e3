"""One process of the fleet: `tallystick serve` or `tallystick worker`, as the command line runs it.

It differs from a real one in its clock, which it shares with the others, and by the bug that it is
given. It is forked from a process that has imported everything, which saves a second at every start.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

import httpcore2
import httpx2
import truststore
import uvloop
from anyio._backends import _asyncio as asyncio_backend
from uvicorn.lifespan import on
from uvicorn.protocols.websockets import auto

from tallystick import api
from tallystick.cli import sandbox, serve, worker
from tallystick.clock import VirtualClock
from tallystick.delivery import post, worker as delivery
from tallystick.partners import registry
from tallystick.server import process
from tallystick.store import postgres, sqlite

from .bugs import BUGS, stall_some_transactions
from .clock import SharedClock

# All that a process would import is there before the fork.
_IMPORTED = (sandbox, sqlite, postgres, uvloop, httpcore2, truststore, asyncio_backend, on, auto)
api.routes()
for _manifest in registry.manifests():
    for _end in (_manifest.connector, _manifest.simulator):
        registry.load(_end)


def run(
    role: str, flags: dict[str, Any], folder: str, bug: str | None, quick: bool, name: str
) -> None:
    log = os.open(Path(folder) / f"{name}.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(log, stream)
    clock = SharedClock(Path(folder) / "clock")
    process.clock_for = lambda _settings: VirtualClock(clock)
    stall_some_transactions(0.15, 0.03, random.Random(os.getpid()))
    # Six times the same authorities, read from disk: most of what a start costs.
    sandbox.network = lambda: httpx2.AsyncHTTPTransport(verify=False, trust_env=False)
    if quick:
        delivery.LOOK_EVERY_S = 0.1
        post.Poster.__init__.__kwdefaults__["deadline_s"] = 1.0
    if bug is not None:
        BUGS[bug]()
    os.chdir(folder)
    sys.argv = ["tallystick", role]
    {"serve": serve.run, "worker": worker.run}[role](flags)
