"""`tallystick events`: what happened, what happens, and its webhooks once more."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from tallystick.cli.catalogue import topics_of
from tallystick.cli.choice import After, Since, Status, SubscriptionOption, Topics, Until, choice
from tallystick.cli.cursor import Feed, Handled
from tallystick.cli.outcome import CommandFailed, until_signal
from tallystick.cli.output import Format, say, show, show_line
from tallystick.cli.remote import Url, api
from tallystick.errors import ConfigurationError

if TYPE_CHECKING:
    from tallystick.sdk.public import Client, Event, Webhook

app = App(name="events", help="The events of an application.")

POLL_S = 1.0
LIMIT_MAX = 10_000
REPLAY_AT_ONCE = 500


@app.command(name="list")
def list_events(
    *,
    limit: Annotated[int, Parameter(help="At most so many.")] = 25,
    topics: Topics = None,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """List the newest events, newest first.

    Example: tallystick events list --topics customer_created --format text
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise ConfigurationError(f"--limit is from 1 to {LIMIT_MAX}")
    wanted = topics_of(topics)
    found: list[Event] = []
    with api(url) as client:
        for event in client.events.list(limit=min(limit, 200)):
            if event.topic in wanted:
                found.append(event)
            if len(found) == limit:
                break
    if format == "json":
        show([_shown(each) for each in found], format)
        return
    for each in found:
        say(each.created, each.topic, each.id, each.resource_id)


@app.command
def tail(
    *,
    topics: Topics = None,
    format: Format = "text",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Show events as they happen, until Ctrl-C; in JSON one document a line.

    Example: tallystick events tail
    """
    wanted = topics_of(topics)
    with until_signal(), api(url) as client:
        handled = Handled()
        feed = Feed(client, handled)
        feed.begin_now()
        print(f"events of {client.base_url}; Ctrl-C ends", file=sys.stderr, flush=True)
        while True:
            for event in feed.unseen():
                handled.add(event.id)
                if event.topic not in wanted:
                    continue
                if format == "json":
                    show_line(_shown(event))
                else:
                    say(event.created, event.topic, event.id, event.resource_id)
            time.sleep(POLL_S)


def _shown(event: Event) -> dict[str, str | None]:
    return {
        "id": event.id,
        "topic": event.topic,
        "created": event.created,
        "resource": event.link("resource"),
    }


@app.command
def resend(
    event: str | None = None,
    *,
    status: Status = None,
    topics: Topics = None,
    since: Since = None,
    until: Until = None,
    subscription: SubscriptionOption = None,
    limit: Annotated[int | None, Parameter(help="At most so many.")] = None,
    after: After = None,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Send every webhook of an event once more, whether or not it was delivered; or, without an
    event, all that fit: those that are dead unless --status says.

    Example: tallystick events resend --since 2h --topics customer_funding_source_verified
    """
    asked = choice(status, topics, since, until, subscription)
    if event is None:
        _resend_all(asked, limit, after, format, url)
        return
    if asked or limit is not None or after is not None:
        raise ConfigurationError("give an event, or say which webhooks; not both")
    with api(url) as client:
        about = client.events.get(event)
        sent = []
        for webhook in _webhooks(client, about):
            retry = client.webhooks.retry(webhook)
            to = webhook.subscription_id
            sent.append({"webhook": webhook.id, "subscription": to, "retry": retry.id})
    if not sent:
        raise CommandFailed("no subscription of the application has a webhook of this event")
    show(sent, format)


def _resend_all(
    asked: dict[str, Any],
    limit: int | None,
    after: str | None,
    format: Format,  # noqa: A002  # the option's name
    url: str | None,
) -> None:
    """As many calls as it takes. What interrupts it costs nothing: `next` tells where to go on."""
    if limit is not None and limit < 1:
        raise ConfigurationError("--limit is 1 or more")
    count = 0
    with api(url) as client:
        while limit is None or count < limit:
            at_once = REPLAY_AT_ONCE if limit is None else min(REPLAY_AT_ONCE, limit - count)
            body = {**asked, "limit": at_once} | ({"after": after} if after else {})
            answer = client.post("_tallystick/replays", body).json()
            count += answer["replayed"]
            after = answer["next"]
            if after is None:
                break
            print(f"{count} so far; goes on with --after {after}", file=sys.stderr, flush=True)
    show({"replayed": count, "next": after}, format)


def _webhooks(client: Client, event: Event) -> list[Webhook]:
    """Those of every subscription that there is."""
    return [
        webhook
        for subscription in client.webhook_subscriptions.list()
        for webhook in client.webhook_subscriptions.list_webhooks(
            subscription, resource_id=event.resource_id, limit=200
        )
        if webhook.event_id == event.id
    ]
