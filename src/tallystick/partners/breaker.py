"""Stops asking a partner that does not answer, so that its trouble is not also ours.

closed ── FAILURES in a row ──► open ── OPEN_S later ──► one call is let through
  ▲                               ▲                            │
  └──────────── it answers ───────┼────────────────────────────┤
                                  └──────── it does not ───────┘

What counts is only that a call of ours had no usable answer. A refusal is an answer, and so is a
partner's word that an institution is down. Each process judges for itself, by its own clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tallystick.partners.errors import PartnerError, PartnerUnavailable

FAILURES = 5
OPEN_S = 10.0
CODE = "CIRCUIT_OPEN"


class Breaker:
    """The state of one partner."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._failures = 0
        self._open_until = 0.0

    def require_closed(self) -> None:
        """Raises PartnerUnavailable, without a call, while the partner is left alone."""
        if self._failures < FAILURES:
            return
        if self._now_s() < self._open_until:
            raise PartnerUnavailable(CODE, acted=False)
        # This call is the one that finds out; the others go on waiting.
        self._open_until = self._now_s() + OPEN_S

    def answered(self) -> None:
        self._failures = 0

    def heard(self, error: PartnerError) -> None:
        """Take note of how a call failed."""
        if not isinstance(error, PartnerUnavailable) or error.bank:
            self._failures = 0
        else:
            self._failures += 1
            if self._failures >= FAILURES:
                self._open_until = self._now_s() + OPEN_S
