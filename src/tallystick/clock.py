"""The one clock. Everything that has a time asks it; nothing else in the product reads the time.

Times are integers: milliseconds since 1970-01-01T00:00:00Z. The wire shows them as ISO 8601 in UTC
with exactly three digits of milliseconds (contract 2.3).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class Clock(Protocol):
    """Anything that tells the time in milliseconds since the epoch."""

    def now_ms(self) -> int: ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class VirtualClock:
    """A clock that can be frozen, set, advanced and let go again (sandbox and tests).

    It runs at the pace of `source`, shifted by whatever was set or advanced; frozen, it stands.
    """

    def __init__(self, source: Clock | None = None) -> None:
        self._source = source or SystemClock()
        self._shift_ms = 0
        self._frozen_at: int | None = None

    def now_ms(self) -> int:
        if self._frozen_at is not None:
            return self._frozen_at
        return self._source.now_ms() + self._shift_ms

    @property
    def frozen(self) -> bool:
        return self._frozen_at is not None

    def freeze(self) -> None:
        self._frozen_at = self.now_ms()

    def resume(self) -> None:
        """Run on from the time the clock shows now."""
        shown = self.now_ms()
        self._frozen_at = None
        self.set(shown)

    def reset(self) -> None:
        """Show what `source` shows, as in the beginning."""
        self._frozen_at = None
        self._shift_ms = 0

    def set(self, to_ms: int) -> None:
        if self._frozen_at is not None:
            self._frozen_at = to_ms
        else:
            self._shift_ms = to_ms - self._source.now_ms()

    def advance(self, by_ms: int) -> None:
        """Move forward by `by_ms` milliseconds; going back is `set`."""
        self.set(self.now_ms() + by_ms)


@lru_cache(maxsize=4_096)
def to_iso(at_ms: int) -> str:
    """`1711386818430` → `2024-03-25T17:13:38.430Z`. Resources are read more often than made."""
    stamp = datetime.fromtimestamp(at_ms / 1_000, UTC)
    return stamp.isoformat(timespec="milliseconds")[:-6] + "Z"


def from_iso(text: str) -> int:
    """The reverse of `to_iso`; any RFC 3339 time with an offset is read. Raises ValueError."""
    stamp = datetime.fromisoformat(text)
    if stamp.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return round(stamp.timestamp() * 1_000)
