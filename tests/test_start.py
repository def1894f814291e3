"""What a start does without: it is paid for by everybody who waits for `tallystick serve`."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys

import pytest
import uvicorn

from tallystick.cli import serve
from tallystick.server import config

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


def test_several_workers_serve_as_one_does(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    started: list[uvicorn.Config] = []

    class Supervisor:
        def __init__(self, made: uvicorn.Config, sockets: list[socket.socket]) -> None:
            started.append(made)
            sockets[0].close()

        def run(self) -> None:
            pass

    monkeypatch.setattr("uvicorn.supervisors.Multiprocess", Supervisor)
    monkeypatch.setenv(serve.FLAGS, "")  # `run` sets it
    flags = {"port": port, "workers": 2, "database_url": "postgresql://127.0.0.1:1/none"}
    serve.run(flags)
    (made,) = started
    one = serve.server_config(config.load(flags), made.app)
    different = {name for name, value in vars(one).items() if vars(made)[name] != value}
    assert different == set()
