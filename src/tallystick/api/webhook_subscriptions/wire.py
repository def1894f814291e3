"""A webhook subscription. Its secret is sent once and never shown."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

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


class WebhookSubscription(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    url: str
    paused: bool
    created: str


class EmbeddedSubscriptions(msgspec.Struct, frozen=True):
    subscriptions: list[WebhookSubscription] = msgspec.field(name=COLLECTION)


class WebhookSubscriptions(msgspec.Struct, frozen=True):
    links: dict[str, Link] = msgspec.field(name="_links")
    embedded: EmbeddedSubscriptions = msgspec.field(name="_embedded")
    total: int
