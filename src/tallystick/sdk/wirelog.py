"""Logging with secrets masked: `TALLYSTICK_LOG=debug`, or the logger `tallystick` as you like it.

What may be shown is listed; everything else is masked. A list of what to hide would miss the next
secret. Headers and query values are never logged.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any, TextIO

import msgspec

LOG = logging.getLogger("tallystick")
SHOWN = frozenset(
    {"code", "path", "status", "topic", "type", "created", "total", "removed", "paused", "channels"}
)
MASK = "«…»"
DEPTH_MAX = 6
ITEMS_MAX = 5
SHOWN_CHARS_MAX = 4_000


class _Printed(logging.StreamHandler[TextIO]):
    """Ours, so that it is not added twice."""


def switch_on(environ: Mapping[str, str] = os.environ) -> None:
    """Let TALLYSTICK_LOG (`debug`, `info`) print to the standard error, once."""
    level = {"debug": logging.DEBUG, "info": logging.INFO}.get(
        environ.get("TALLYSTICK_LOG", "").lower()
    )
    if level is None or any(isinstance(each, _Printed) for each in LOG.handlers):
        return
    handler = _Printed()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(level)


def masked(body: bytes) -> str:
    """The body's members, with the values that are not in `SHOWN` masked."""
    if not body:
        return ""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"{len(body)} bytes"
    return msgspec.json.encode(_masked(value, "", 0)).decode()[:SHOWN_CHARS_MAX]


def _masked(value: Any, name: str, depth: int) -> Any:
    if depth >= DEPTH_MAX:
        return MASK
    if isinstance(value, dict):
        return {key: _masked(each, key, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        shown = [_masked(each, name, depth + 1) for each in value[:ITEMS_MAX]]
        return shown + ([MASK] if len(value) > ITEMS_MAX else [])
    return value if value is None or name in SHOWN else MASK
