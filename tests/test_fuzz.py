"""What nobody means to send: 0 answers of 5xx, 0 hangs, memory flat (threats T18 to T23, T30, T37).

The long form (`make fuzz`) is in tests/fuzzing.py; these are its short forms and its controls.
"""

from __future__ import annotations

import asyncio
import os

import pytest

from . import fuzzing
from .raw_http import target

LONG = bool(os.environ.get("TALLYSTICK_TESTS_LONG"))
MUTANTS = 1_000


def test_strange_requests(tmp_path, database_url):
    with target(tmp_path / "fuzzed", database_url) as at:
        reports = [
            asyncio.run(work)
            for work in (
                fuzzing.visit_zoo(at, every=False),
                fuzzing.tell_lies(at),
                fuzzing.mutate(at, MUTANTS, seed=1),
            )
        ]
        reports.append(fuzzing.read_log(at))
    for report in reports:
        assert not report.wrong, report
    assert [each.asked >= least for each, least in zip(reports, (300, 80, 1_000, 300), strict=True)]
    # Not all was turned away at the door.
    assert reports[2].statuses[200] > 10
    assert reports[2].statuses[400] > 100


CONTROLS = [
    ("naive_json", "zoo"),
    ("last_member_wins", "zoo"),
    ("patience", "lies"),
    ("hoard", "mutants"),
    *(
        pytest.param(*each, marks=pytest.mark.skipif(not LONG, reason="long form only"))
        for each in (
            ("any_text", "zoo"),
            ("no_bound", "zoo"),
            ("bare_errors", "mutants"),
            ("no_escape", "mutants"),
            ("naive_json", "mutants"),
            ("patience", "mutants"),
        )
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("bug", "harness"), CONTROLS)
def test_a_seeded_bug_is_seen(tmp_path, monkeypatch, bug, harness):
    monkeypatch.setattr(fuzzing, "WAIT_S", 4.0)
    run = {
        "zoo": lambda at: fuzzing.visit_zoo(at, every=LONG),
        "lies": fuzzing.tell_lies,
        "mutants": lambda at: fuzzing.mutate(at, 600, seed=1),
    }[harness]
    with target(tmp_path / "fuzzed", f"sqlite:///{tmp_path}/fuzzed/t.db", bug) as at:
        report = asyncio.run(run(at))
    assert report.wrong, report
    print(report, *report.wrong[:2], sep="\n  ")
