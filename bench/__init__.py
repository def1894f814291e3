"""Benchmarks: commands that interleave the contestants in one run and print ratios.

A suite is a module of this package that has `BARS`:

- `BARS: dict[str, tuple[float, str]]`: what a ratio must reach, and "at least" or "under"; may be
  empty.
- `run(note)`: measures its contestants in turn, over `ROUNDS` rounds of `SECONDS`, and calls
  `note(name, value)` for each figure of each round.
- `ratios(medians)`: what the medians of those figures come to; its keys are those of `BARS` and
  any more that are worth a line. A ratio that was not measured is left out.
- `TAKES_LONG`, if it is there: why the suite is run only when it is named.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

ROUNDS = int(os.environ.get("ROUNDS", "7"))
SECONDS = float(os.environ.get("SECONDS", "2"))
CONNECTIONS = 32
# Where figures and pictures are kept instead of bench/ and docs/: for a try.
KEPT = os.environ.get("KEPT")


def kept(usual: Path) -> Path:
    return Path(KEPT, usual.name) if KEPT else usual


Note = Callable[[str, float], None]
Bars = dict[str, tuple[float, str]]
