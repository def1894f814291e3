"""Webhook subscriptions, webhooks, and what a receiver does with one (contract 6.7).

The two resources have no folder of their own yet; when they do, this becomes their `sdk.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from tallystick.api.events.sdk import Event
from tallystick.clock import Clock, SystemClock, from_iso, to_iso
from tallystick.flow import (
    Answer,
    ArgumentError,
    Call,
    Flow,
    Http,
    Listed,
    Ref,
    Reference,
    Resource,
    ResponseShapeError,
    change,
    create,
    fetch,
    id_of,
    page,
    read,
)
from tallystick.hal import Link
from tallystick.sdk.errors import WebhookSignatureError
from tallystick.sdk.results import AsyncCreated, AsyncFacade, AsyncPages, Created, Facade, Page
from tallystick.sdk.signature import verify


class WebhookSubscription(Resource, frozen=True, rename="camel"):
    """Where events are sent. The secret is never shown again."""

    COLLECTION = "webhook-subscriptions"

    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    url: str
    paused: bool
    created: str


class WebhookRequest(msgspec.Struct, frozen=True):
    timestamp: str | None = None
    url: str | None = None
    headers: Sequence[Mapping[str, Any]] = ()
    body: str | None = None


class WebhookResponse(msgspec.Struct, frozen=True, rename="camel"):
    timestamp: str | None = None
    headers: Sequence[Mapping[str, Any]] = ()
    status_code: int | None = None
    body: str | None = None


class Attempt(msgspec.Struct, frozen=True):
    """One POST of a webhook. `response` is None when none came."""

    id: str | None = None
    request: WebhookRequest | None = None
    response: WebhookResponse | None = None

    @property
    def delivered(self) -> bool:
        status = self.response.status_code if self.response else None
        return status is not None and 200 <= status < 300


class Webhook(Resource, frozen=True, rename="camel"):
    """The delivery of one event to one subscription, with its attempts, oldest first."""

    COLLECTION = "webhooks"

    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    topic: str
    event_id: str
    subscription_id: str
    account_id: str | None = None
    attempts: Sequence[Attempt] = ()

    @property
    def delivered(self) -> bool:
        """True when some attempt was answered with 2xx."""
        return any(each.delivered for each in self.attempts or ())


class WebhookRetry(Resource, frozen=True):
    """A further attempt that somebody asked for."""

    COLLECTION = "retries"

    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    timestamp: str


Subscription = Ref[WebhookSubscription]

SUBSCRIPTIONS = Call("GET", (WebhookSubscription.COLLECTION,))


def create_webhook_subscription(
    url: str, secret: str, idempotency_key: str | None = None
) -> Flow[Reference[WebhookSubscription]]:
    if not secret:
        raise ArgumentError("the secret is empty: anybody could sign with it")
    body = {"url": url, "secret": secret}
    call = Call("POST", SUBSCRIPTIONS.path, body=body, idempotency_key=idempotency_key)
    return create(WebhookSubscription, call)


def get_webhook_subscription(subscription: Subscription) -> Flow[WebhookSubscription]:
    return fetch(WebhookSubscription, *_path(subscription))


def list_webhook_subscriptions(call: Call = SUBSCRIPTIONS) -> Flow[Listed[WebhookSubscription]]:
    return page(WebhookSubscription, call)


def update_webhook_subscription(
    subscription: Subscription, *, paused: bool, idempotency_key: str | None = None
) -> Flow[WebhookSubscription]:
    call = Call(
        "POST",
        _path(subscription),
        body={"paused": paused},
        idempotency_key=idempotency_key,
    )
    return change(WebhookSubscription, call)


def delete_webhook_subscription(subscription: Subscription) -> Flow[WebhookSubscription]:
    return change(WebhookSubscription, Call("DELETE", _path(subscription)))


def list_webhooks(call: Call) -> Flow[Listed[Webhook]]:
    return page(Webhook, call)


def get_webhook(webhook: Ref[Webhook]) -> Flow[Webhook]:
    return fetch(Webhook, "webhooks", id_of(webhook, Webhook))


def retry_webhook(
    webhook: Ref[Webhook], idempotency_key: str | None = None
) -> Flow[Reference[WebhookRetry]]:
    path = ("webhooks", id_of(webhook, Webhook), "retries")
    return create(WebhookRetry, Call("POST", path, idempotency_key=idempotency_key))


def list_webhook_retries(call: Call) -> Flow[Listed[WebhookRetry]]:
    return page(WebhookRetry, call)


def redeliver_failed(
    subscription: Subscription, since: timedelta, clock: Clock
) -> Flow[Sequence[Webhook]]:
    """Ask for a retry of every webhook since then that no attempt delivered.

    One without any attempt (it fell into a pause) has no time of its own: for it, `since` counts
    in whole days, as the API's own filter does.
    """
    after_ms = clock.now_ms() - round(since.total_seconds() * 1_000)
    following: Call | None = webhooks_of(subscription, to_iso(after_ms)[:10], limit=200)
    failed: dict[str, Webhook] = {}
    while following is not None:
        listed = yield from list_webhooks(following)
        fresh = {each.id: each for each in listed.items if isinstance(each.id, str)}
        if not fresh.keys() - failed.keys():
            break
        failed |= fresh
        following = listed.next
    again = [each for each in failed.values() if not each.delivered and _since(each, after_ms)]
    for webhook in again:
        yield from retry_webhook(webhook)
    return again


def _since(webhook: Webhook, after_ms: int) -> bool:
    stamps = [a.request.timestamp for a in webhook.attempts or () if a.request]
    try:
        return not stamps or from_iso(stamps[-1] or "") >= after_ms
    except ValueError:
        return True


def _path(subscription: Subscription) -> tuple[str, str]:
    return WebhookSubscription.COLLECTION, id_of(subscription, WebhookSubscription)


def webhooks_of(
    subscription: Subscription,
    start_date: str | None = None,
    end_date: str | None = None,
    resource_id: str | None = None,
    limit: int | None = None,
) -> Call:
    query = {"startDate": start_date, "endDate": end_date, "resourceId": resource_id}
    return Call("GET", (*_path(subscription), "webhooks"), {**query, "limit": limit})


def retries_of(webhook: Ref[Webhook]) -> Call:
    return Call("GET", ("webhooks", id_of(webhook, Webhook), "retries"))


def unwrap(body: bytes, headers: Mapping[str, str], secret: str | Sequence[str]) -> Event:
    """The event in a webhook that reached you. Raises WebhookSignatureError.

    `body` is the raw body. Deliveries may come twice and out of order: keep the `id`s you handled.
    """
    verify(body, headers, secret)
    try:
        event = read(Answer(Http(0, {}), bytes(body)), Event)
    except ResponseShapeError:
        raise WebhookSignatureError("the body is signed, but is no event") from None
    if not isinstance(event.id, str) or not isinstance(event.topic, str):
        raise WebhookSignatureError("the body is signed, but is no event")
    return event


class Receiver:
    """What needs no connection, and is the same on both clients."""

    def verify(
        self, body: bytes, headers: Mapping[str, str], *, secret: str | Sequence[str]
    ) -> None:
        """Raises WebhookSignatureError unless one of the secrets signed the raw body."""
        verify(body, headers, secret)

    def unwrap(
        self, body: bytes, headers: Mapping[str, str], *, secret: str | Sequence[str]
    ) -> Event:
        """The event in a webhook, verified. Raises WebhookSignatureError."""
        return unwrap(body, headers, secret)


class WebhookSubscriptions(Facade):
    def create(
        self, *, url: str, secret: str, idempotency_key: str | None = None
    ) -> Created[WebhookSubscription]:
        return self._created(create_webhook_subscription(url, secret, idempotency_key))

    def get(self, subscription: Subscription) -> WebhookSubscription:
        return self._run(get_webhook_subscription(subscription))

    def update(self, subscription: Subscription, *, paused: bool) -> WebhookSubscription:
        """A paused subscription's webhooks are recorded, but not sent, not even later."""
        return self._run(update_webhook_subscription(subscription, paused=paused))

    def delete(self, subscription: Subscription) -> WebhookSubscription:
        return self._run(delete_webhook_subscription(subscription))

    def list_webhooks(
        self,
        subscription: Subscription,
        *,
        start_date: str | None = None,
        end_date: str | None = None,
        resource_id: str | None = None,
        limit: int | None = None,
    ) -> Page[Webhook]:
        """Dates are `YYYY-MM-DD`; webhooks are kept for 30 days."""
        call = webhooks_of(subscription, start_date, end_date, resource_id, limit)
        return self._listed(list_webhooks, call)

    def list_webhook_subscriptions(self) -> Page[WebhookSubscription]:
        return self._listed(list_webhook_subscriptions, SUBSCRIPTIONS)

    create_webhook_subscription = create
    get_webhook_subscription = get
    update_webhook_subscription = update
    delete_webhook_subscription = delete
    list = list_webhook_subscriptions


