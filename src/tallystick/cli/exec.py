"""`tallystick exec`: a command whose calls to Dwolla and its partners end at the gateway here."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated, NoReturn

from cyclopts import Parameter


def execute(
    *command: Annotated[str, Parameter(help="The command and its arguments, after --.")],
    url: Annotated[str | None, Parameter(help="The gateway (http://127.0.0.1:7420).")] = None,
    allow: Annotated[
        tuple[str, ...],
        Parameter(help="Another host to let through; may be repeated."),
    ] = (),
    serve: Annotated[
        bool,
        Parameter(help="Start a gateway for the command alone."),
    ] = False,
) -> None:
    """Run a command so that unmodified code for Dwolla and its partners talks to the gateway here.

    Hosts such as api-sandbox.dwolla.com and sandbox.plaid.com lead to the gateway; every other host
    but this machine is refused. Exits as the command does; 2 for a wrong option, 3 when no gateway
    answers, 126 and 127 when the command cannot be run.

    Example: tallystick exec --serve -- npm test
    """
    if os.name != "posix":
        wrong("exec needs Linux or macOS; `tallystick env` works everywhere")
    if not command:
        wrong("give a command: tallystick exec -- npm test")
    if serve and url:
        wrong("--serve starts a gateway of its own: leave --url out")
    from tallystick.cli.interception.session import run  # imports what a gateway needs

    found = url or os.environ.get("TALLYSTICK_URL") or "http://127.0.0.1:7420"
    sys.exit(asyncio.run(run(command, None if serve else found, allow)))


def wrong(text: str) -> NoReturn:
    print(f"tallystick: {text}", file=sys.stderr)
    sys.exit(2)
