"""What a test may need from the machine. Missing, it skips and says why; in CI it fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
SPECS = SHARED / "specs"
NODE_MODULES = ROOT / "tests" / "node" / "node_modules"
STRICT = "TALLYSTICK_TESTS_STRICT"


def missing(what: str) -> NoReturn:
    """Skip, or fail where everything must be there."""
    if os.environ.get(STRICT):
        pytest.fail(f"{what} must be here, because {STRICT} is set")
    pytest.skip(f"{what} is not here")


def node() -> str:
    """The path of Node, with the official clients installed."""
    path = shutil.which("node") or missing("Node")
    if not NODE_MODULES.exists():
        missing("tests/node/node_modules (make test installs it)")
    return path


def spec(name: str) -> Path:
    """An OpenAPI document. They are not part of the repository: without them tests skip."""
    path = SPECS / name
    if not path.exists():
        pytest.skip(f"../shared/specs/{name} is not here")
    return path
