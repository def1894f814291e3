"""`tallystick clock`, `faults`, `seed`, `reset`, `snapshot` and `logs`, as a person runs them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from tallystick.cli.logs import count_new
from tallystick.cli.output import readable

from .commands import TALLYSTICK, answer, environment, run
from .gateway import Served, free_port, served
from .requirements import ROOT


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway of its own: clock, seed and reset are everybody's in one that is shared."""
    folder = tmp_path_factory.mktemp("own")
    with served(folder, f"sqlite:///{folder}/tallystick.db") as running:
        yield running


def test_the_clock_is_shown_frozen_set_advanced_and_let_go(own: Served):
    here = {"TALLYSTICK_URL": own.url}
    assert answer("clock", "show", **here)["frozen"] is False
    assert answer("clock", "freeze", **here)["frozen"] is True
    shown = answer("clock", "set", "2031-01-31T12:00:00Z", **here)
    assert shown == {"now": "2031-01-31T12:00:00.000Z", "frozen": True}
    moved = answer("clock", "advance", "--days", "1", "--minutes", "1.5", "--url", own.url)
    assert moved["now"] == "2031-02-01T12:01:30.000Z"
    assert answer("clock", "show", **here) == moved
    assert answer("clock", "resume", **here)["frozen"] is False


def test_faults_are_added_listed_and_cleared(own: Served):
    here = ("--url", own.url)
    body = '{"error_code": "ITEM_LOCKED"}'
    first = answer(
        "faults", "add", "--path", "/customers/*", "--status", "500", "--count", "1", *here
    )
    second = answer("faults", "add", "--partner", "plaid", "--status", "400", "--body", body, *here)
    assert second["body"] == json.loads(body)
    assert [each["id"] for each in answer("faults", "list", *here)] == [first["id"], second["id"]]
    told = run("faults", "list", "--format", "text", *here).stdout.splitlines()
    assert told[0].split()[:4] == [first["id"], "fired", "0", "of"]
    assert answer("faults", "clear", first["id"], *here)["id"] == first["id"]
    assert answer("faults", "clear", *here) == {"removed": 1}


def test_seeds_resets_and_snapshots(own: Served):
    here = ("--url", own.url)
    application = own.application(name="to be forgotten")
    assert answer("snapshot", "save", "before", *here)["name"] == "before"
    assert [each["name"] for each in answer("snapshot", "list", *here)] == ["before"]
    assert "before" in run("snapshot", "list", "--format", "text", *here).stdout
    done = answer("reset", "--seed", "7", "--now", "2031-01-31T12:00:00Z", *here)
    assert (done["seed"], done["now"]) == (7, "2031-01-31T12:00:00.000Z")
    assert answer("seed", *here) == {"seed": 7}
    assert answer("seed", "8", *here) == {"seed": 8}
    assert answer("seed", "--random", *here) == {"seed": None}
    answer("snapshot", "restore", "before", *here)
    only = answer("reset", "--application", application["client_id"], *here)
    assert only["application"] == application["id"]
    assert answer("snapshot", "delete", "before", *here) == {"name": "before"}


def test_logs_show_what_was_asked_oldest_first(server: Served):
    application = server.application()
    credentials = (application["client_id"], application["client_secret"])
    form = {"grant_type": "client_credentials"}
    token = httpx2.post(f"{server.url}/token", auth=credentials, data=form).json()["access_token"]
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.dwolla.v1.hal+json",
    }
    for path in ("/customers", "/events", "/customers/none"):
        httpx2.get(f"{server.url}{path}", headers=headers)
    mine = ("--application", application["id"], "--url", server.url)
    shown = run("logs", "--format", "json", *mine).stdout.splitlines()
    assert [json.loads(each)["path"] for each in shown][-3:] == [
        "/customers", "/events", "/customers/none",
    ]  # fmt: skip
    [failed] = run("logs", "--status", "4xx", *mine).stdout.splitlines()
    assert failed.split()[1:4] == ["404", "GET", "/customers/none"]
    narrowed = run("logs", "--path", "/ev", "--method", "get", *mine).stdout.splitlines()
    assert len(narrowed) == 1


