"""The short form of the storm on both engines, and the proof that it notices what may be wrong.

The long form is `make storm`; its figures are in docs/reliability.md.
"""

from __future__ import annotations

import asyncio
import os

import pytest

from .bugs import BUGS
from .storm import Plan, storm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LONG = bool(os.environ.get("TALLYSTICK_TESTS_LONG"))


def run(tmp_path, database_url, cluster=None, **options):
    workers = {"gateways": 1, "workers": 2}
    if database_url.startswith("postgresql"):
        workers = {"gateways": 2, "workers": 3}
    plan = Plan(**{"quick": True, **workers, **options})
    report = asyncio.run(storm(plan, tmp_path, database_url, cluster))
    print(report)
    return report


def test_nothing_acknowledged_is_lost_doubled_or_half_made(tmp_path, database_url):
    report = run(tmp_path, database_url, operations=2_000 if LONG else 80)
    assert not report.wrong
    assert report.counts["kill -9 of workers"]
    assert report.counts["kill -9 of workers"] + report.counts["kill -9 of gateways"]
    assert report.counts["webhooks delivered"] > report.counts["acknowledged changes"]


@pytest.mark.skipif(not LONG, reason="the long form (make sweep) has this one")
def test_nothing_is_lost_when_the_database_is_killed_as_well(tmp_path, cluster):
    report = run(tmp_path, cluster.url, cluster, operations=0, operations_per_kill=5, kills=20)
    assert not report.wrong
    assert report.counts["rounds of kill -9 under load"] >= 20
    assert report.counts["kill -9 of the database's server"]
    assert report.counts["kill -9 of one process of the database"]


# What each of these is found by; the engine on which it is looked for when there is little time.
CONTROLS = {
    "split": ("0 events", "sqlite"),
    "cursor": ("is due", None),
    "off-by-one": ("exhausted after 8 tries", None),
    "claimed": ("never accepted", "postgres"),
    "later": ("that nobody caused", None),
}


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_a_seeded_bug_is_noticed(tmp_path, database_url, bug):
    symptom, engine = CONTROLS[bug]
    if not LONG and not database_url.startswith(engine or "-"):
        pytest.skip("the long form (make sweep) has this one")
    if bug == "cursor" and database_url.startswith("sqlite"):
        pytest.skip("SQLite has one writer: nothing commits late")
    report = run(
        tmp_path, database_url, operations=80 if LONG else 40, operations_per_kill=4, bug=bug
    )
    assert any(symptom in each for each in report.wrong), report.wrong
