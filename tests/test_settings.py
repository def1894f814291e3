"""Settings that cannot be: each is named by its own name, in one line, before anything is begun."""

from __future__ import annotations

import socket
import sys

import pytest

from tallystick.errors import ConfigurationError
from tallystick.server import config

from .commands import run

NOWHERE = {"TALLYSTICK_DATA_DIR": "/nonexistent"}


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"TALLYSTICK_MODE": "livee"}, "mode is sandbox or live, not 'livee'"),
        ({"TALLYSTICK_CODES": "camel"}, "codes is seed or pascal, not 'camel'"),
        ({"TALLYSTICK_PORT": "abc"}, "port is a whole number, not 'abc'"),
        ({"TALLYSTICK_SEED": "abc"}, "seed is a whole number, not 'abc'"),
        ({"TALLYSTICK_PORT": "99999"}, "port is a number from 1 to 65535"),
        ({"TALLYSTICK_PORT": "0"}, "port is a number from 1 to 65535"),
        ({"TALLYSTICK_WORKERS": "0"}, "workers is a number from 1"),
        ({"TALLYSTICK_WORKERS": "2"}, "several workers need PostgreSQL"),
        ({"TALLYSTICK_DELIVER_WEBHOOKS": "maybe"}, "deliver_webhooks is true or false, not 'maybe"),
        ({"TALLYSTICK_DATABASE_URL": "mysql://u:p@x/y"}, "database_url begins with sqlite:///"),
        ({"TALLYSTICK_PUBLIC_ULR": "x"}, "not a setting (did you mean public_url?)"),
    ],
)
def test_a_setting_that_cannot_be_is_named(environ, said, tmp_path):
    with pytest.raises(ConfigurationError) as refused:
        config.load({}, environ, tmp_path / "none.toml")
    assert said in str(refused.value)


def test_a_file_is_told_what_is_wrong_and_repeats_no_secret(tmp_path):
    file = tmp_path / "tallystick.toml"
    file.write_text("prot = 1\n")
    with pytest.raises(ConfigurationError, match=r"prot is not a setting \(did you mean port\?\)"):
        config.load({}, {}, file)
    file.write_text("client_secret = 4711\n")
    with pytest.raises(ConfigurationError, match="client_secret: Expected") as refused:
        config.load({}, {}, file)
    assert "4711" not in str(refused.value)


def test_several_workers_are_for_postgresql():
    url = "postgresql://localhost/tallystick"
    assert config.load({"workers": 3, "database_url": url}, {}).workers == 3


def test_postgresql_without_its_driver_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'tallystick\[server,postgres\]'"):
        config.load({"database_url": "postgresql://localhost/tallystick"}, {})


@pytest.mark.parametrize(
    "words", [("--port", "99999"), ("--workers", "3"), ("--database-url", "mysql://x")]
)
def test_serve_refuses_them_in_one_line_before_it_says_anything_else(words):
    done = run("serve", *words, **NOWHERE)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr


def test_a_port_is_proposed_only_where_another_one_would_do():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port), **NOWHERE)
    assert f"another port: --port {port + 1}" in done.stderr
    done = run("serve", "--host", "192.0.2.1", "--port", str(port), **NOWHERE)
    assert done.returncode == 2
    assert "cannot listen on 192.0.2.1" in done.stderr
    assert "another port" not in done.stderr
