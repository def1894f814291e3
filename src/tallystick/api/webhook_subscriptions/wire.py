"""A webhook subscription. Its secret is sent once and never shown.

What begins with `Chosen` is ours and not Dwolla's: it is spoken under `/_tallystick/` alone.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from tallystick.api.events.wire import Topic
from tallystick.hal import Link

COLLECTION = "webhook-subscriptions"
KIND = "webhook-subscription"
REL_WEBHOOKS = "webhooks"


class PostedSubscription(msgspec.Struct):
    url: str
    secret: Annotated[str, Meta(min_length=1)]

    def __repr__(self) -> str:
        return "PostedSubscription(…)"


class PostedPause(msgspec.Struct):
    paused: bool


Topics = Annotated[list[Topic], Meta(min_length=1)]


class ChosenTopics(msgspec.Struct):
    """`topics` null is every topic."""

    topics: Topics | None


class ChosenSubscription(PostedSubscription):
    """A subscription that is made with its topics."""

    topics: Topics | None = None

    __repr__ = PostedSubscription.__repr__


# Security 4.1: a secret that was replaced lives a day at most.
OVERLAP_HOURS_MAX = 24


class ChosenSecret(msgspec.Struct, rename="camel"):
    """For `overlap_hours` the secret before this one signs as well; 0 destroys it at once."""

    secret: Annotated[str, Meta(min_length=1)]
    overlap_hours: Annotated[float, Meta(ge=0, le=OVERLAP_HOURS_MAX)] = OVERLAP_HOURS_MAX

    def __repr__(self) -> str:
        return "ChosenSecret(…)"


class WebhookSubscription(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    url: str
    paused: bool
    created: str


class ChosenView(WebhookSubscription, frozen=True, rename="camel"):
    """A subscription with what only we have. `secret_overlap_until`: see `ChosenSecret`."""

    topics: list[str] | None
    secret_overlap_until: str | None


class ChosenViews(msgspec.Struct, frozen=True):
    subscriptions: list[ChosenView] = msgspec.field(name=COLLECTION)


class EmbeddedSubscriptions(msgspec.Struct, frozen=True):
    subscriptions: list[WebhookSubscription] = msgspec.field(name=COLLECTION)


class WebhookSubscriptions(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    embedded: EmbeddedSubscriptions = msgspec.field(name="_embedded")
    total: int
