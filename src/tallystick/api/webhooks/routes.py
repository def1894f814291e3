"""GET /webhook-subscriptions/{id}/webhooks, GET /webhooks/{id}, GET and POST of its retries.

Under `/_tallystick/` GET /webhooks by choice, and POST /replays of the same choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tallystick.api.webhooks import replays, service
from tallystick.api.webhooks.replays import Cursor
from tallystick.api.webhooks.store import AttemptRow, Filter, Found, WebhookRow
from tallystick.api.webhooks.wire import (
    COLLECTION,
    KIND,
    REPLAYS,
    RETRIES,
    Attempt,
    ChosenPage,
    ChosenWebhook,
    ChosenWebhooks,
    EmbeddedRetries,
    EmbeddedWebhooks,
    Header,
    LastAttempt,
    ReceivedResponse,
    Replayed,
    Retries,
    Retry,
    SentRequest,
    Webhook,
    Webhooks,
)
from tallystick.body import read
from tallystick.clock import DAY_MS, from_iso, to_iso
from tallystick.errors import Forbidden
from tallystick.hal import Link
from tallystick.store.idempotency import Outcome
from tallystick.web import OURS, PAGED, Page, Reply, Request, Route, encode

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
                "self": to("retry", COLLECTION, webhook_id, f"{RETRIES}/{retry_id}"),
                "webhook": to(KIND, COLLECTION, webhook_id),
            },
            retry_id,
            to_iso(asked_at),
        )
        for retry_id, asked_at in await service.list_retries(request.core, app_id, webhook_id)
    ]
    own = to("retry", COLLECTION, webhook_id, RETRIES)
    return Reply(body=Retries({"self": own}, EmbeddedRetries(retries), len(retries)))


# ── ours ──────────────────────────────────────────────────────────────────────────────────────


async def list_chosen(request: Request) -> Reply:
    asked = read(_asked(request.query()), ChosenWebhooks)
    page = await replays.list_chosen(request.core, request.principal.app_id, asked)
    shown = [_chosen(request, each, page.standing[each.row.subscription_id]) for each in page.found]
    return Reply(body=ChosenPage(shown, _text(page.following)))


async def replay(request: Request) -> Outcome:
    asked = request.read(ChosenWebhooks)
    return await replays.replay(
        request.core,
        request.principal.app_id,
        asked,
        request.claim,
        lambda count, following: encode(Replayed(count, _text(following))),
    )


def _asked(query: Mapping[str, Sequence[str]]) -> Mapping[str, object]:
    """Lists are given with commas, or by repeating the name: `topics=a,b`, `topics=a&topics=b`."""
    found: dict[str, object] = {name: values[-1] for name, values in query.items()}
    for name in ("topics", "status"):
        if name in query:
            found[name] = ",".join(query[name]).split(",")
    limit = query.get("limit", [""])[-1]
    if limit.isascii() and limit.isdigit() and len(limit) < 10:
        found["limit"] = int(limit)
    return found


def _text(cursor: Cursor | None) -> str | None:
    return None if cursor is None else str(cursor)


def _chosen(request: Request, found: Found, standing: str) -> ChosenWebhook:
    row, last = found.row, None
    if found.tried_at is not None:
        last = LastAttempt(to_iso(found.tried_at), found.status_code, found.failure)
    return ChosenWebhook(
        links=_links(request, row),
        id=row.id,
        topic=row.topic,
        event_id=row.event_id,
        resource_id=row.resource_id,
        subscription_id=row.subscription_id,
        subscription_status=standing,
        status=row.state,
        attempts=row.tried,
        created=to_iso(row.created_at),
        last_attempt=last,
    )


def _links(request: Request, row: WebhookRow) -> dict[str, Link]:
    to = request.links.to
    return {
        "self": to(KIND, COLLECTION, row.id),
        "subscription": to("webhook-subscription", SUBSCRIPTIONS, row.subscription_id),
        "retry": to("retry", COLLECTION, row.id, RETRIES),
        "event": to("event", "events", row.event_id),
    }


def render(request: Request, row: WebhookRow, attempts: Sequence[AttemptRow]) -> Webhook:
    links = _links(request, row)
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
        gives=Webhooks,
        query=(*PAGED, *_FILTERS),
    ),
    Route(
        "GET", f"/{COLLECTION}/{{id}}", get_webhook, "getWebhook", SCOPE, Forbidden(), gives=Webhook
    ),
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
        gives=Retries,
    ),
)

EXTRAS = (
    Route("GET", f"{OURS}/{COLLECTION}", list_chosen, "listChosenWebhooks", SCOPE, Forbidden()),
    Route("POST", f"{OURS}/{REPLAYS}", replay, "replayWebhooks", SCOPE, Forbidden()),
)
