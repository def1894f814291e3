"""Runs of pytest that have our plugin, and no other that was installed."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

from .requirements import ROOT

SRC = str(ROOT / "src")
PLUGINS = ("-p", "tallystick.pytest", "-p", "anyio", "-p", "xdist", "-p", "timeout")


def run(inner, *arguments, passed=None, failed=0, errors=0):
    result = inner.runpytest_subprocess(*PLUGINS, "--timeout", "60", *arguments, timeout=110)
    if passed is not None:
        result.assert_outcomes(passed=passed, failed=failed, errors=errors)
    return result


def ends(url, within_s=10.0):
    """Whether nothing listens there any more, or soon does not."""
    parts = urlsplit(url)
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            socket.create_connection((parts.hostname, parts.port), 1).close()
        except OSError:
            return True
        time.sleep(0.05)
    return False
