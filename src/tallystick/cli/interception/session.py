"""One command from start to end: the gateway it needs, the proxy, its signals and its exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx2

from tallystick.cli.interception.authority import issue, server_context
from tallystick.cli.interception.destinations import (
    Destinations,
    Gateway,
    destinations,
    read_gateway,
)
from tallystick.cli.interception.environment import Ports, variables, write_files
from tallystick.cli.interception.proxy import LOOPBACK, Proxy
from tallystick.errors import TallystickError

NO_GATEWAY, CANNOT_RUN, NOT_FOUND = 3, 126, 127
BY_SIGNAL = 128  # as a shell says it: 128 and the signal's number
READY = "/_tallystick/health/ready"
READY_S = 5.0
STOP_S = 15.0
FORWARDED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
# A terminal sends these to everything in front of it, the command included.
OF_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT)


class NoGateway(TallystickError):
    """Nothing that the command could talk to answers."""


async def run(command: Sequence[str], url: str | None, allow: Sequence[str]) -> int:
    """Run the command against the gateway at `url`, or, without, against one of its own.

    Gives the command's exit code, or one of ours. Raises ConfigurationError.
    """
    with tempfile.TemporaryDirectory(prefix="tallystick-exec-") as name:
        folder = Path(name)
        try:
            async with _gateway(folder, url) as gateway:
                table = destinations(allow, gateway)
                return await _run_between(command, folder, gateway, table)
        except NoGateway as error:
            _say(str(error))
            return NO_GATEWAY


async def _run_between(
    command: Sequence[str], folder: Path, gateway: Gateway, table: Destinations
) -> int:
    """Run the command with the proxy between it and the network."""
    issued = issue(table.routes)

    def report(host: str) -> None:
        _say(f"refused a connection to {host}; to let it through: --allow {host}")

    async with Proxy(table, gateway, server_context(issued, folder), report) as proxy:
        ports = Ports(proxy.port, proxy.tls_port)
        write_files(folder, issued.authority, table, ports, os.environ)
        return await _run_child(command, variables(folder, gateway, ports, os.environ))


# ── the command ───────────────────────────────────────────────────────────────────────────────


async def _run_child(command: Sequence[str], environment: dict[str, str]) -> int:
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for each in FORWARDED:
        loop.add_signal_handler(each, signals.put_nowait, each)
    try:
        process = await asyncio.create_subprocess_exec(*command, env=environment)
    except FileNotFoundError:
        _say(f"{command[0]}: there is no such command")
        return NOT_FOUND
    except OSError as error:
        _say(f"{command[0]}: {error.strerror}")
        return CANNOT_RUN
    passing_on = asyncio.create_task(_pass_on(signals, process))
    try:
        code = await process.wait()
    finally:
        passing_on.cancel()
    return code if code >= 0 else BY_SIGNAL - code


async def _pass_on(
    signals: asyncio.Queue[signal.Signals], process: asyncio.subprocess.Process
) -> None:
    while True:
        received = await signals.get()
        if received in OF_THE_TERMINAL and _in_front_of_a_terminal():
            continue
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(received)


def _in_front_of_a_terminal() -> bool:
    try:
        with open(os.ctermid(), "rb", buffering=0) as terminal:  # noqa: PTH123
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


# ── the gateway ───────────────────────────────────────────────────────────────────────────────


@contextlib.asynccontextmanager
async def _gateway(folder: Path, url: str | None) -> AsyncIterator[Gateway]:
    """The gateway at `url`, which must answer, or one of our own. Raises NoGateway."""
    if url is None:
        async with _served(folder) as own:
            yield own
        return
    gateway = read_gateway(url)
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=READY_S) as client:
            answer = await client.get(gateway.url + READY)
            ready = answer.status_code == 200 and answer.json() == {"status": "ready"}
    except (httpx2.HTTPError, ValueError):
        ready = False
    if not ready:
        raise NoGateway(
            f"no gateway answers at {gateway.url}: start one with `tallystick serve`, name another "
            "with --url, or have one for this command with --serve"
        )
    yield gateway


@contextlib.asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[Gateway]:
    """A sandbox gateway on a free port, in a thread, with nothing of the machine's settings."""
    import uvicorn  # the whole server, which most commands find running

    from tallystick.cli.serve import build, server_config
    from tallystick.server import config, logs

    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        flags = {"data_dir": str(folder / "gateway"), "port": port, "log_level": "error"}
        settings = config.load(flags, environ={}, file=folder / "none.toml")
        logs.configure(settings.log_level)
        server = uvicorn.Server(server_config(settings, build(settings)))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise NoGateway("the gateway for this command did not start")
                await asyncio.sleep(0.02)
            yield Gateway(LOOPBACK, port)
        finally:
            server.should_exit = True
            await asyncio.to_thread(thread.join, STOP_S)


def _say(text: str) -> None:
    print(f"tallystick exec: {text}", file=sys.stderr, flush=True)
