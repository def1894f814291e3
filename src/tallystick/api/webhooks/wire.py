"""A webhook with its attempts, and retries that were asked for.

What begins with `Chosen` is ours and not Dwolla's: it is spoken under `/_tallystick/` alone.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tallystick.api.events.wire import Topic
from tallystick.hal import Link

COLLECTION = "webhooks"
KIND = "webhook"
RETRIES = "retries"
REPLAYS = "replays"


class Header(msgspec.Struct, frozen=True):
    name: str
    value: str


class SentRequest(msgspec.Struct, frozen=True):
    timestamp: str
    url: str
    headers: list[Header]
    body: str


class ReceivedResponse(msgspec.Struct, frozen=True, rename="camel"):
    timestamp: str
    headers: list[Header]
    status_code: int
    body: str


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """`response` is absent when there was none."""

    id: str
    request: SentRequest
    response: ReceivedResponse | None = None


class Webhook(msgspec.Struct, frozen=True, rename="camel"):
    """`_links` has `self`, `subscription`, `retry` and `event`."""

    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    topic: str
    account_id: str
    event_id: str
    subscription_id: str
    attempts: list[Attempt]


class EmbeddedWebhooks(msgspec.Struct, frozen=True):
    webhooks: list[Webhook]


class Webhooks(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    embedded: EmbeddedWebhooks = msgspec.field(name="_embedded")
    total: int


class Retry(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    timestamp: str


class EmbeddedRetries(msgspec.Struct, frozen=True):
    retries: list[Retry]


class Retries(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    embedded: EmbeddedRetries = msgspec.field(name="_embedded")
    total: int


CHOSEN_DEFAULT, CHOSEN_MAX = 100, 1_000

# `dead` is both of the last two.
Status = Literal["due", "delivered", "exhausted", "stopped", "dead"]


class ChosenWebhooks(msgspec.Struct):
    """Which webhooks to list or to send again; what is absent does not narrow, but for `status`,
    which is then `dead`.

    `since` and `until` are times, the first included; `after` is `next` of the answer before.
    """

    subscription: str | None = None
    topics: list[Topic] | None = None
    status: list[Status] | None = None
    since: str | None = None
    until: str | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=CHOSEN_MAX)] = CHOSEN_DEFAULT


class LastAttempt(msgspec.Struct, frozen=True, rename="camel"):
    """`failure` is why there is no answer, or STATUS when there was one other than 2xx."""

    timestamp: str
    status_code: int | None
    failure: str | None


class ChosenWebhook(msgspec.Struct, frozen=True, rename="camel"):
    """`_links` has `self`, `subscription`, `retry` and `event`.

    `status` is one of `due`, `delivered`, `exhausted` (nine attempts failed) and `stopped` (its
    subscription was paused or deleted, or a fault of the sandbox lost it). `attempts` counts those
    of the schedule; `subscription_status` is `active`, `paused` or `deleted`.
    """

    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    topic: str
    event_id: str
    resource_id: str
    subscription_id: str
    subscription_status: str
    status: str
    attempts: int
    created: str
    last_attempt: LastAttempt | None


class ChosenPage(msgspec.Struct, frozen=True):
    """`next` is what `after` is given to go on; null at the end."""

    webhooks: list[ChosenWebhook]
    next: str | None


class Replayed(msgspec.Struct, frozen=True):
    """How many will be sent again, and where the next call goes on; null at the end."""

    replayed: int
    next: str | None
