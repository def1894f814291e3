"""`tallystick worker`: delivers webhooks, without an API. On PostgreSQL as many as you like."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import uvloop

from tallystick.cli.operate import reached
from tallystick.delivery.worker import delivering
from tallystick.server import config, logs
from tallystick.server.config import Settings
from tallystick.server.process import check_durability


def run(flags: dict[str, Any]) -> None:
    """Deliver until a signal; what is under way then is finished first."""
    settings = config.load(flags)
    logs.configure(settings.log_level)
    uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, ended.set)
    print(f"tallystick worker · {settings.mode} mode", file=sys.stderr)
    async with reached(settings) as core:
        check_durability(core)
        async with delivering(core, settings.base_url):
            await ended.wait()
