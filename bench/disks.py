"""POST of a session beside raw commits, on disks whose flush takes time.

A virtual disk may answer a flush at once, and then raw commits cost nothing but SQLite. Here each
flush takes FLUSHES milliseconds more (`slow_disk.c`, by LD_PRELOAD; it needs Linux and a C
compiler), for the gateway and for the raw commits alike.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench import ROUNDS, Bars, Note
from bench.gateway import raw_commits, sessions_request
from bench.load import check, fire, load
from bench.serving import Contestant, link

FLUSHES = ("0", "1", "4")

BARS: Bars = {
    f"post_session_of_raw_commits.{flush}_ms": (0.60, "at least") for flush in FLUSHES[1:]
}


def run(note: Note) -> None:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        library = compiled(folder)
        made = {}
        for flush in FLUSHES:
            disk = {"LD_PRELOAD": str(library), "FLUSH_MS": flush}
            gateway = Contestant("instant", folder / flush, environ=disk)
            stack.callback(gateway.stop)
            post = sessions_request(gateway.port, *link(gateway.client))
            check(fire(gateway.port, post, 201, 0.2, 1))
            made[flush] = gateway, post, disk
        for _ in range(ROUNDS):
            for flush, (gateway, post, disk) in made.items():
                note(f"raw_commits.{flush}_ms", raw(folder / flush, disk))
                load(note, f"post_session.{flush}_ms", gateway.port, post, 201)


def compiled(folder: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("there is no C compiler here")
    library = folder / "slow_disk.so"
    source = Path(__file__).with_name("slow_disk.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    return library


def raw(folder: Path, disk: Mapping[str, str]) -> float:
    """Commits a second of a process that does nothing else, on that disk."""
    command = [sys.executable, "-m", "bench.disks", str(folder)]
    ended = subprocess.run(
        command, env={**os.environ, **disk}, check=True, capture_output=True, text=True
    )
    return float(ended.stdout)


def ratios(medians: dict[str, float]) -> dict[str, float]:
    return {
        f"post_session_of_raw_commits.{flush}_ms": medians[f"post_session.{flush}_ms_per_s"]
        / medians[f"raw_commits.{flush}_ms"]
        for flush in FLUSHES
    }


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1]) as name:
        print(raw_commits(Path(name), Path(sys.argv[1], "instant", "tallystick.db"))())


if __name__ == "__main__":
    main()
