"""`tallystick webhooks`: which did not arrive, and what a subscription is told and signed with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tallystick.cli.catalogue import topics_of
from tallystick.cli.choice import After, Since, Status, SubscriptionOption, Topics, Until, choice
from tallystick.cli.outcome import CommandFailed
from tallystick.cli.output import Format, say, show
from tallystick.cli.remote import WEBHOOK_SECRET, Url, api
from tallystick.errors import ConfigurationError
from tallystick.signature import SIGNATURE, verify

app = App(name="webhooks", help="Webhooks: those that did not arrive, topics, secrets, signatures.")

OURS = "_tallystick"


@app.command(name="list")
def list_webhooks(
    *,
    status: Status = None,
    topics: Topics = None,
    since: Since = None,
    until: Until = None,
    subscription: SubscriptionOption = None,
    limit: Annotated[int, Parameter(help="At most so many.")] = 100,
    after: After = None,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """List webhooks that fit; without --status those that are dead: exhausted after nine attempts,
    or stopped because their subscription was paused or deleted.

    Example: tallystick webhooks list --since 2h --format text
    """
    asked = choice(status, topics, since, until, subscription)
    with api(url) as client:
        params = {**asked, "limit": limit, "after": after}
        found = client.get(f"{OURS}/webhooks", params=params).json()
    if format == "json":
        show(found)
        return
    for each in found["webhooks"]:
        last = each["lastAttempt"] or {}
        how = last.get("statusCode") or last.get("failure")
        say(each["created"], each["topic"], each["id"], each["status"], each["attempts"], how)
    if found["next"] is not None:
        print(f"more with --after {found['next']}", file=sys.stderr)


@app.command
def topics(
    subscription: str,
    *,
    only: Annotated[str | None, Parameter(help="These topics, separated by commas.")] = None,
    every: Annotated[bool, Parameter(name="--all", help="Every topic.")] = False,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Choose the topics that a subscription is told of, or show them.

    Example: tallystick webhooks topics 0192… --only customer_created,customer_verified
    """
    if every and only is not None:
        raise ConfigurationError("give --only or --all, not both")
    with api(url) as client:
        address = f"{OURS}/webhook-subscriptions/{_segment(subscription)}"
        if not every and only is None:
            show(client.get(address).json(), format)
            return
        wanted = None if every else sorted(topics_of(only))
        show(client.post(address, {"topics": wanted}).json(), format)


@app.command
def rotate(
    subscription: str,
    *,
    secret: Annotated[str, Parameter(help="The new one.", env_var=WEBHOOK_SECRET)],
    overlap_hours: Annotated[
        float, Parameter(help="How long the old one signs as well; 0 destroys it at once.")
    ] = 24,
    format: Format = "json",  # noqa: A002  # the option's name
    url: Url = None,
) -> None:
    """Replace a subscription's secret by the one in WEBHOOK_SECRET. What is given as an option,
    others on this machine can read.

    Example: tallystick webhooks rotate 0192… --overlap-hours 2
    """
    with api(url) as client:
        address = f"{OURS}/webhook-subscriptions/{_segment(subscription)}/secrets"
        answer = client.post(address, {"secret": secret, "overlapHours": overlap_hours}).json()
        show(answer, format)


def _segment(subscription: str) -> str:
    """The id in what may be an address, too."""
    found = subscription.rstrip("/").rpartition("/")[2]
    if not found or not found.isprintable() or not found.isascii():
        raise ConfigurationError("name a subscription by its id or address")
    return found


@app.command(name="verify")
def verify_file(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    secret: Annotated[str, Parameter(help="The subscription's.", env_var=WEBHOOK_SECRET)],
    signature: Annotated[str, Parameter(help=f"What {SIGNATURE} said.")],
    format: Format = "text",  # noqa: A002  # the option's name
) -> None:
    """Check the signature of a webhook's raw body, in a file or, with -, from standard input.

    Example: tallystick webhooks verify --secret "$SECRET" --signature 9f86… body.json
    """
    if not secret:
        raise ConfigurationError("--secret is empty: anybody could sign with it")
    try:
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise ConfigurationError(f"{file} cannot be read: {why}") from None
    if not verify(secret.encode("utf-8", "surrogateescape"), body, signature.strip()):
        raise CommandFailed(
            f"this secret did not sign these {len(body)} bytes so; "
            "the body must be the one that came, not one encoded again"
        )
    if format == "json":
        show({"verified": True})
    else:
        print("the signature is good")
