"""How a command ends: its exit code, and what it says when it failed.

0: done. 1: the check or the call failed. 2: wrong usage. 3: the gateway cannot be reached.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar

from tallystick.errors import TallystickError

FAILED = 1
WRONG_USAGE = 2
UNREACHABLE = 3


class CommandFailed(TallystickError):
    """The check or the call failed; the message says why in one line."""

    exit_code: ClassVar[int] = FAILED


class Unreachable(CommandFailed):
    """No gateway answers where one was expected."""

    exit_code = UNREACHABLE


@contextmanager
def until_signal() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the block, and that is a success: for what goes on without end."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        yield
