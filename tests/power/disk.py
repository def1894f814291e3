"""The disk that a process writes to: what it is told to do (`Disk`), and how a process gets it."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgspec

from tests.requirements import ROOT, missing

SOURCE = Path(__file__).with_name("disk.c")


@cache
def compiler() -> str:
    if not sys.platform.startswith("linux"):
        missing("Linux, whose LD_PRELOAD tests/power needs,")
    return shutil.which("cc") or shutil.which("gcc") or missing("a C compiler")


def behind(folder: Path, tape: Path) -> dict[str, str]:
    """The environment of a process whose files in `folder` are on `tape`. Compiles the library."""
    library = tape.parent / "disk.so"
    if not library.exists():
        flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        subprocess.run([compiler(), *flags, "-o", library, SOURCE, "-ldl"], check=True)
    return os.environ | {
        "LD_PRELOAD": str(library),
        "TAPE": str(tape),
        "TAPE_UNDER": str(folder),
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
    }


class Way(msgspec.Struct, frozen=True):
    """How a call fails: with which error, alone or with all that follow it. Counted are calls that
    change a file or the folder, and syncs; or with `reads` those that read a file.
    """

    error: int
    lasting: bool
    reads: bool = False

    def __str__(self) -> str:
        when = "from then on" if self.lasting else "once"
        return f"{errno.errorcode[self.error]}{' on reads' if self.reads else ''} {when}"


class Disk:
    """Ours, from inside of a process that was started behind it."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._position = library.tape_position
        self._fail, self._failed = library.disk_fail, library.disk_failed
        for function in (self._position, self._failed):
            function.restype = ctypes.c_uint64
        self._fail.argtypes = [ctypes.c_uint64, ctypes.c_int, ctypes.c_int, ctypes.c_int]

    def position(self) -> int:
        """How much is on the tape: what was done before is within it."""
        return self._position()

    def fail(self, at: int, way: Way) -> None:
        """The `at`th call from now, counted from 1, fails in this way."""
        self._fail(at, way.error, way.lasting, way.reads)

    def failed(self) -> int:
        """How many calls have, since `fail`."""
        return self._failed()

    def mend(self) -> None:
        """From now on everything works."""
        self._fail(0, 0, False, False)