class AsyncWebhookSubscriptions(AsyncFacade):
    async def create(
        self, *, url: str, secret: str, idempotency_key: str | None = None
    ) -> AsyncCreated[WebhookSubscription]:
        return await self._created(create_webhook_subscription(url, secret, idempotency_key))

    async def get(self, subscription: Subscription) -> WebhookSubscription:
        return await self._run(get_webhook_subscription(subscription))

    async def update(self, subscription: Subscription, *, paused: bool) -> WebhookSubscription:
        """A paused subscription's webhooks are recorded, but not sent, not even later."""
        return await self._run(update_webhook_subscription(subscription, paused=paused))

    async def delete(self, subscription: Subscription) -> WebhookSubscription:
        return await self._run(delete_webhook_subscription(subscription))

    def list_webhooks(
        self,
        subscription: Subscription,
        *,
        start_date: str | None = None,
        end_date: str | None = None,
        resource_id: str | None = None,
        limit: int | None = None,
    ) -> AsyncPages[Webhook]:
        """Dates are `YYYY-MM-DD`; webhooks are kept for 30 days."""
        call = webhooks_of(subscription, start_date, end_date, resource_id, limit)
        return self._listed(list_webhooks, call)

    def list_webhook_subscriptions(self) -> AsyncPages[WebhookSubscription]:
        return self._listed(list_webhook_subscriptions, SUBSCRIPTIONS)

    create_webhook_subscription = create
    get_webhook_subscription = get
    update_webhook_subscription = update
    delete_webhook_subscription = delete
    list = list_webhook_subscriptions