def test_logs_that_follow_show_a_call_when_it_comes_and_end_cleanly(server: Served):
    application = server.application()
    following = subprocess.Popen(
        [*TALLYSTICK, "logs", "--follow", "--path", f"/{application['id']}", "--url", server.url],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for _ in range(2):
            httpx2.get(f"{server.url}/{application['id']}")
            assert following.stdout
            assert application["id"] in following.stdout.readline()
        time.sleep(0.1)
        following.send_signal(signal.SIGINT)
        assert following.wait(60) == 0
        assert following.stderr
        assert following.stderr.read() == ""
    finally:
        following.kill()
        following.communicate()


def test_a_list_is_laid_over_the_one_before_it():
    a, b, c = ({"at": each} for each in "abc")
    assert count_new([b, a], []) == 2
    assert count_new([c, b, a], [b, a]) == 1
    assert count_new([c, b], [b, a]) == 1, "the oldest was dropped"
    assert count_new([b, a], [b, a]) == 0
    assert count_new([a, a, a], [a, a]) == 1, "as alike as two calls can be"
    assert count_new([c], [b, a]) == 1, "after a reset"


def test_nothing_that_was_asked_can_steer_a_terminal():
    assert readable("/\x1b[2J\u202e\n") == "/\ufffd[2J\ufffd\ufffd"


class Steering(BaseHTTPRequestHandler):
    """No gateway of ours: its refusals hold what clears a terminal."""

    def do_POST(self) -> None:
        body = json.dumps({"error": "\x1b[2J", "code": "Refused", "message": "\x1b[2J"}).encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_said: object) -> None:
        pass


@pytest.mark.parametrize("command", [("clock", "freeze"), ("events", "list")])
def test_no_refusal_can_steer_a_terminal(command):
    with ThreadingHTTPServer(("127.0.0.1", 0), Steering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        refused = run(*command, TALLYSTICK_URL=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert refused.returncode == 1
    assert "\ufffd[2J" in refused.stderr
    assert "\x1b" not in refused.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("clock", "set"), 2, "--to"),
        (("clock", "sett"), 2, "Unknown command"),
        (("clock", "advance", "--days", "soon"), 2, "soon"),
        (("clock", "advance", "--days", "nan"), 2, "nan and inf"),
        (("clock", "advance"), 1, "say how far"),
        (("clock", "set", "soon"), 1, "to is a time"),
        (("clock", "show", "--url", "ftp://x"), 2, "--url (or TALLYSTICK_URL) is"),
        (("faults", "add"), 1, ""),
        (("faults", "add", "--body", "{"), 2, "--body is JSON"),
        (("faults", "clear", "../requests"), 1, ""),
        (("seed", "7", "--random"), 2, "not both"),
        (("reset", "--seed", "-1"), 1, "seed"),
        (("reset", "--application", "nobody"), 1, "nobody"),
        (("snapshot", "restore", "none"), 1, "there is no snapshot"),
        (("snapshot", "save", "../../x"), 1, "a name has"),
        (("logs", "--status", "600"), 2, "--status is"),
        (("logs", "--application", "nobody"), 1, "nobody"),
    ],
)
def test_what_cannot_be_done_is_told_in_its_own_exit_code(own: Served, words, code, said):
    done = run(*words, TALLYSTICK_URL=own.url)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_gateway_the_exit_code_is_3():
    done = run("clock", "show", "--url", f"http://127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout) == (3, "")
    assert "tallystick serve" in done.stderr


def test_help_needs_no_client():
    """What would make `tallystick --help` slow is not imported for it."""
    slow = ("httpx2", "uvicorn", "sqlalchemy", "tallystick.partners", "tallystick.sdk")
    code = f"import sys; import tallystick.cli.main\nprint([e for e in {slow} if e in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_reader_that_has_seen_enough_ends_it_quietly(own: Served):
    for _ in range(3):
        httpx2.get(f"{own.url}/customers")
    command = f"{sys.executable} -m tallystick logs | true"
    done = subprocess.run(
        ["bash", "-c", command], env=environment(TALLYSTICK_URL=own.url), capture_output=True,
        text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
