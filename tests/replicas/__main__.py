"""`python -m tests.replicas`: one run, its counts, and exit code 1 if anything is wrong."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from .bugs import BUGS
from .network import why_not
from .run import Plan, replicas


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.replicas", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="of trouble")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bug", choices=sorted(BUGS), help="put this wrong first")
    parser.add_argument("--quick", action="store_true", help="short cuts, as in the tests")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it there")
    given = parser.parse_args()
    if reason := why_not():
        parser.exit(2, f"{reason}\n")
    plan = Plan(given.seconds, given.seed, given.bug, given.quick)
    print(
        f"{datetime.now(UTC):%Y-%m-%d}  {plan}\n{os.cpu_count()} cores, Python"
        f" {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = given.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        report = replicas(plan, folder)
    print(report)
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
