"""The short form of the run, and the proof that it notices what may be wrong.

The long form is `make replicas`; its figures are in docs/reliability.md.
"""

from __future__ import annotations

import os

import pytest

from tests.requirements import missing
from tests.storm.cluster import binaries

from .bugs import BUGS
from .network import why_not
from .run import Plan, replicas

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LONG = bool(os.environ.get("TALLYSTICK_TESTS_LONG"))


def run(tmp_path, **options):
    if reason := why_not():
        # Not a failure under TALLYSTICK_TESTS_STRICT either: few machines of a CI allow it.
        pytest.skip(f"{reason} (skipped in CI as well, whose machines may not allow it)")
    if binaries() is None:
        missing("initdb, of PostgreSQL's server,")
    report = replicas(Plan(**options), tmp_path)
    print(report)
    return report


def test_replicas_agree_while_cables_are_pulled_and_primaries_lost(tmp_path):
    report = run(tmp_path, seconds=60 if LONG else 6, quick=not LONG)
    assert not report.wrong
    for what in ("fail over", "acknowledged customers", "revocations", "histories checked"):
        assert report.counts[what], what


# What each of these is found by, and for how many seconds there must be trouble.
CONTROLS = {
    "memory": ("has no order that explains it", 10),
    "proofs": ("has no order that explains it", 20),
    "for-ever": ("accepts a token", 10),
    "cancelled": ("is lost", 75),  # it shows in late failovers only: two in 45 s lose 2 to 9
    "asynchronous": ("is lost", 45),
}


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_a_seeded_bug_is_noticed(tmp_path, bug):
    if not LONG:
        pytest.skip("the long form (make sweep) has this one")
    symptom, seconds = CONTROLS[bug]
    report = run(tmp_path, seconds=seconds, bug=bug)
    assert any(symptom in each for each in report.wrong), report.wrong
