"""When to try again, and after how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC

from tallystick.clock import SystemClock
from tallystick.sdk.errors import (
    APIConnectionError,
    APIError,
    ConfigurationError,
    TallystickError,
)


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """Which failures are tried again, how often and how far apart.

    The wait before try n is `initial_s * factor**n`, at most `longest_s`, of which a random half is
    taken off so that clients do not come back together. `Retry-After` lengthens it. All of it ends
    with the deadline of the call.
    """

    max_retries: int = 2
    initial_s: float = 0.5
    factor: float = 2.0
    longest_s: float = 8.0
    statuses: frozenset[int] = frozenset({408, 429, 500, 502, 503, 504})
    connection_errors: bool = True

    def __post_init__(self) -> None:
        times = (self.initial_s, self.longest_s)
        if self.max_retries < 0 or not all(0 <= each <= 86_400 for each in times):
            raise ConfigurationError("retries and their waits are not negative, and end in a day")
        if not 1 <= self.factor <= 100:
            raise ConfigurationError("each wait is 1 to 100 times the one before")

    def wait_s(self, failure: TallystickError, tried: int) -> float | None:
        """Seconds to wait before try `tried` (the first retry is 1), or None to give up.

        409 is worth waiting for only on a retry: it then means that the first try is still running
        at the server (contract 4.1).
        """
        if tried > self.max_retries or not self._worth(failure, tried):
            return None
        from random import uniform  # slow to import, and only who tries again needs it

        wait_s = min(self.initial_s * self.factor ** min(tried - 1, 60), self.longest_s)
        wait_s *= uniform(0.5, 1.0)  # noqa: S311  # spreads load, guards nothing
        asked = failure.retry_after_s if isinstance(failure, APIError) else None
        return max(wait_s, asked or 0.0)

    def _worth(self, failure: TallystickError, tried: int) -> bool:
        if isinstance(failure, APIError):
            running = failure.status_code == 409 and tried > 1
            return running or failure.status_code in self.statuses
        return isinstance(failure, APIConnectionError) and self.connection_errors


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds, from seconds or a date; None when there is none to believe."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    from email.utils import parsedate_to_datetime  # slow to import, and hardly ever needed

    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(at.timestamp() - SystemClock().now_ms() / 1_000, 0.0)