class Webhooks(Facade, Receiver):
    def get(self, webhook: Ref[Webhook]) -> Webhook:
        return self._run(get_webhook(webhook))

    def retry(
        self, webhook: Ref[Webhook], *, idempotency_key: str | None = None
    ) -> Reference[WebhookRetry]:
        """Have it sent again now."""
        return self._run(retry_webhook(webhook, idempotency_key))

    def list_retries(self, webhook: Ref[Webhook]) -> Page[WebhookRetry]:
        return self._listed(list_webhook_retries, retries_of(webhook))

    def redeliver_failed(
        self,
        subscription: Subscription,
        *,
        since: timedelta,
        timeout_s: float = 600.0,
        clock: Clock | None = None,
    ) -> Sequence[Webhook]:
        """Retry all that no attempt delivered, and return them. The API can only retry one."""
        flow = redeliver_failed(subscription, since, clock or SystemClock())
        return self._run(flow, timeout_s)

    get_webhook = get
    retry_webhook = retry
    list_webhook_retries = list_retries


class AsyncWebhooks(AsyncFacade, Receiver):
    async def get(self, webhook: Ref[Webhook]) -> Webhook:
        return await self._run(get_webhook(webhook))

    async def retry(
        self, webhook: Ref[Webhook], *, idempotency_key: str | None = None
    ) -> Reference[WebhookRetry]:
        """Have it sent again now."""
        return await self._run(retry_webhook(webhook, idempotency_key))

    def list_retries(self, webhook: Ref[Webhook]) -> AsyncPages[WebhookRetry]:
        return self._listed(list_webhook_retries, retries_of(webhook))

    async def redeliver_failed(
        self,
        subscription: Subscription,
        *,
        since: timedelta,
        timeout_s: float = 600.0,
        clock: Clock | None = None,
    ) -> Sequence[Webhook]:
        """Retry all that no attempt delivered, and return them. The API can only retry one."""
        flow = redeliver_failed(subscription, since, clock or SystemClock())
        return await self._run(flow, timeout_s)

    get_webhook = get
    retry_webhook = retry
    list_webhook_retries = list_retries
