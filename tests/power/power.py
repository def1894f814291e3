"""Whole runs: a process behind the disk of disk.c, and then every state that its files may be in."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from . import tape
from .child import MISSES, Plan
from .disk import Way, behind
from .history import History, Round
from .states import judge

WAYS = [Way(error, lasting) for error in (errno.ENOSPC, errno.EIO) for lasting in (False, True)]
READS = [Way(errno.EIO, lasting, reads=True) for lasting in (False, True)]
# Of what is wrong, so much is told.
EXAMPLES = 10
# In memory where that is possible: a state is 5 MB, and there are ten thousand.
_MEMORY = Path("/dev/shm")


@dataclass
class Report:
    """`wrong` is empty if nothing was lost, half made or corrupt, and nothing hung."""

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def __str__(self) -> str:
        lines = [f"{count:>9,}  {name}" for name, count in self.counts.items()]
        lines.append(f"{len(self.wrong):>9,}  things wrong, in {self.seconds:.0f} s")
        return "\n".join([*lines, *(f"WRONG {each}" for each in self.wrong[:EXAMPLES])])

    def add(self, other: Report) -> None:
        self.wrong += other.wrong
        self.counts.update(other.counts)
        self.seconds += other.seconds


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as name:
        yield Path(name)


@contextlib.contextmanager
def _timed(report: Report) -> Iterator[Report]:
    began = time.monotonic()
    yield report
    report.seconds = time.monotonic() - began


def _done(scratch: Path, **plan: object) -> History:
    """What a process did behind the disk. `scratch` then has its `tape`."""
    (scratch / "files").mkdir()
    (scratch / "state").mkdir()
    made = Plan(folder=str(scratch / "files"), out=str(scratch / "history"), **plan)  # type: ignore[arg-type]
    command = [sys.executable, "-m", "tests.power.child", msgspec.json.encode(made).decode()]
    environment = behind(scratch / "files", scratch / "tape")
    with (scratch / "log").open("w") as log:
        child = subprocess.run(command, env=environment, stdout=log, stderr=log, check=False)
    assert child.returncode == 0, (scratch / "log").read_text()[-4_000:]
    return History.load(scratch / "history")


def _begin(report: Report, history: History, until: str | None = None) -> None:
    """What clients noticed themselves is wrong as well, but no proof that states are judged."""
    report.counts["acknowledged changes"] = len(history.changes)
    report.counts.update(history.counts)
    if until is None:
        report.wrong += history.wrong


class _Judge:
    """Holds states against a history, and counts those that differ."""

    def __init__(self, scratch: Path, history: History, report: Report, until: str | None) -> None:
        self._folder, self._history, self._report = scratch / "state", history, report
        self._until = until
        self._seen: set[int] = set()

    @property
    def satisfied(self) -> bool:
        """A control has found what it was looking for."""
        until = self._until
        return until is not None and any(until in each for each in self._report.wrong)

    def look(self, files: dict[str, bytes], position: int, what: str) -> None:
        state = hash((position, tuple(sorted(files.items()))))
        if state not in self._seen:
            self._seen.add(state)
            self._report.counts["different states"] += 1
            wrong = asyncio.run(judge(self._folder, files, self._history, position))
            self._report.wrong += [f"{what} {position}: {each}" for each in wrong]
        self._report.counts[f"states {what}"] += 1


# ── power cuts ────────────────────────────────────────────────────────────────────────────────


def cuts(
    *, cuts: int, operations: int, seed: int = 1, bug: str | None = None, until: str | None = None
) -> Report:
    """Cut the power at `cuts` moments of a run; a moment may come more than once, and something
    else is left of it then. No more of them when `until` is among what is wrong.
    """
    with _timed(Report()) as report, _scratch() as scratch:
        history = _done(scratch, mode="cuts", operations=operations, seed=seed, bug=bug)
        _begin(report, history, until)
        moments = _moments(scratch / "tape", report)
        rng = random.Random(seed)
        drawn = Counter(rng.sample(moments * (1 + cuts // len(moments)), cuts))
        seen = _Judge(scratch, history, report, until)
        files = tape.Files(seed)
        for record in tape.read(scratch / "tape"):
            files.move(record)
            for number in range(drawn[files.position]):
                chance = random.Random(f"{seed} {files.position} {number}")
                seen.look(files.after_a_cut(chance), files.position, "after a cut at")
            if seen.satisfied:
                break
    return report


def _moments(path: Path, report: Report) -> list[int]:
    """Those at which something hangs in the balance."""
    files, found = tape.Files(0), []
    for record in tape.read(path):
        files.move(record)
        report.counts["writes" if record.kind == "W" else "syncs" if record.kind == "S" else "other"] += 1  # fmt: skip
        if not files.settled:
            found.append(files.position)
    report.counts["moments with unsynced writes"] = len(found)
    return found


# ── calls that fail ───────────────────────────────────────────────────────────────────────────


def calls(
    *,
    step: int = 1,
    chunk: int = sys.maxsize,
    ways: Sequence[Way] = WAYS,
    cuts_per_round: int = 1,
    bug: str | None = None,
    until: str | None = None,
) -> Report:
    """Let every `step`th call of a round of changes fail in each of the `ways`. What is there after
    a round is judged as a process finds it that is started then, and after power cuts within it.

    `chunk`: after so many rounds all begins anew, because states grow.
    """
    report = Report()
    together = [list(ways)] if chunk == sys.maxsize else [[way] for way in ways]
    for some in together:
        first = 1
        while True:
            last = first + chunk * step - 1 if chunk < sys.maxsize else sys.maxsize
            part, over = _some_calls(first, last, step, some, cuts_per_round, bug, until)
            report.add(part)
            if over or (until and report.wrong):
                break
            first = last + 1
    return report


def _some_calls(
    first: int,
    last: int,
    step: int,
    ways: list[Way],
    cuts_per_round: int,
    bug: str | None,
    until: str | None,
) -> tuple[Report, bool]:
    with _timed(Report()) as report, _scratch() as scratch:
        history = _done(
            scratch, mode="calls", first=first, last=last, step=step, ways=ways, bug=bug
        )
        _begin(report, history, until)
        _count(report, history.rounds)
        seen = _Judge(scratch, history, report, until)
        files = tape.Files(first)
        records = tape.read(scratch / "tape")
        for each in history.rounds:
            rng = random.Random(f"{each.at} {each.way}")
            drawn = Counter(rng.randint(each.begun + 1, each.end) for _ in range(cuts_per_round))
            while files.position < each.end:
                files.move(next(records))
                for _ in range(drawn[files.position]):
                    seen.look(files.after_a_cut(rng), files.position, "after a fault and a cut at")
            seen.look(files.as_they_are(), files.position, "after a fault at")
            if seen.satisfied:
                break
        missed = [each.failed == 0 for each in history.rounds[-MISSES:]]
    return report, len(missed) < MISSES or all(missed)


def _count(report: Report, rounds: list[Round]) -> None:
    for each in rounds:
        if each.failed:
            report.counts[f"calls that failed: {each.way}"] += 1


def starts(*, step: int = 1, last: int = sys.maxsize, ways: Sequence[Way] = WAYS) -> Report:
    """Let every `step`th call, up to the `last`, of a start in an empty folder fail; the next start
    must succeed.
    """
    with _timed(Report()) as report, _scratch() as scratch:
        history = _done(scratch, mode="starts", step=step, last=last, ways=list(ways))
        _begin(report, history)
        _count(report, history.rounds)
    return report
