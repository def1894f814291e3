"""GET /webhook-subscriptions/{id}/webhooks, GET /webhooks/{id}, GET and POST of its retries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tallystick.api.webhooks import service
from tallystick.api.webhooks.store import AttemptRow, Filter, WebhookRow
from tallystick.api.webhooks.wire import (
    COLLECTION,
    KIND,
    RETRIES,
    Attempt,
    EmbeddedRetries,
    EmbeddedWebhooks,
    Header,
    ReceivedResponse,
    Retries,
    Retry,
    SentRequest,
    Webhook,
    Webhooks,
)
from tallystick.clock import DAY_MS, from_iso, to_iso
from tallystick.errors import Forbidden
from tallystick.store.idempotency import Outcome
from tallystick.web import Page, Reply, Request, Route

SCOPE = "webhooks"
SUBSCRIPTIONS = "webhook-subscriptions"
_FILTERS = ("startDate", "endDate", "resourceId")


async def list_webhooks(request: Request) -> Reply:
    subscription_id = request.uuid()
    query = request.query()
    page = Page.of(query)
    rows, attempts, total = await service.list_of_subscription(
        request.core,
        request.principal.app_id,
        subscription_id,
        _filter(query),
        page.limit,
        page.offset,
    )
    kept = {name: query[name] for name in _FILTERS if name in query}
    path = f"{SUBSCRIPTIONS}/{subscription_id}/{COLLECTION}"
    links = page.links(request.links, KIND, path, total, kept)
    webhooks = [render(request, row, attempts.get(row.id, ())) for row in rows]
    return Reply(body=Webhooks(links, EmbeddedWebhooks(webhooks), total))


async def get_webhook(request: Request) -> Reply:
    row = await service.find(request.core, request.principal.app_id, request.uuid())
    attempts = await service.list_attempts(request.core, row)
    return Reply(body=render(request, row, attempts))


async def create_retry(request: Request) -> Outcome:
    app_id, webhook_id = request.principal.app_id, request.uuid()
    return await service.retry(request.core, app_id, webhook_id, request.claim)


async def list_retries(request: Request) -> Reply:
    app_id, webhook_id = request.principal.app_id, request.uuid()
    to = request.links.to
    retries = [
        Retry(
            {
                "self": to("retry", COLLECTION, webhook_id, RETRIES, retry_id),
                "webhook": to(KIND, COLLECTION, webhook_id),
            },
            retry_id,
            to_iso(asked_at),
        )
        for retry_id, asked_at in await service.list_retries(request.core, app_id, webhook_id)
    ]
    own = to("retry", COLLECTION, webhook_id, RETRIES)
    return Reply(body=Retries({"self": own}, EmbeddedRetries(retries), len(retries)))


def render(request: Request, row: WebhookRow, attempts: Sequence[AttemptRow]) -> Webhook:
    to = request.links.to
    links = {
        "self": to(KIND, COLLECTION, row.id),
        "subscription": to("webhook-subscription", SUBSCRIPTIONS, row.subscription_id),
        "retry": to("retry", COLLECTION, row.id, RETRIES),
        "event": to("event", "events", row.event_id),
    }
    account_id = request.principal.account_id
    shown = [_attempt(each) for each in attempts]
    return Webhook(links, row.id, row.topic, account_id, row.event_id, row.subscription_id, shown)


def _attempt(row: AttemptRow) -> Attempt:
    sent = SentRequest(
        to_iso(row.started_at), row.url, _headers(row.request_headers), row.request_body
    )
    if row.status_code is None:
        return Attempt(row.id, sent)
    received = ReceivedResponse(
        to_iso(row.ended_at),
        _headers(row.response_headers or "[]"),
        row.status_code,
        row.response_body or "",
    )
    return Attempt(row.id, sent, received)


def _headers(text: str) -> list[Header]:
    return msgspec.json.decode(text, type=list[Header])


def _filter(query: Mapping[str, Sequence[str]]) -> Filter:
    """Whole days in UTC, both included. Nonsense does not narrow: Dwolla documents no error."""
    start, end, resource = (query.get(name, [""])[-1] for name in _FILTERS)
    narrowed = Filter(resource_id=resource.lower())
    if (since := _midnight(start)) is not None:
        narrowed = msgspec.structs.replace(narrowed, since=since)
    if (last := _midnight(end)) is not None:
        narrowed = msgspec.structs.replace(narrowed, until=last + DAY_MS)
    return narrowed


def _midnight(day: str) -> int | None:
    try:
        return from_iso(f"{day}T00:00:00Z") if len(day) == len("YYYY-MM-DD") else None
    except (ValueError, OverflowError):
        return None


ROUTES = (
    Route(
        "GET",
        f"/{SUBSCRIPTIONS}/{{id}}/{COLLECTION}",
        list_webhooks,
        "listWebhooks",
        SCOPE,
        Forbidden(),
    ),
    Route("GET", f"/{COLLECTION}/{{id}}", get_webhook, "getWebhook", SCOPE, Forbidden()),
    Route(
        "POST", f"/{COLLECTION}/{{id}}/{RETRIES}", create_retry, "retryWebhook", SCOPE, Forbidden()
    ),
    Route(
        "GET",
        f"/{COLLECTION}/{{id}}/{RETRIES}",
        list_retries,
        "listWebhookRetries",
        SCOPE,
        Forbidden(),
    ),
)
