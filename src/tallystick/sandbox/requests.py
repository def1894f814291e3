"""What the gateway was asked lately: never bodies, tokens, keys or queries."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tallystick.clock import to_iso
from tallystick.sandbox.reading import Json

REQUESTS_MAX = 1_000
PATH_CHARS_MAX = 512


class Received(NamedTuple):
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


class Requests:
    """The last REQUESTS_MAX calls."""

    def __init__(self) -> None:
        self._kept: deque[Received] = deque(maxlen=REQUESTS_MAX)

    def add(self, received: Received) -> None:
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
