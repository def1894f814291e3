"""Log lines: one JSON object each, on standard error. Only these fields can appear in one.

An allow-list, because a deny-list of secrets is never complete: a field that is not named here is
dropped and counted. Secrets themselves cannot be formatted (`secret.Secret`).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import MutableMapping
from select import PIPE_BUF
from typing import Any

import msgspec
import structlog

ALLOWED = frozenset(
    {
        "event", "level", "timestamp", "request_id", "app", "method", "path", "status", "ms",
        "code", "partner", "operation", "outcome", "exchange", "session", "count", "error",
        "where", "mode", "url", "database", "version", "workers", "logger",
        "subscription", "webhook",
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


class AccessLog:
    """Writes access lines at `info` and below: a line for every call, a write for many of them.

    Lines wait until the event loop has done what it has to do now, and no longer. A write is never
    larger than PIPE_BUF, so that several workers may share one pipe without mixing their lines.
    They are encoded together, when they are written: it costs less than one by one.
    """

    def __init__(self, level: str) -> None:
        self._off = _LEVELS[level] > logging.INFO
        self._waiting: list[AccessLine] = []

    def add(self, line: AccessLine) -> None:
        if self._off:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(line)

    def flush(self) -> None:
        written = _encoder.encode_lines(self._waiting)
        self._waiting.clear()
        while written:
            end = written.rfind(b"\n", 0, PIPE_BUF) + 1 or len(written)
            os.write(_STDERR, written[:end])
            written = written[end:]


def configure(level: str) -> None:
    """Set up structlog, and quieten libraries that would log addresses and headers."""
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(_stderr),
        cache_logger_on_first_use=True,
    )
    for name in ("httpx2", "httpcore2", "asyncio", "uvicorn.access", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.basicConfig(handlers=[_Libraries(max(_LEVELS[level], logging.WARNING))], force=True)


class _Libraries(logging.Handler):
    """What libraries have to say, in lines like ours. A stranger makes the server warn at will.

    Their text as they wrote it, without what they would fill in, and an error by its kind only.
    """

    def emit(self, record: logging.LogRecord) -> None:
        say = structlog.get_logger(record.name)
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        told = {} if kind is None else {"error": kind}
        say.log(record.levelno, str(record.msg), logger=record.name, **told)


def allow(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what is not allowed; say how many fields were."""
    dropped = [name for name in line if name not in ALLOWED]
    for name in dropped:
        del line[name]
    if dropped:
        line["count"] = len(dropped)
        line.setdefault("error", "fields dropped")
    return line


def render(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> bytes:
    """Control characters in values become escapes, so no value can start a line of its own."""
    return _encoder.encode(dict(line))


# One list however often it is configured: a logger that was used before keeps the list it met.
_PROCESSORS: list[structlog.typing.Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    allow,
    render,
]
