"""New ids and secrets, from one source of entropy that a test or `--seed` can replace."""

from __future__ import annotations

import builtins
import os
import re
from typing import Protocol

from tallystick.clock import Clock

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


# The two highest bits of this digit are 10 in every random UUID (RFC 9562).
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class Entropy(Protocol):
    """Where random bytes come from."""

    def bytes(self, count: int) -> builtins.bytes: ...


class SystemEntropy:
    """The operating system's generator: the only one that live mode uses.

    Fetched in blocks, because a system call for every request id and salt adds up. Each byte is
    handed out once.
    """

    _BLOCK = 4_096

    def __init__(self) -> None:
        self._forget()
        # Two processes must never hand out the same bytes.
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._block = b""
        self._at = 0

    def bytes(self, count: int) -> builtins.bytes:
        start, end = self._at, self._at + count
        if end > len(self._block):
            self._block = os.urandom(max(self._BLOCK, count))
            start, end = 0, count
        self._at = end
        return self._block[start:end]


class SeededEntropy:
    """The same bytes in the same order for the same seed (sandbox and tests only)."""

    def __init__(self, seed: int | str) -> None:
        from random import Random  # neither live mode nor the SDK needs it

        self._random = Random(seed)  # noqa: S311  # reproducible on purpose, never live

    def bytes(self, count: int) -> builtins.bytes:
        return self._random.randbytes(count)


class VirtualEntropy:
    """The operating system's bytes until it is seeded, as often as wanted (sandbox and tests)."""

    def __init__(self, seed: int | None = None, stream: str = "") -> None:
        self._system = SystemEntropy()
        self._stream = stream
        self._branches: list[VirtualEntropy] = []
        self.seed(seed)

    def seed(self, seed: int | None) -> None:
        """From now on the bytes of `seed`, from its first one; None is the operating system's."""
        self._seed = seed
        self._source: Entropy = self._system
        if seed is not None:
            self._source = SeededEntropy(f"{seed}{self._stream}" if self._stream else seed)
        for branch in self._branches:
            branch.seed(seed)

    def branch(self, name: str) -> VirtualEntropy:
        """Bytes of a stream of their own, seeded whenever this is: drawing from one never shifts
        the other.
        """
        made = VirtualEntropy(self._seed, f"{self._stream}/{name}")
        self._branches.append(made)
        return made

    def bytes(self, count: int) -> builtins.bytes:
        return self._source.bytes(count)


def uuid4(entropy: Entropy) -> str:
    """A random UUID in lower case."""
    text = entropy.bytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"


class Ids:
    """Makes the ids of resources: version 7 UUIDs, each greater than the one before.

    Rows with such keys are appended, not scattered: measured at 1.5 to 2.7 times the raw write rate
    of random keys (docs/decisions/0002). Within one process they also sort in the order of birth,
    even when two are born in the same millisecond or the clock is set back.
    """

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._last = 0
        self._branches: list[Ids] = []

    def restart(self) -> None:
        """Forget the last id. Only for a sandbox whose rows are gone: ids may come again."""
        self._last = 0
        for branch in self._branches:
            branch.restart()

    def branch(self, name: str) -> Ids:
        """Ids for what happens beside the calls, at its own time: a seed gives calls the same ids
        whatever is drawn here.
        """
        entropy = self._entropy
        if isinstance(entropy, VirtualEntropy):
            entropy = entropy.branch(name)
        made = Ids(self._clock, entropy)
        self._branches.append(made)
        return made

    def new(self) -> str:
        fresh = self._clock.now_ms() << 74 | int.from_bytes(self._entropy.bytes(10)) >> 6
        # 48 bits of time and 74 random ones; never less than one step above the last.
        self._last = max(fresh, self._last + 1)
        high, low = self._last >> 62, self._last & 0x3FFF_FFFF_FFFF_FFFF
        text = f"{high >> 12:012x}7{high & 0xFFF:03x}{0x8000_0000_0000_0000 | low:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def as_uuid(text: str) -> str | None:
    """The id in lower case, or None if `text` is not a UUID (contract 10, no. 37 and 42)."""
    return text.lower() if _UUID.fullmatch(text) else None


def base62(entropy: Entropy, count: int) -> str:
    """`count` characters of `[0-9A-Za-z]`; 43 of them carry 256 bits."""
    number = int.from_bytes(entropy.bytes(count))
    digits = []
    for _ in range(count):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(digits)
