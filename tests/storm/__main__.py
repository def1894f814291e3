"""`python -m tests.storm`: one storm, its counts, and exit code 1 if anything is wrong."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.databases import drop_all, kept, postgres

from .bugs import BUGS
from .cluster import Cluster
from .storm import Plan, Report, storm


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bug", choices=sorted(BUGS), help="put this wrong first")
    parser.add_argument("--quick", action="store_true", help="short deadlines, as in the tests")
    parser.add_argument("--kills", type=int, help="go on until so many, instead of --operations")
    parser.add_argument(
        "--per-kill", type=float, metavar="OPERATIONS", help="25, or 5 with --kills"
    )
    parser.add_argument(
        "--cluster", action="store_true", help="a PostgreSQL server of its own, killed as well"
    )
    parser.add_argument(
        "--keep", type=Path, help="work in this folder and leave it and the database there"
    )
    given = parser.parse_args()
    gateways, workers = (1, 2) if given.engine == "sqlite" else (2, 3)
    plan = Plan(
        given.operations, given.seed, given.bug, given.quick, gateways, workers,
        operations_per_kill=given.per_kill or (5.0 if given.kills else 25.0), kills=given.kills,
    )  # fmt: skip
    print(
        f"{datetime.now(UTC):%Y-%m-%d}  {given.engine}  {plan}\n{os.cpu_count()} cores, Python"
        f" {platform.python_version()}"
    )
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = given.keep or Path(name)
            folder.mkdir(parents=True, exist_ok=True)
            report = run(plan, folder, given)
    finally:
        drop_all()
    print(report)
    return 1 if report.wrong else 0


def run(plan: Plan, folder: Path, given: argparse.Namespace) -> Report:
    if given.engine == "sqlite":
        return asyncio.run(storm(plan, folder, f"sqlite:///{folder}/tallystick.db"))
    if given.cluster:
        cluster = Cluster(folder, random.Random(given.seed))
        try:
            cluster.create()
            return asyncio.run(storm(plan, folder, cluster.url, cluster))
        finally:
            if given.keep:
                cluster.stop()
                print(cluster.data)
            else:
                cluster.remove()
    if given.keep:
        url = kept()
        print(url)
        return asyncio.run(storm(plan, folder, url))
    with postgres() as url:
        return asyncio.run(storm(plan, folder, url))


if __name__ == "__main__":
    sys.exit(main())
