"""What the gateway was asked lately: never bodies, tokens, keys or queries."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import msgspec

from tallystick.clock import to_iso
from tallystick.sandbox.reading import Json

REQUESTS_MAX = 1_000
PATH_CHARS_MAX = 512


class Received(msgspec.Struct, frozen=True):
    """One call of the API. `status` and `request_id` are None when nothing was answered.

    - `ms`: real milliseconds until the answer was sent. `at_ms`: the sandbox's clock.
    - `fault`: the id of the rule that let it go wrong.
    """

    at_ms: int
    method: str
    path: str
    status: int | None
    ms: float
    application: str | None
    request_id: str | None
    idempotency_key: bool
    fault: str | None

    def shown(self) -> Json:
        return {
            "at": to_iso(self.at_ms),
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "ms": round(self.ms, 2),
            "application": self.application,
            "request_id": self.request_id,
            "idempotency_key": self.idempotency_key,
            "fault": self.fault,
        }


class AccessLine(Protocol):
    """What the gateway leaves of a call that it answered (`server/logs.py`)."""

    @property
    def at(self) -> int: ...
    @property
    def method(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def ms(self) -> float: ...
    @property
    def app(self) -> str | None: ...
    @property
    def request_id(self) -> str: ...


class Answered(msgspec.Struct, frozen=True):
    """A call that the gateway answered. Every call leaves one and few are ever looked at: what is
    shown of it is put together only then.
    """

    line: AccessLine
    path: str
    idempotency_key: bool

    @property
    def application(self) -> str | None:
        return self.line.app

    def shown(self) -> Json:
        line = self.line
        return Received(
            line.at,
            line.method,
            self.path,
            line.status,
            line.ms,
            line.app,
            line.request_id,
            self.idempotency_key,
            None,
        ).shown()


class Requests:
    """The last REQUESTS_MAX calls."""

    def __init__(self) -> None:
        self._kept: deque[Received | Answered] = deque(maxlen=REQUESTS_MAX)

    def add(self, received: Received | Answered) -> None:
        self._kept.append(received)

    def list_all(self, application: str | None = None) -> list[Json]:
        """Newest first; those of one application if it is given."""
        return [
            each.shown() for each in reversed(self._kept) if application in {None, each.application}
        ]

    def clear(self) -> int:
        """Forget all; how many there were."""
        count = len(self._kept)
        self._kept.clear()
        return count

    def forget(self, application: str) -> int:
        """Forget those of one application; how many there were."""
        kept = [each for each in self._kept if each.application != application]
        gone = len(self._kept) - len(kept)
        self._kept = deque(kept, maxlen=REQUESTS_MAX)
        return gone
