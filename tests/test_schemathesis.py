"""Requests made of the OpenAPI documents, ours and Dwolla's; the long form is `make fuzz`."""

from __future__ import annotations

import os

import pytest

from . import schema_fuzzing
from .raw_http import target

LONG = bool(os.environ.get("TALLYSTICK_TESTS_LONG"))
EXAMPLES = 1_000 if LONG else 3
# To make requests of a document takes long, whatever comes of them.
EVERY = 1 if LONG else 7

# Strategies are made of whatever a document says: schemathesis and hypothesis warn while they are.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(7_200 if LONG else 120)]


@pytest.mark.parametrize("whose", schema_fuzzing.documents())
def test_what_a_document_allows_is_answered_as_it_says(tmp_path, whose):
    document = schema_fuzzing.documents()[whose]
    if document is None:
        pytest.skip("../shared/specs/dwolla-openapi.yml is not here")
    with target(tmp_path / "fuzzed", f"sqlite:///{tmp_path}/fuzzed/t.db") as at:
        report = schema_fuzzing.fuzz(at, whose, document, EXAMPLES, EVERY)
    assert not report.wrong, report
    assert report.statuses[200] > 0
    print(report)


@pytest.mark.parametrize("bug", ["bare_errors", "naive_json"] if LONG else ["bare_errors"])
def test_a_seeded_bug_is_seen(tmp_path, bug):
    whose, document = next(iter(schema_fuzzing.documents().items()))
    with target(tmp_path / "fuzzed", f"sqlite:///{tmp_path}/fuzzed/t.db", bug) as at:
        report = schema_fuzzing.fuzz(at, whose, document, 60 if LONG else 4, EVERY)
    assert report.wrong, report
    print(report, report.wrong[0])
