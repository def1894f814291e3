"""The benchmarks, so short that their figures mean nothing: that each runs, and measures its bars."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .requirements import missing

ROOT = Path(__file__).parents[1]

# The suite of other people's mocks is not here: it installs them first.
SHORT = {
    "gateway": {},
    "disks": {},
    "sdk": {},
    "deliveries": {"ROWS": "48000"},
    "growth": {"SIZES": "200 400"},
    "soak": {"MINUTES": "4", "MINUTE_S": "1"},
}


@pytest.mark.slow
@pytest.mark.xdist_group("bench")
@pytest.mark.parametrize("suite", SHORT)
def test_a_suite_runs_and_measures_what_it_has_a_bar_for(tmp_path, suite):
    if suite == "disks" and not shutil.which("cc"):
        missing("a C compiler")
    short = {"ROUNDS": "1", "SECONDS": "0.3", "KEPT": str(tmp_path), **SHORT[suite]}
    ended = subprocess.run(
        [sys.executable, "-m", "bench", suite],
        cwd=ROOT,
        env={**os.environ, **short},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    kept = json.loads((tmp_path / "latest.json").read_text())
    assert list(kept) == [suite]
    for name, each in kept[suite]["figures"].items():
        assert (each["median"] > 0) != name.endswith("_refused"), name
    assert set(importlib.import_module(f"bench.{suite}").BARS) <= set(kept[suite]["ratios"])
    assert (tmp_path / "soak.svg").exists() == (suite == "soak")
