"""A webhook with its attempts, and retries that were asked for."""

from __future__ import annotations

import msgspec

from tallystick.hal import Link

COLLECTION = "webhooks"
KIND = "webhook"
RETRIES = "retries"


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
