"""`tallystick doctor`: what it finds, that it changes nothing, and its exit code."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from .commands import run
from .databases import postgres
from .gateway import Served, free_port, served

KEY = "0f" * 32


def examined(*words: str, **more: str) -> tuple[int, dict[str, tuple[str, str]]]:
    done = run("doctor", "--format", "json", *words, **more)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert (done.returncode == 1) == any(each["state"] == "fail" for each in found)
    return done.returncode, {each["check"]: (each["state"], each["said"]) for each in found}


@pytest.fixture
def port() -> str:
    return str(free_port())


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A folder that a gateway has served from."""
    folder = tmp_path / "used"
    folder.mkdir(mode=0o700)
    with served(folder, f"sqlite:///{folder}/tallystick.db"):
        pass
    return folder


def test_where_nothing_is_everything_can_be_made_and_nothing_is(tmp_path: Path, port: str):
    folder = tmp_path / "a" / "b"
    code, found = examined("--data-dir", str(folder), "--port", port)
    assert code == 0
    assert {found[each][0] for each in ("settings", "port", "data folder", "database")} == {"ok"}
    assert found["encryption key"] == ("ok", "will be made")
    assert list(tmp_path.iterdir()) == []


def test_what_a_gateway_left_is_well(used: Path, port: str):
    code, found = examined("--data-dir", str(used), "--port", port)
    assert code == 0
    assert found["database"][0] == "ok"
    assert found["encryption key"] == ("ok", "opens what is sealed")


def test_a_postgresql_that_is_empty_or_away_is_told(tmp_path: Path, port: str):
    words = ("--data-dir", str(tmp_path), "--port", port, "--database-url")
    with postgres() as url:
        state, said = examined(*words, url)[1]["database"]
    assert (state, "migrate" in said or "schema" in said) in {("warn", True), ("ok", True)}
    away = f"postgresql://somebody:hunter2@127.0.0.1:{free_port()}/none"
    code, found = examined(*words, away)
    assert (code, found["database"][0]) == (1, "fail")
    assert "hunter2" not in str(found)


def test_a_port_that_something_else_has_fails(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = str(taken.getsockname()[1])
        code, found = examined("--data-dir", str(tmp_path), "--port", number)
    assert (code, found["port"][0]) == (1, "fail")
    assert "another port" in found["port"][1]


def test_a_port_that_a_gateway_has_is_well(tmp_path: Path, server: Served):
    number = server.url.rpartition(":")[2]
    _, found = examined("--data-dir", str(tmp_path), "--port", number)
    assert found["port"][0] == "ok"
    assert "ready" in found["port"][1]


def test_what_others_can_read_is_told(used: Path, port: str):
    used.chmod(0o755)
    code, found = examined("--data-dir", str(used), "--port", port)
    assert (code, found["data folder"][0]) == (0, "warn")
    (used / "sandbox.key").chmod(0o644)
    code, found = examined("--data-dir", str(used), "--port", port)
    assert (code, found["key file"][0]) == (1, "fail")


def test_a_key_that_does_not_fit_fails_and_is_not_shown(used: Path, port: str):
    words = ("--data-dir", str(used), "--port", port)
    code, found = examined(*words, TALLYSTICK_ENCRYPTION_KEY=KEY)
    assert (code, found["encryption key"][0]) == (1, "fail")
    assert KEY not in str(found)
    code, found = examined(*words, TALLYSTICK_ENCRYPTION_KEY="not a key")
    assert (code, found["encryption key"][0]) == (1, "fail")
    (used / "sandbox.key").unlink()
    code, found = examined(*words)
    assert (code, found["encryption key"][0]) == (1, "fail")
    assert not (used / "sandbox.key").exists()


@pytest.mark.parametrize("text", ["nothing of the kind" * 100, ""])
def test_a_file_that_is_no_database_never_ends_in_a_traceback(tmp_path: Path, port: str, text: str):
    (tmp_path / "tallystick.db").write_text(text)
    code, found = examined("--data-dir", str(tmp_path), "--port", port)
    assert found["database"][0] == ("fail" if text else "warn")
    assert code == (1 if text else 0)


def test_wrong_settings_are_told(tmp_path: Path):
    code, found = examined("--data-dir", str(tmp_path), "--mode", "live")
    assert (code, found["settings"][0]) == (1, "fail")
    assert "encryption key" in found["settings"][1]


def test_a_database_of_no_engine_of_ours_fails(tmp_path: Path, port: str):
    words = ("--data-dir", str(tmp_path), "--port", port)
    code, found = examined(*words, "--database-url", "mysql://u:hunter2@x/y")
    assert (code, found["settings"][0]) == (1, "fail")
    assert "postgresql://" in found["settings"][1]
    assert "hunter2" not in str(found)


def test_a_data_dir_that_is_a_file_fails(tmp_path: Path, port: str):
    (tmp_path / "file").write_text("")
    code, found = examined("--data-dir", str(tmp_path / "file"), "--port", port)
    assert (code, found["data folder"][0]) == (1, "fail")


def test_the_text_has_one_line_for_each_check(tmp_path: Path, port: str):
    done = run("doctor", "--data-dir", str(tmp_path), "--port", port)
    states = [line.split()[0] for line in done.stdout.splitlines()]
    assert set(states) <= {"ok", "warn"}
    assert len(states) == 7
