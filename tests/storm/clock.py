"""One virtual clock for several processes: the machine's time, moved by what a shared file says."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

_SHIFT = struct.Struct("<q")


class SharedClock:
    """Every process that opens the same file sees the same time, from the moment it is moved."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(_SHIFT.pack(0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _SHIFT.size)

    @property
    def shift_ms(self) -> int:
        return _SHIFT.unpack_from(self._shared)[0]

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.shift_ms

    def advance(self, by_ms: int) -> None:
        _SHIFT.pack_into(self._shared, 0, self.shift_ms + by_ms)
