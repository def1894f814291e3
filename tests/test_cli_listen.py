"""`tallystick listen`: real commands, sockets and signals."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from pathlib import Path

import pytest

from tallystick import Client
from tallystick.cli import cursor
from tallystick.cli.cursor import Cursor, Feed, Handled, held
from tallystick.cli.listen import backoff_s, message_headers
from tallystick.cli.outcome import CommandFailed
from tallystick.delivery.message import CONTENT_TYPE, USER_AGENT
from tallystick.signature import verify

from .commands import SECRET, TALLYSTICK, Application, Hook, answer, environment, listening, run
from .gateway import Served, free_port, served
from .requirements import ROOT

# ── listen ────────────────────────────────────────────────────────────────────────────────────


def test_events_are_posted_as_a_webhook_would_be(app: Application, hook: Hook):
    app.customer()  # before the first time: not sent
    with listening(app, hook) as running:
        event = app.customer()
        assert hook.wait_for(1) == [event]
        assert running.stdout is not None
        line = running.stdout.readline().split()
        assert line[1:4] == ["200", "customer_created", event]
    headers, body = hook.got[0]
    assert body == app.client.with_raw_response.events.get(event).content
    assert headers["X-Dwolla-Topic"] == "customer_created"
    assert verify(SECRET.encode(), body, headers["X-Request-Signature-SHA-256"])
    assert (headers["Content-Type"], headers["User-Agent"]) == (CONTENT_TYPE, USER_AGENT)
    assert headers["webhook-id"] == event
    assert app.client.webhooks.unwrap(body, headers, secret=SECRET).id == event


def test_what_happened_while_it_was_away_comes_in_order_and_once(app: Application, hook: Hook):
    with listening(app, hook):
        made = [app.customer()]
        hook.wait_for(1)
    made += [app.customer() for _ in range(3)]
    with listening(app, hook):
        hook.wait_for(4)
        made.append(app.customer())
        assert hook.wait_for(5) == made


def test_a_receiver_that_fails_is_asked_again_and_nothing_overtakes(app: Application, hook: Hook):
    hook.status = lambda number: 500 if number <= 2 else 200
    with listening(app, hook, "--format", "json") as running:
        first, second = app.customer(), app.customer()
        assert hook.wait_for(4) == [first, first, first, second]
        assert running.stdout is not None
        lines = [json.loads(running.stdout.readline()) for _ in range(4)]
    assert [(each["status"], each["again_s"]) for each in lines] == [
        (500, 1.0), (500, 2.0), (200, None), (200, None),
    ]  # fmt: skip


def test_an_event_that_failed_is_still_there_after_a_restart(app: Application, hook: Hook):
    hook.status = lambda _number: 503
    with listening(app, hook):
        event = app.customer()
        hook.wait_for(1)
    before = len(hook.got)
    hook.status = lambda _number: 204
    with listening(app, hook):
        assert hook.wait_for(before + 1)[-1] == event


def test_topics_narrow_and_what_was_left_out_does_not_come_later(app: Application, hook: Hook):
    with listening(app, hook, "--topics", "customer_suspended"):
        app.customer()
        [customer] = app.client.customers.list(limit=1).items
        app.client.customers.update(customer, status="suspended")
        hook.wait_for(1)
    with listening(app, hook):
        time.sleep(1.5)
    assert [headers["X-Dwolla-Topic"] for headers, _ in hook.got] == ["customer_suspended"]


def test_from_start_sends_everything_again(app: Application, hook: Hook):
    made = [app.customer(), app.customer()]
    for times in (1, 2):
        with listening(app, hook, "--from-start"):
            assert hook.wait_for(2 * times) == made * times


def test_after_a_reset_it_goes_on_with_what_is_new(app: Application, hook: Hook, server: Served):
    key = app.environ["TALLYSTICK_CLIENT_ID"]
    with listening(app, hook):
        app.customer()
        hook.wait_for(1)
        answer("reset", "--application", key, "--url", server.url)
        event = app.customer()
        assert hook.wait_for(2)[1] == event


def test_a_gateway_that_goes_away_is_waited_for(tmp_path: Path, hook: Hook):
    database, port = f"sqlite:///{tmp_path}/tallystick.db", free_port()
    url = f"http://127.0.0.1:{port}"
    with Client(base_url=url) as client:
        own = Application(client, {"TALLYSTICK_URL": url, "TALLYSTICK_DATA_DIR": str(tmp_path)})
        with served(tmp_path, database, port=port):
            listener = contextlib.ExitStack()
            running = listener.enter_context(listening(own, hook))
            made = [own.customer()]
            hook.wait_for(1)
        with listener:
            assert running.stderr is not None
            assert "the gateway is away" in running.stderr.readline()
            with served(tmp_path, database, port=port):
                made += [own.customer(), own.customer()]
                assert hook.wait_for(3) == made


def test_a_process_that_is_killed_goes_on_where_it_was(app: Application, hook: Hook):
    made = [app.customer()]
    words = ("listen", "--forward-to", hook.url, "--from-start")
    with subprocess.Popen(
        [*TALLYSTICK, *words], cwd=ROOT, env=environment(**app.environ), stderr=subprocess.PIPE
    ) as killed:
        hook.wait_for(1)
        made.append(app.customer())
        hook.wait_for(2)
        time.sleep(0.5)
        killed.kill()
    made.append(app.customer())
    with listening(app, hook):
        assert hook.wait_for(3) == made


def test_a_position_that_cannot_be_kept_is_told(app: Application, hook: Hook, tmp_path: Path):
    (tmp_path / "listen").write_text("a file")
    done = run("listen", "--forward-to", hook.url, **app.environ)
    assert (done.returncode, "cannot be written" in done.stderr) == (1, True)


def test_only_one_forwards_to_one_receiver(app: Application, hook: Hook):
    with listening(app, hook):
        second = run("listen", "--forward-to", hook.url, **app.environ)
        assert second.returncode == 1
        assert "another" in second.stderr


def test_the_position_is_nobody_elses_to_read(app: Application, hook: Hook, tmp_path: Path):
    with listening(app, hook):
        [kept] = (tmp_path / "listen").glob("*.json")
        assert kept.stat().st_mode & 0o077 == 0
    kept.write_text('{"whole": 1}')
    damaged = run("listen", "--forward-to", hook.url, **app.environ)
    assert (damaged.returncode, "damaged" in damaged.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--forward-to", "localhost:3000"), 2, "--forward-to is"),
        (("--forward-to", "http://u:p@localhost"), 2, "--forward-to is"),
        (("--forward-to", "http://localhost", "--secret", ""), 2, "--secret is empty"),
        (("--forward-to", "http://localhost", "--topics", "customer_creatd"), 2, "customer_created?"),
        (("--forward-to", "http://localhost", "--topics", ","), 2, "names no topic"),
        (("--forward-to", "http://localhost", "--url", "http://127.0.0.1:9"), 3, "no gateway"),
        (("--forward-to", "http://localhost", "--url", "http://gateway.test"), 2, "no credentials"),
    ],
)  # fmt: skip
def test_a_wrong_listen_ends_at_once(tmp_path: Path, words, code, said):
    done = run("listen", *words, TALLYSTICK_DATA_DIR=str(tmp_path))
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_wrong_credentials_are_told(server: Served, tmp_path: Path):
    wrong = {"TALLYSTICK_CLIENT_ID": "nobody", "TALLYSTICK_CLIENT_SECRET": "none"}
    done = run(
        "listen", "--forward-to", "http://localhost", "--url", server.url,
        TALLYSTICK_DATA_DIR=str(tmp_path), **wrong,
    )  # fmt: skip
    assert done.returncode == 1
    assert "401" in done.stderr


def test_the_pause_grows_and_ends():
    assert [backoff_s(n) for n in (1, 2, 3, 5, 6, 10_000)] == [1, 2, 4, 16, 30, 30]


def test_without_a_secret_nothing_is_signed():
    assert not [each for each in message_headers("t", "1", b"{}", None) if "ignature" in each]


# ── the feed, against pages that move ─────────────────────────────────────────────────────────


def test_no_event_is_lost_over_many_pages(app: Application, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cursor, "PAGE", 3)
    monkeypatch.setattr(cursor, "OVERLAP", 2)
    handled = Handled()
    feed = Feed(app.client, handled)
    feed.begin_now()
    made = [app.customer() for _ in range(10)]
    assert [each.id for each in feed.unseen()] == made
    handled.add(*made)
    assert feed.unseen() == []
    made.append(app.customer())
    assert [each.id for each in feed.unseen()] == made[-1:]
    assert [each.id for each in feed.unseen()] == made[-1:], "nobody has handled it yet"


def test_an_event_that_becomes_visible_late_is_found(app: Application):
    made = [app.customer() for _ in range(4)]
    handled = Handled([made[0], made[1], made[3]], whole=False)
    assert [each.id for each in Feed(app.client, handled).unseen()] == [made[2]]


def test_what_is_older_than_the_cursor_remembers_is_not_sent(
    app: Application, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cursor, "KEPT_MAX", 2)
    made = [app.customer() for _ in range(4)]
    handled = Handled()
    feed = Feed(app.client, handled)
    feed.begin_now()
    assert (handled.ids(), handled.whole) == (made[-2:], False)
    assert feed.unseen() == []


def test_a_cursor_outlives_the_process_and_is_held_once(tmp_path: Path):
    with held(tmp_path, "a", "b") as first:
        first.add("1", "2")
        with pytest.raises(CommandFailed), held(tmp_path, "a", "b"):
            pass
        with held(tmp_path, "a", "c") as other:
            assert other.ids() == []
    with held(tmp_path, "a", "b") as again:
        assert (again.ids(), again.fresh) == (["1", "2"], False)
    with held(tmp_path, "a", "b", anew=True) as again:
        assert again.ids() == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"whole": true}', '{"whole": true, "handled": [1]}']
)
def test_a_damaged_cursor_is_told(tmp_path: Path, text: str):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(CommandFailed, match="damaged"):
        Cursor(tmp_path / "x.json")
