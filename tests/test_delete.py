"""The delete test: the tree without one partner's folder still passes its tests.

The tree is copied, the folder removed, and what does not name the partner is run there: the house
rules, a link through every partner that is left, and, in the long form, their own tests and those of
the API.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.partners import registry

from .requirements import ROOT, SHARED

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MANIFESTS = registry.manifests()
KEYS = [manifest.key for manifest in MANIFESTS]

SCRIPT = """
import asyncio, sys, tempfile, pathlib
from tests.gateway import in_process

async def main():
    folder = pathlib.Path(tempfile.mkdtemp())
    async with in_process(folder, f"sqlite:///{folder}/t.db") as gateway:
        client = gateway.client()
        await client.sign_in()
        customer = await client.customer()
        for name in sys.argv[1:]:
            exchange = await client.exchange(customer, name)
            print((await client.get(exchange)).json()["status"])

asyncio.run(main())
"""


@pytest.fixture(params=KEYS)
def without(request, tmp_path) -> tuple[str, Path]:
    """The key of the partner that is gone, and the copy of the tree it is gone from."""
    copy = tmp_path / "tallystick"
    ignored = shutil.ignore_patterns(".venv", ".git", "node_modules", ".*_cache", "*.pyc.*")
    shutil.copytree(ROOT, copy, ignore=ignored)
    shutil.rmtree(copy / "src" / "tallystick" / "partners" / request.param)
    if SHARED.exists():
        (tmp_path / SHARED.name).symlink_to(SHARED)
    return request.param, copy


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{copy / 'src'}{os.pathsep}{copy}"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_one_partner_everything_else_works(without):
    key, copy = without
    others = [each for each in KEYS if each != key]
    names = [each.name for each in MANIFESTS if each.key != key and not each.opt_in]
    linked = run(copy, "-c", SCRIPT, *names)
    assert linked.returncode == 0, linked.stderr
    assert linked.stdout.split() == ["active"] * len(names)
    everything = [f"src/tallystick/partners/{each}" for each in others] + ["src/tallystick/api"]
    # Nobody who reads a missing folder can be collected; to run them all takes a minute each.
    chosen = "" if os.environ.get("TALLYSTICK_TESTS_LONG") else " and (tidy or exchange_partners)"
    # What is generated from the code lists the partners; it is right that it differs.
    checked = run(copy, "-m", "pytest", "-q", "-x", "-m", "not browser and not slow",
                  "--deselect", "tests/test_tidy.py::test_generated_pages_are_fresh",
                  "--deselect", "tests/test_tidy.py::test_the_base_install_needs_no_server",
                  "-k", f"not {key} and not postgres{chosen}",
                  "tests/test_tidy.py", *everything)  # fmt: skip
    assert checked.returncode == 0, checked.stdout[-3000:]
    assert " passed" in checked.stdout
