"""`tallystick webhooks` and `resend`: what did not arrive, sent again; topics and secrets."""

from __future__ import annotations

import pytest

from tallystick.cli.choice import choice
from tallystick.clock import HOUR_MS, SystemClock, from_iso
from tallystick.errors import ConfigurationError

from .commands import Application, answer, run

NOWHERE = "http://127.0.0.1:1/hook"


def test_the_dead_are_listed_and_sent_again(app: Application):
    subscription = app.client.webhook_subscriptions.create(url=NOWHERE, secret="s3cret")
    app.client.webhook_subscriptions.update(subscription, paused=True)
    for _ in range(3):
        app.customer()
    found = answer("webhooks", "list", "--limit", "2", "--since", "1h", **app.environ)
    assert [each["status"] for each in found["webhooks"]] == ["stopped"] * 2
    rest = answer("webhooks", "list", "--after", found["next"], **app.environ)
    assert len(rest["webhooks"]) == 1
    sent = answer("resend", "--limit", "2", "--subscription", subscription.href, **app.environ)
    assert sent["replayed"] == 2
    sent = answer("events", "resend", "--status", "stopped", "--after", sent["next"], **app.environ)
    assert sent == {"replayed": 1, "next": None}
    webhooks = app.client.webhook_subscriptions.list_webhooks(subscription)
    assert [len(app.client.webhooks.list_retries(each).items) for each in webhooks] == [1] * 3
    none = run("resend", "--topics", "customer_created", "0192", **app.environ)
    assert (none.returncode, "not both" in none.stderr) == (2, True)


def test_topics_and_secrets(app: Application):
    made = app.client.webhook_subscriptions.create(url=NOWHERE, secret="s3cret")
    chosen = answer("webhooks", "topics", made.id, "--only", "customer_verified", **app.environ)
    assert chosen["topics"] == ["customer_verified"]
    shown = run("webhooks", "topics", made.id, "--format", "text", **app.environ).stdout
    assert shown.split()[:2] == ["id", made.id]
    app.customer()
    assert not app.client.webhook_subscriptions.list_webhooks(made).items
    secret = {"WEBHOOK_SECRET": "n3w"}  # which no list of processes shows
    turned = answer(
        "webhooks", "rotate", made.href, "--overlap-hours", "1", **app.environ, **secret
    )
    assert turned["secretOverlapUntil"]
    assert app.client.webhook_subscriptions.choose_topics(made, None).topics is None
    assert app.client.webhooks.choose(subscription=made).items == []
    assert app.client.webhooks.replay(subscription=made, status=["delivered"]) == 0


def test_a_choice():
    made = choice("dead,due", "customer_created", "2h", "2026-01-31T12:00:00Z", "http://x/y/id/")
    ago_ms = SystemClock().now_ms() - from_iso(made.pop("since"))
    assert 2 * HOUR_MS <= ago_ms < 3 * HOUR_MS
    assert made == {
        "status": ["dead", "due"],
        "topics": ["customer_created"],
        "until": "2026-01-31T12:00:00Z",
        "subscription": "id",
    }
    assert choice(None, None, None, None, None) == {}
    for wrong in (("lost", None), (",", None), (None, "customer_creatd")):
        with pytest.raises(ConfigurationError):
            choice(*wrong, None, None, None)


@pytest.mark.parametrize("only", ["", " , "])
def test_no_topic_at_all_is_told_of_the_option_that_was_given(only):
    refused = run("webhooks", "topics", "some", "--only", only)
    assert refused.returncode == 2
    assert f"{only!r} names no topic" in refused.stderr
    assert "--topics" not in refused.stderr
