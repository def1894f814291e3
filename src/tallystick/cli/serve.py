"""`tallystick serve`: the gateway, and in sandbox the simulators and controls, on one port."""

from __future__ import annotations

import errno
import gc
import json
import os
import socket
import sys
from typing import Any

import uvicorn

from tallystick.cli import lean  # noqa: F401  # before structlog
from tallystick.errors import ConfigurationError
from tallystick.server import config, logs
from tallystick.server.config import Settings
from tallystick.server.process import Process
from tallystick.server.protocol import BoundedHttp

# Worker processes are started afresh and read the flags from here.
FLAGS = "TALLYSTICK_CONFIG"
DRAIN_S = 10
BACKLOG = 2048


def application() -> Process:
    """What every worker process runs: settings from the flags in the environment."""
    settings = config.load(json.loads(os.environ.get(FLAGS, "{}")))
    logs.configure(settings.log_level)
    return build(settings)


def build(settings: Settings) -> Process:
    """The gateway for these settings. Only in sandbox are the simulators imported."""
    if settings.live:
        return Process(settings)
    from tallystick.cli.sandbox import Additions  # never in live mode

    added = Additions(settings)
    process = Process(
        settings,
        mounts=added.mounts,
        around=added.around,
        transport=added.transport,
        chaos=added.chaos,
    )
    added.process = process
    return process


def server_config(settings: Settings, app: Any) -> uvicorn.Config:
    """One place for how we serve. Forwarded headers are not believed: see docs/operate.md."""
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=BoundedHttp,
        ws="none",  # else an Upgrade is taken for one, if there happens to be a library for it
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=DRAIN_S,
        lifespan="on",
    )


class Server(uvicorn.Server):
    """Lets the garbage collector begin when it serves, and never look at what a start has made.

    `tallystick serve` turns it off before it imports us (`cli/main.py`): a start makes no garbage,
    and looking for some took a sixth of it. Later a full collection would stop every call for as
    long as it takes to walk all modules.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            gc.freeze()
            gc.enable()


def run(flags: dict[str, Any]) -> None:
    """Serve until a signal; raises ConfigurationError when that cannot begin."""
    settings = config.load(flags)
    logs.configure(settings.log_level)
    require_free(settings)
    print(banner(settings), file=sys.stderr)
    if settings.workers == 1:
        server = Server(server_config(settings, build(settings)))
        server.run()
        if not server.started:
            sys.exit(3)
        return
    os.environ[FLAGS] = json.dumps(flags)
    gc.enable()
    from uvicorn.supervisors import Multiprocess  # also loads what watches files

    several = server_config(settings, "tallystick.cli.serve:application")
    Multiprocess(several, [several.bind_socket()]).run()


def require_free(settings: Settings) -> None:
    """Raises ConfigurationError when the port is taken: said before anything is opened."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            said = f"cannot listen on {settings.host}:{settings.port} ({error.strerror})"
            if error.errno == errno.EADDRINUSE:
                other = settings.port + 1 if settings.port < config.PORTS_END - 1 else 7421
                said += f"; another port: --port {other}"
            raise ConfigurationError(said) from None


def banner(settings: Settings) -> str:
    url = settings.base_url
    lines = [f"tallystick · {settings.mode} mode", f"  API       {url}"]
    if not settings.live:
        lines[0] += " · nothing leaves this machine"
        lines.append("  Key       {} · secret {}".format(*config.SANDBOX_CLIENT))
        simulated = " · ".join(config.partner_settings(settings))
        lines.append(f"  Partners  {url}/_partners/… with {simulated}")
    store = settings.store_url
    if not store.startswith("sqlite:///"):
        store = store.partition("://")[0]  # the rest may hold a password
    lines.append(f"  Store     {store}")
    return "\n".join(lines)
