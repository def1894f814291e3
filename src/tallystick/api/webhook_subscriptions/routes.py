"""POST and GET /webhook-subscriptions; GET, POST and DELETE /webhook-subscriptions/{id}."""

from __future__ import annotations

from tallystick.api.webhook_subscriptions import service
from tallystick.api.webhook_subscriptions.store import SubscriptionRow
from tallystick.api.webhook_subscriptions.wire import (
    COLLECTION,
    KIND,
    REL_WEBHOOKS,
    EmbeddedSubscriptions,
    WebhookSubscription,
    WebhookSubscriptions,
)
from tallystick.clock import to_iso
from tallystick.errors import Forbidden
from tallystick.store.idempotency import Outcome
from tallystick.web import Reply, Request, Route, encode

SCOPE = "webhooks"


async def create_subscription(request: Request) -> Outcome:
    return await service.create(request.core, request.principal.app_id, request.body, request.claim)


async def list_subscriptions(request: Request) -> Reply:
    """Documented without paging: there are ten at most."""
    rows = await service.list_newest(request.core, request.principal.app_id)
    shown = [render(request, row) for row in rows]
    own = request.links.to(KIND, COLLECTION)
    return Reply(body=WebhookSubscriptions({"self": own}, EmbeddedSubscriptions(shown), len(shown)))


async def get_subscription(request: Request) -> Reply:
    app_id = request.principal.app_id
    return Reply(body=render(request, await service.find(request.core, app_id, request.uuid())))


async def update_subscription(request: Request) -> Outcome:
    return await service.pause(
        request.core,
        request.principal.app_id,
        request.uuid(),
        request.body,
        request.claim,
        lambda row: encode(render(request, row)),
    )


async def delete_subscription(request: Request) -> Reply:
    """200 with what was deleted (contract 6.7)."""
    app_id = request.principal.app_id
    return Reply(body=render(request, await service.remove(request.core, app_id, request.uuid())))


def render(request: Request, row: SubscriptionRow) -> WebhookSubscription:
    to = request.links.to
    links = {
        "self": to(KIND, COLLECTION, row.id),
        REL_WEBHOOKS: to("webhook", COLLECTION, row.id, "webhooks"),
    }
    return WebhookSubscription(links, row.id, row.url, row.paused, to_iso(row.created_at))


_PATH, _ONE = f"/{COLLECTION}", f"/{COLLECTION}/{{id}}"

ROUTES = (
    Route("POST", _PATH, create_subscription, "createWebhookSubscription", SCOPE, Forbidden()),
    Route("GET", _PATH, list_subscriptions, "listWebhookSubscriptions", SCOPE, Forbidden()),
    Route("GET", _ONE, get_subscription, "getWebhookSubscription", SCOPE, Forbidden()),
    Route("POST", _ONE, update_subscription, "updateWebhookSubscription", SCOPE, Forbidden()),
    Route("DELETE", _ONE, delete_subscription, "delete", SCOPE, Forbidden()),
)
