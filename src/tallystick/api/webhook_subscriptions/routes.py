"""POST and GET /webhook-subscriptions; GET, POST and DELETE /webhook-subscriptions/{id}.

Under `/_tallystick/` the same with topics, and POST /webhook-subscriptions/{id}/secrets.
"""

from __future__ import annotations

from typing import Any

from tallystick.api.webhook_subscriptions import service
from tallystick.api.webhook_subscriptions.store import SubscriptionRow
from tallystick.api.webhook_subscriptions.wire import (
    COLLECTION,
    KIND,
    REL_WEBHOOKS,
    ChosenSubscription,
    ChosenView,
    ChosenViews,
    EmbeddedSubscriptions,
    PostedPause,
    PostedSubscription,
    WebhookSubscription,
    WebhookSubscriptions,
)
from tallystick.clock import to_iso
from tallystick.errors import Forbidden
from tallystick.store.idempotency import Outcome
from tallystick.web import OURS, Reply, Request, Route, Takes, encode

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


# ── ours ──────────────────────────────────────────────────────────────────────────────────────


async def create_chosen(request: Request) -> Outcome:
    app_id = request.principal.app_id
    return await service.create(
        request.core, app_id, request.body, request.claim, ChosenSubscription
    )


async def list_chosen(request: Request) -> Reply:
    rows = await service.list_newest(request.core, request.principal.app_id)
    return Reply(body=ChosenViews([render_chosen(request, row) for row in rows]))


async def get_chosen(request: Request) -> Reply:
    app_id = request.principal.app_id
    row = await service.find(request.core, app_id, request.uuid())
    return Reply(body=render_chosen(request, row))


async def choose_topics(request: Request) -> Outcome:
    return await _changed(request, service.choose)


async def rotate_secret(request: Request) -> Outcome:
    return await _changed(request, service.rotate)


async def _changed(request: Request, change: Any) -> Outcome:
    outcome: Outcome = await change(
        request.core,
        request.principal.app_id,
        request.uuid(),
        request.body,
        request.claim,
        lambda row: encode(render_chosen(request, row)),
    )
    return outcome


def render_chosen(request: Request, row: SubscriptionRow) -> ChosenView:
    shown = render(request, row)
    until = row.secret_old_until
    if until is not None and until <= request.core.clock.now_ms():
        until = None
    return ChosenView(
        shown.links, shown.id, shown.url, shown.paused, shown.created,
        None if row.topics is None else row.topics.split(),
        None if until is None else to_iso(until),
    )  # fmt: skip


def render(request: Request, row: SubscriptionRow) -> WebhookSubscription:
    to = request.links.to
    links = {
        "self": to(KIND, COLLECTION, row.id),
        REL_WEBHOOKS: to("webhook", COLLECTION, row.id, "webhooks"),
    }
    return WebhookSubscription(links, row.id, row.url, row.paused, to_iso(row.created_at))


_PATH, _ONE = f"/{COLLECTION}", f"/{COLLECTION}/{{id}}"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create_subscription,
        "createWebhookSubscription",
        SCOPE,
        Forbidden(),
        takes=(Takes(PostedSubscription),),
    ),
    Route(
        "GET",
        _PATH,
        list_subscriptions,
        "listWebhookSubscriptions",
        SCOPE,
        Forbidden(),
        gives=WebhookSubscriptions,
    ),
    Route(
        "GET",
        _ONE,
        get_subscription,
        "getWebhookSubscription",
        SCOPE,
        Forbidden(),
        gives=WebhookSubscription,
    ),
    Route(
        "POST",
        _ONE,
        update_subscription,
        "updateWebhookSubscription",
        SCOPE,
        Forbidden(),
        takes=(Takes(PostedPause),),
        gives=WebhookSubscription,
    ),
    Route(
        "DELETE", _ONE, delete_subscription, "delete", SCOPE, Forbidden(), gives=WebhookSubscription
    ),
)

EXTRAS = (
    Route("POST", OURS + _PATH, create_chosen, "createChosenSubscription", SCOPE, Forbidden()),
    Route("GET", OURS + _PATH, list_chosen, "listChosenSubscriptions", SCOPE, Forbidden()),
    Route("GET", OURS + _ONE, get_chosen, "getChosenSubscription", SCOPE, Forbidden()),
    Route("POST", OURS + _ONE, choose_topics, "chooseTopics", SCOPE, Forbidden()),
    Route("POST", f"{OURS}{_ONE}/secrets", rotate_secret, "rotateSecret", SCOPE, Forbidden()),
)
