"""The short form of power cuts and failing disks, and the proof that each notices what is wrong.

The long form is `make power`; its figures are in docs/reliability.md.
"""

from __future__ import annotations

import os

import pytest

from . import power

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LONG = bool(os.environ.get("TALLYSTICK_TESTS_LONG"))


def test_no_power_cut_loses_or_halves_what_was_acknowledged():
    report = power.cuts(cuts=2_000 if LONG else 200, operations=500 if LONG else 50)
    print(report)
    assert not report.wrong
    assert report.counts["different states"] > report.counts["states after a cut at"] / 2


def test_no_call_that_fails_loses_or_halves_what_was_acknowledged():
    report = power.calls(step=7 if LONG else 70)
    print(report)
    assert not report.wrong
    for way in ("ENOSPC once", "ENOSPC from then on", "EIO once", "EIO from then on"):
        assert report.counts[f"calls that failed: {way}"] > 3
    assert report.counts["answered 500"]


def test_a_start_that_failed_does_not_stop_the_next():
    report = power.starts(step=11) if LONG else power.starts(step=130, last=300)
    print(report)
    assert not report.wrong
    assert report.counts["start ended with OperationalError"]


# What each is found by in the states that it leaves.
CONTROLS = {
    "off": "is lost",
    "normal": "is lost",
    "key": "it does not open: ConfigurationError",
    "early": "is lost",
    "split": "without exactly one event of their making",
    "later": "and the change is not so",
    "swallowed": "is lost",
}
SHORT = ("normal", "swallowed")


@pytest.mark.parametrize("bug", sorted(CONTROLS))
def test_a_seeded_bug_is_noticed(bug):
    if not LONG and bug not in SHORT:
        pytest.skip("the long form (make sweep) has this one")
    symptom = CONTROLS[bug]
    if bug == "swallowed":
        report = power.calls(step=70, bug=bug, until=symptom)
    else:
        report = power.cuts(cuts=300, operations=30, bug=bug, until=symptom)
    print(report)
    assert any(symptom in each for each in report.wrong)
