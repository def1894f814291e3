"""`tallystick events` and `webhooks verify`: real commands, sockets and signals."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import get_args

from tallystick.api.events.wire import Topic
from tallystick.cli.catalogue import TOPICS
from tallystick.signature import sign

from .commands import SECRET, TALLYSTICK, Application, Hook, answer, environment, run, started
from .gateway import free_port


def test_the_catalogue_is_the_gateways():
    assert get_args(Topic) == TOPICS


def test_events_are_listed_newest_first(app: Application):
    made = [app.customer() for _ in range(3)]
    assert [each["id"] for each in answer("events", "list", **app.environ)] == made[::-1]
    assert len(answer("events", "list", "--limit", "2", **app.environ)) == 2
    none = answer("events", "list", "--topics", "customer_verified", **app.environ)
    assert none == []
    lines = run("events", "list", "--format", "text", **app.environ).stdout.splitlines()
    assert lines[0].split()[1:3] == ["customer_created", made[2]]
    assert run("events", "list", "--limit", "0", **app.environ).returncode == 2


def test_tail_shows_events_as_they_happen(app: Application):
    app.customer()
    with started(app, "events", "tail", "--format", "json") as running:
        assert running.stderr is not None
        assert "Ctrl-C ends" in running.stderr.readline()
        event = app.customer()
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["id"] == event


def test_resend_asks_for_a_retry_of_each_webhook(app: Application, hook: Hook):
    subscription = app.client.webhook_subscriptions.create(url=hook.url, secret=SECRET)
    event = app.customer()
    hook.wait_for(1)
    [sent] = answer("events", "resend", event, **app.environ)
    assert sent["subscription"] == subscription.id
    assert hook.wait_for(2) == [event, event]
    assert run("events", "resend", "0" * 8, **app.environ).returncode == 1


def test_resend_of_what_nobody_subscribed_fails(app: Application):
    done = run("events", "resend", app.customer(), **app.environ)
    assert (done.returncode, "no subscription" in done.stderr) == (1, True)


def test_a_signature_is_checked(tmp_path: Path):
    body = tmp_path / "body.json"
    body.write_bytes(b'{"id": "1"}')
    good = sign(SECRET.encode(), body.read_bytes())
    words = ("webhooks", "verify", "--secret", SECRET, "--signature")
    assert run(*words, good, str(body)).returncode == 0
    wrong = run(*words, "0" * 64, str(body))
    assert (wrong.returncode, SECRET in wrong.stderr) == (1, False)
    assert run(*words, good, str(tmp_path / "none")).returncode == 2
    piped = subprocess.run(
        [*TALLYSTICK, *words, good, "-"], input=body.read_bytes(), env=environment(), check=False
    )
    assert piped.returncode == 0


def test_without_a_gateway_events_end_with_3():
    done = run("events", "list", TALLYSTICK_URL=f"http://127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout) == (3, "")
