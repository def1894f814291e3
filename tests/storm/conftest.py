"""A PostgreSQL server that a test may kill."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.requirements import missing

from .cluster import Cluster, binaries


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    if binaries() is None:
        missing("initdb")
    made = Cluster(tmp_path, random.Random(1))
    try:
        made.create()
        yield made
    finally:
        made.remove()
