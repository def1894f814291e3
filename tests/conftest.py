"""Fixtures for the families of files in this folder."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tallystick import AsyncClient, Client

from .commands import Application, Hook
from .executing import environment
from .gateway import Served, served
from .plugin_runs import SRC
from .sdk_world import QUICK, Recorder

# ── `tallystick exec` and `env` ───────────────────────────────────────────────────────────────


@pytest.fixture
def made(server: Served) -> dict[str, str]:
    """The credentials of a new application, as the environment of a program."""
    app = server.application()
    return {"KEY": app["client_id"], "SECRET": app["client_secret"]}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway on SQLite alone: for what does not depend on the store."""
    folder = tmp_path_factory.mktemp("one")
    with served(folder, f"sqlite:///{folder}/tallystick.db") as running:
        yield running


@pytest.fixture(scope="module")
def url_of_any(tmp_path_factory: pytest.TempPathFactory):
    """Something that says it is ready: for what never gets as far as a gateway."""
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\nConnection: close\r\n\r\n{"status":"ready"}'
    script = f"""
import socketserver
class Ready(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline(); self.wfile.write({answer!r})
with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Ready) as server:
    print(server.server_address[1], flush=True); server.serve_forever()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.kill()
    process.communicate()


# ── commands that act for an application ──────────────────────────────────────────────────────


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append((dict(self.headers), body))
            self.send_response(made.status(len(made.got)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def app(server: Served, tmp_path: Path) -> Iterator[Application]:
    made = server.application()
    key, secret = made["client_id"], made["client_secret"]
    with Client(base_url=server.url, key=key, secret=secret) as client:
        yield Application(
            client,
            {
                "TALLYSTICK_URL": server.url,
                "TALLYSTICK_CLIENT_ID": key,
                "TALLYSTICK_CLIENT_SECRET": secret,
                "TALLYSTICK_DATA_DIR": str(tmp_path),
            },
        )


# ── the SDK, and the pytest plugin ────────────────────────────────────────────────────────────


@pytest.fixture(params=[Client, AsyncClient], ids=["sync", "async"])
def both(request):
    """`both(recorder, call, **options)`: the result of `call(client)`, awaited if need be."""

    def run(recorder: Recorder, call, **options):
        options = {"retry_config": QUICK, **options}
        if request.param is Client:
            with recorder.client(**options) as client:
                return call(client)

        async def later():
            async with recorder.async_client(**options) as client:
                return await call(client)

        return asyncio.run(later())

    return run


@pytest.fixture
def inner(pytester, monkeypatch):
    """A project of somebody else's, in which a run of pytest has our plugin, and strict warnings."""
    for name in [name for name in os.environ if name.startswith(("TALLYSTICK_", "PYTEST_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", SRC)
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    return pytester
