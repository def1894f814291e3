"""What a start does without: it is paid for by everybody who waits for `tallystick serve`."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest
import uvicorn

from tallystick.cli import serve

PROGRAM = """
import sys
import tallystick.cli.main, tallystick.cli.serve, tallystick.cli.sandbox
from tallystick.partners.registry import load, manifests
for manifest in manifests():
    load(manifest.connector)
    load(manifest.simulator)
print(*sys.modules)
"""


def test_what_comes_later_is_not_imported_at_the_start():
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "tallystick.partners.plaid.inbound" in said  # the control: it was all loaded
    later = {"alembic", "jinja2", "joserfc", "rich", "sqlalchemy", "cryptography.x509"}
    assert later & set(said) == set()


@pytest.mark.anyio
async def test_garbage_is_collected_once_it_serves(monkeypatch):
    collecting: list[bool] = []

    async def startup(_self: uvicorn.Server, sockets: object = None) -> None:
        collecting.append(gc.isenabled())

    monkeypatch.setattr(uvicorn.Server, "startup", startup)
    gc.disable()
    try:
        await serve.Server(uvicorn.Config("nothing:here")).startup()
        collecting.append(gc.isenabled())
    finally:
        gc.enable()
        gc.unfreeze()
    assert collecting == [False, True]
