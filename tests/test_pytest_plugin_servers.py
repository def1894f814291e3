"""The pytest plugin's server: one for all, one that was there, and what goes wrong with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tallystick.pytest.launch import Plan, own

from .plugin_runs import PLUGINS, SRC, ends, run

pytest_plugins = ["pytester"]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A gateway of this process. Not for one test: pytester forgets the modules a test imported,
    and the half of a package that is left does not go with the half that is imported again."""
    with own(tmp_path_factory.mktemp("running"), Plan(os.getpid())) as server:
        yield server


# ── one server ────────────────────────────────────────────────────────────────────────────────


def test_eight_workers_share_one_server(inner):
    inner.makepyfile(
        """
        import json, os, pathlib
        import pytest

        @pytest.mark.parametrize("number", range(24))
        def test_isolated(number, tallystick, tallystick_application, tallystick_server):
            name = f"Ada{number}"
            tallystick.customers.create(
                first_name=name, last_name="Byron", email=f"ada{number}@example.com"
            )
            assert [each.first_name for each in tallystick.customers.list()] == [name]
            note = {
                "url": tallystick_server.url,
                "application": tallystick_application.id,
                "worker": os.environ["PYTEST_XDIST_WORKER"],
            }
            pathlib.Path(f"note-{number}.json").write_text(json.dumps(note))
        """
    )
    run(inner, "-n", "8", passed=24)
    notes = [json.loads(path.read_text()) for path in inner.path.glob("note-*.json")]
    urls = {each["url"] for each in notes}
    assert len(urls) == 1
    assert len({each["application"] for each in notes}) == 24
    assert len({each["worker"] for each in notes}) == 8
    assert ends(urls.pop())
    assert list(inner.path.rglob("server.json"))
    assert not list(inner.path.rglob("remove-to-stop"))


def test_the_clock_has_a_server_of_its_own_under_xdist(inner):
    inner.makepyfile(
        """
        import pytest

        @pytest.fixture
        def later(tallystick_clock):
            return tallystick_clock.set("2040-01-01T00:00:00Z")

        def test_moved(tallystick, later, tallystick_application, tallystick_server):
            assert tallystick.base_url == tallystick_application.url != tallystick_server.url
            made = tallystick.customers.create(first_name="A", last_name="B", email="a@b.example")
            assert made.fetch().created.startswith("2040-01-01T00:00")

        def test_too_late(request, tallystick):
            request.getfixturevalue("tallystick_clock")

        def test_others_do_not_notice(tallystick, tallystick_server):
            assert tallystick.base_url == tallystick_server.url
            made = tallystick.customers.create(first_name="A", last_name="B", email="a@b.example")
            assert made.fetch().created < "2040"
        """
    )
    result = run(inner, "-n", "2", passed=2, failed=1)
    result.stdout.fnmatch_lines(["*under xdist a test names tallystick_clock in its arguments*"])


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_run_that_is_killed_leaves_no_server(inner, workers):
    inner.makepyfile(
        """
        import pathlib, time

        def test_long(tallystick_server):
            pathlib.Path("url.part").write_text(tallystick_server.url)
            pathlib.Path("url.part").rename("url")
            time.sleep(50)
        """
    )
    found = inner.path / "url"
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *PLUGINS, "-n", workers],
        cwd=inner.path,
        stdout=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 60
        while not found.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        url = found.read_text()
        process.send_signal(signal.SIGKILL)
    assert ends(url, within_s=20)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_server_that_runs_is_used(running, inner, monkeypatch, workers):
    inner.makepyfile(
        """
        import os

        def test_there(tallystick_server, tallystick):
            assert tallystick_server.url == os.environ["TALLYSTICK_URL"] == tallystick.base_url
            tallystick.root()

        def test_its_clock(tallystick_server, tallystick, tallystick_clock):
            assert tallystick_server.url == os.environ["TALLYSTICK_URL"]
            others_are_there = "PYTEST_XDIST_WORKER" in os.environ
            assert others_are_there == (tallystick.base_url != tallystick_server.url)
            tallystick_clock.freeze("2031-01-31T12:00:00Z")
            tallystick.root()
        """
    )
    monkeypatch.setenv("TALLYSTICK_URL", running.url)
    run(inner, "-n", workers, passed=2)
    assert not ends(running.url, within_s=0.1)


# ── what goes wrong ───────────────────────────────────────────────────────────────────────────

NEEDS_A_SERVER = """
def test_one(tallystick): ...
def test_two(tallystick): ...
"""


def test_the_server_s_packages_are_missing(inner, monkeypatch):
    inner.makepyfile(NEEDS_A_SERVER)
    blocked = inner.mkdir("blocked")
    missing = "raise ModuleNotFoundError(\"No module named 'uvicorn'\", name='uvicorn')"
    (blocked / "uvicorn.py").write_text(missing)
    monkeypatch.setenv("PYTHONPATH", f"{SRC}{os.pathsep}{blocked}")
    result = run(inner, passed=0, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*the tallystick gateway did not start (exit code *",
            "*No module named 'uvicorn'*",
            "*pip install 'tallystick[[]server[]]', or set TALLYSTICK_URL*",
        ]
    )


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("codes = nonsense", "*  | *nonsense*"),
        ("database_url = postgresql://x", "*not*database_url*"),
        ("MODE = live", "*a line 'MODE'*"),
        ("nonsense: s3cret", "*tallystick_settings has a line 'nonsense': write name = value*"),
    ],
)
def test_a_wrong_setting(inner, setting, said):
    inner.makepyfile(NEEDS_A_SERVER)
    inner.makeini(f"[pytest]\nfilterwarnings = error\ntallystick_settings =\n    {setting}\n")
    result = run(inner, "-n", "2", passed=0, errors=2)
    result.stdout.fnmatch_lines([said])
    assert "s3cret" not in result.stdout.str()


def test_a_setting_reaches_the_server(inner):
    inner.makeini("[pytest]\ntallystick_settings =\n    compat_visa = true\n")
    inner.makepyfile(
        """
        def test_visa(tallystick, tallystick_simulate):
            customer = tallystick.customers.create(
                first_name="Ada", last_name="Byron", email="ada@example.com"
            )
            exchange = tallystick_simulate.link(
                customer, "visa", redirect_url="https://shop.example.com/back"
            )
            assert exchange.fetch().status == "active"
        """
    )
    run(inner, passed=1)


def test_another_service_is_no_gateway(inner, monkeypatch):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

    inner.makepyfile(NEEDS_A_SERVER)
    with HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        monkeypatch.setenv("TALLYSTICK_URL", f"http://127.0.0.1:{other.server_port}")
        result = run(inner, passed=0, errors=2)
        other.shutdown()
    result.stdout.fnmatch_lines(["*TALLYSTICK_URL: *is no tallystick gateway"])


def test_an_address_that_is_none(inner, monkeypatch):
    inner.makepyfile(NEEDS_A_SERVER)
    monkeypatch.setenv("TALLYSTICK_URL", "ftp://host")
    run(inner, passed=0, errors=2).stdout.fnmatch_lines(["*TALLYSTICK_URL: base_url must be *"])
