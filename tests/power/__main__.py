"""`python -m tests.power`: power cuts and failing disks, counted; exit code 1 if anything is wrong."""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import sys
from datetime import UTC, datetime

import structlog

from . import power
from .bugs import BUGS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.power", description=__doc__)
    parser.add_argument("--cuts", type=int, default=10_000, help="0: none")
    parser.add_argument("--operations", type=int, default=1_000, help="in the run that is cut")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--step", type=int, default=1, help="let every so many calls fail; 0: none")
    parser.add_argument(
        "--reads", type=int, default=1, metavar="STEP", help="every so many reads; 0: none"
    )
    parser.add_argument(
        "--starts", type=int, default=1, metavar="STEP", help="the same while it starts; 0: none"
    )
    parser.add_argument("--bug", choices=sorted(BUGS), help="put this wrong first")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    print(
        f"{datetime.now(UTC):%Y-%m-%d}  {' '.join(sys.argv[1:])}\n{os.cpu_count()} cores, Python"
        f" {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )
    wrong = 0
    if given.cuts:
        run = power.cuts(
            cuts=given.cuts, operations=given.operations, seed=given.seed, bug=given.bug
        )
        print(f"\npower cuts\n{run}", flush=True)
        wrong += len(run.wrong)
    if given.step:
        run = power.calls(step=given.step, chunk=100, bug=given.bug)
        print(f"\ncalls that fail\n{run}", flush=True)
        wrong += len(run.wrong)
    if given.reads:
        run = power.calls(step=given.reads, chunk=100, ways=power.READS, bug=given.bug)
        print(f"\nreads that fail\n{run}", flush=True)
        wrong += len(run.wrong)
    if given.starts:
        run = power.starts(step=given.starts)
        print(f"\ncalls that fail while it starts\n{run}", flush=True)
        wrong += len(run.wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
