"""The command line as a whole: every command is walked; and those on sessions, partners, changes."""

from __future__ import annotations

import inspect
import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from cyclopts import App

from tallystick.cli import serve
from tallystick.cli.main import app
from tallystick.partners import registry
from tallystick.server import config, operate
from tallystick.store import audit
from tallystick.store.db import EVERY

from .commands import TALLYSTICK, answer, environment, run
from .gateway import InProcess, Served
from .requirements import ROOT

REFERENCE = (ROOT / "docs" / "reference" / "cli.md").read_text()
ASKED_FOR = [
    "serve",
    "worker",
    "migrate",
    "demo",
    "listen",
    "trigger",
    "logs",
    "tail",
    "events",
    "resend",
    "env",
    "exec",
    "clock",
    "faults",
    "seed",
    "reset",
    "snapshot",
    "exchange",
    "session",
    "partner",
    "app",
    "keys",
    "orphans",
    "audit",
    "doctor",
    "completion",
]
# They have no result: they run a program, or are one.
WITHOUT_RESULT = {("serve",), ("worker",), ("demo",), ("exec",), ("completion",)}


def walked(at: App, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command by its words, with the function that it runs."""
    for name in at:
        if name.startswith("-"):
            continue
        below = at[name]
        if below.default_command is not None:
            yield (*words, name), below.default_command
        yield from walked(below, (*words, name))


COMMANDS = dict(walked(app))


def test_the_commands_asked_for_are_there():
    assert set(ASKED_FOR) <= {word for words in COMMANDS for word in words}
    assert len(COMMANDS) > 40


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_an_example_and_the_reference_the_command(words: tuple[str, ...]):
    said = " ".join(inspect.getdoc(COMMANDS[words]).split())
    # A command may have two names; its example is of one of them.
    names = [each for each, function in COMMANDS.items() if function is COMMANDS[words]]
    assert any(f"Example: tallystick {' '.join(each)}" in said for each in names)
    assert f"`{words[0]}" in REFERENCE or f"## {words[0]}" in REFERENCE
    assert all(word in REFERENCE for word in words)


@pytest.mark.parametrize("words", [e for e in COMMANDS if e not in WITHOUT_RESULT], ids=" ".join)
def test_whatever_has_a_result_has_a_format(words: tuple[str, ...]):
    assert "format" in inspect.signature(COMMANDS[words]).parameters


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_no_switch_that_does_nothing(words: tuple[str, ...], capsys):
    app([*words, "--help"], result_action="return_value")
    shown = capsys.readouterr().out
    assert words[-1] in shown
    for odd in ("--empty-", "--no-", "[default: ()]", "[default: False]"):
        assert odd not in shown


def test_scopes_are_switched_off_and_all_of_them_on_again(tmp_path):
    where = {"TALLYSTICK_DATA_DIR": str(tmp_path)}
    made = answer("app", "create", "Shop", "--without", "exchanges:read", **where)
    (before,) = (each for each in answer("app", "list", **where) if each["id"] == made["id"])
    answer("app", "change", made["id"], "--with-all", **where)
    (after,) = (each for each in answer("app", "list", **where) if each["id"] == made["id"])
    assert (before["withheld"], after["withheld"]) == (["exchanges:read"], [])


def test_help_is_shown():
    shown = run("session", "create", "--help")
    assert "Example: tallystick session create 0192… --partner MX" in shown.stdout


def credentials(server: Served) -> dict[str, str]:
    made = server.application()
    return {
        "TALLYSTICK_URL": server.url,
        "TALLYSTICK_CLIENT_ID": made["client_id"],
        "TALLYSTICK_CLIENT_SECRET": made["client_secret"],
    }


@pytest.mark.skipif("mx" not in {e.key for e in registry.manifests()}, reason="MX is not here")
def test_a_session_is_begun_shown_and_finished(server: Served):
    here = credentials(server)
    about = answer("trigger", "customer_created", **here)
    made = answer("session", "create", about["customer"], "--partner", "MX", **here)
    assert made["open"].startswith("http")
    assert answer("session", "show", made["id"], **here) == made
    lines = run("session", "show", made["id"], "--format", "text", **here).stdout.splitlines()
    assert lines[0].split() == ["id", made["id"]]
    done = run("session", "complete", made["id"], "--institution", "mxbank",
               "--user", "mxuser", "--password", "any", **here)  # fmt: skip
    assert done.returncode == 0, done.stderr
    wrong = run("session", "complete", made["id"], "--password", "INVALID", **here)
    assert (wrong.returncode, "mx refused it: " in wrong.stderr) == (1, True)
    linked = answer("trigger", "customer_exchange_reauth_required", "--partner", "MX", **here)
    again = answer("session", "reauth", linked["exchange"], **here)
    assert again["id"] != made["id"]
    refused = run("session", "show", "nobody", **here)
    assert (refused.returncode, refused.stdout) == (1, "")


def test_a_call_is_shown_when_it_comes_and_none_from_before(server: Served):
    application = server.application()
    httpx2.get(f"{server.url}/{application['id']}/before")
    following = subprocess.Popen(
        [*TALLYSTICK, "tail", "--path", f"/{application['id']}", "--format", "json",
         "--url", server.url],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert following.stderr
        assert following.stdout
        assert following.stderr.readline() == f"calls of {server.url}; Ctrl-C ends\n"
        httpx2.get(f"{server.url}/{application['id']}")
        assert json.loads(following.stdout.readline())["path"] == f"/{application['id']}"
        following.send_signal(signal.SIGTERM)
        assert following.wait(30) == 0
    finally:
        following.kill()
        following.communicate()


@pytest.mark.anyio
async def test_changes_are_listed_newest_first(gateway: InProcess):
    one, other = [await gateway.application() for _ in range(2)]
    ada = {"firstName": "Ada", "lastName": "Byron"}
    for api, email in ((one, "a@example.com"), (other, "a@example.com"), (one, "b@example.com")):
        await api.post("/customers", json={**ada, "email": email})
    reads, mine = gateway.core.db, one.made["id"]
    found = await audit.newest(reads, 10, app_id=mine, resource="customers")
    assert [each.app_id for each in found] == [mine, mine]
    assert found[0].number > found[1].number
    assert await audit.newest(reads, 10, resource_id=found[1].resource_id) == [found[1]]
    statements = len(EVERY)
    assert len(await audit.newest(reads, 2, resource="customers")) == 2
    assert len(await audit.newest(reads, 1, resource="customers")) == 1
    assert len(EVERY) <= statements + 1  # kept for as long as the process lives


@pytest.mark.anyio
async def test_what_the_operator_does_to_an_application_is_listed(gateway: InProcess):
    app_id = (await gateway.application()).made["id"]
    urls = ["https://example.com/back"]
    changes = {"status": "disabled", "account_status": "suspended", "withheld": ["events"]}
    await operate.change_application(gateway.core, app_id, **changes, redirect_urls=urls)
    await operate.change_application(gateway.core, app_id, redirect_urls=urls)  # no change
    await operate.change_application(gateway.core, app_id, status="active")
    found = await audit.newest(gateway.core.db, 10, app_id=app_id)
    assert [(each.resource, each.change) for each in reversed(found)] == [
        ("applications", "created"),
        ("applications", "status: disabled"),
        ("applications", 'withheld: ["events"]'),
        ("applications", 'redirect_urls: ["https://example.com/back"]'),
        ("accounts", "account_suspended"),
        ("applications", "status: active"),
    ]


def test_a_new_store_lists_its_first_application(tmp_path):
    here = {"TALLYSTICK_DATA_DIR": str(tmp_path)}
    (first,) = answer("audit", **here)
    assert (first["resource"], first["change"]) == ("applications", "created")
    wrong = run("audit", "--limit", "0", **here)
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_partners_and_the_settings_they_have():
    here = {"TALLYSTICK_PLAID_SECRET": "hunter2"}
    listed = answer("partner", "list", **here)
    assert {each["key"] for each in listed} == {each.key for each in registry.manifests()}
    key = listed[0]["key"]
    shown = answer("partner", "show", listed[0]["name"].upper(), **here)
    assert shown["key"] == key
    assert shown["settings"]["base_url"] == "not given"
    unknown = run("partner", "show", "nobody")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert key in unknown.stderr
    assert "hunter2" not in run("partner", "show", "plaid", "--format", "text", **here).stdout


def test_a_shell_completes(tmp_path):
    bash = shutil.which("bash")
    script = tmp_path / "completion"
    script.write_text(run("completion", "bash").stdout)
    asks = (
        f"source {script}; COMP_WORDS=(tallystick clock fr); COMP_CWORD=2; _tallystick;"
        " echo ${COMPREPLY[@]}"
    )
    done = subprocess.run([bash, "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["freeze"]
    for shell in ("zsh", "fish"):
        assert "tallystick" in run("completion", shell).stdout


def test_the_demonstration_runs_on_ipv6(tmp_path):
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as probe:
            port = str(probe.getsockname()[1])
    except OSError:
        pytest.skip("IPv6 is not here")
    ended = run("demo", "--once", "--host", "::1", "--port", port, "--data-dir", str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert f"API       http://[::1]:{port}" in ended.stdout
    assert "Every account is linked and verified." in ended.stdout


@pytest.mark.parametrize(
    ("host", "reached"),
    [("::", "[::1]"), ("0.0.0.0", "127.0.0.1"), ("localhost", "localhost")],
)
def test_a_gateway_says_where_it_is_reached(host, reached):
    settings = config.load({"host": host}, environ={})
    assert settings.base_url == f"http://{reached}:7420"
    assert f"API       {settings.base_url}" in serve.banner(settings)
