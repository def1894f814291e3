"""Log lines: one JSON object each, on standard error. Only these fields can appear in one.

An allow-list, because a deny-list of secrets is never complete: a field that is not named here is
dropped and counted. Secrets themselves cannot be formatted (`secret.Secret`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, MutableMapping
from typing import Any

import msgspec
import structlog

ALLOWED = frozenset(
    {
        "event", "level", "timestamp", "request_id", "app", "method", "path", "status", "ms",
        "code", "partner", "operation", "outcome", "exchange", "session", "count", "error",
        "where", "mode", "url", "database", "version", "workers", "logger",
    }
)  # fmt: skip

_LEVELS = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}

_STDERR = 2
# Not sys.stderr, which somebody may replace and close while a logger still holds it.
_stderr = open(_STDERR, "wb", buffering=0, closefd=False)  # noqa: SIM115  # for as long as we live

_encoder = msgspec.json.Encoder(enc_hook=str)


class AccessLine(msgspec.Struct, frozen=True):
    """What is logged of a call. `path` is the route's, never the one that was asked for.

    `at` is in milliseconds since the epoch: writing a date out takes longer than all the rest.
    """

    request_id: str
    app: str | None
    method: str
    path: str | None
    status: int
    ms: float
    at: int
    event: str = "request"
    level: str = "info"


def access_log(level: str) -> Callable[[AccessLine], None]:
    """Writes access lines at `info` and below. There is one for every call, so it is kept lean."""
    if _LEVELS[level] > logging.INFO:
        return lambda _line: None

    def write(line: AccessLine) -> None:
        os.write(_STDERR, _encoder.encode(line) + b"\n")

    return write


def configure(level: str) -> None:
    """Set up structlog, and quieten libraries that would log addresses and headers."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            allow,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(_stderr),
        cache_logger_on_first_use=True,
    )
    for name in ("httpx2", "httpcore2", "asyncio", "uvicorn.access", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def allow(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what is not allowed; say how many fields were."""
    dropped = [name for name in line if name not in ALLOWED]
    for name in dropped:
        del line[name]
    if dropped:
        line["count"] = len(dropped)
        line["error"] = "fields dropped"
    return line


def render(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> bytes:
    """Control characters in values become escapes, so no value can start a line of its own."""
    return _encoder.encode(dict(line))
