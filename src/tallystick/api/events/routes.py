"""GET /events and GET /events/{id}."""

from __future__ import annotations

from tallystick.api.events import service
from tallystick.api.events.store import EventRow
from tallystick.api.events.wire import EmbeddedEvents, Event, Events
from tallystick.clock import to_iso
from tallystick.errors import InvalidScopes
from tallystick.web import Page, Reply, Request, Route

SCOPE = "events"


async def list_events(request: Request) -> Reply:
    page = Page.of(request.query())
    rows, total = await service.list_newest(
        request.core, request.principal.app_id, page.limit, page.offset
    )
    events = [render(request, row) for row in rows]
    links = page.links(request.links, "event", "events", total)
    return Reply(body=Events(links, EmbeddedEvents(events), total))


async def get_event(request: Request) -> Reply:
    event_id = request.uuid()
    return Reply(
        body=render(request, await service.find(request.core, request.principal.app_id, event_id))
    )


def render(request: Request, row: EventRow) -> Event:
    to = request.links.to
    links = {
        "self": to("event", "events", row.id),
        # `funding-sources` → `funding-source`: the kind of a resource is its collection's singular.
        "resource": to(row.resource.removesuffix("s"), row.resource, row.resource_id),
        "account": to("account", "accounts", request.principal.account_id),
    }
    if row.customer_id is not None:
        links["customer"] = to("customer", "customers", row.customer_id)
    return Event(links, row.id, to_iso(row.created_at), row.topic, row.resource_id)


ROUTES = (
    Route("GET", "/events", list_events, "listEvents", SCOPE, InvalidScopes()),
    Route("GET", "/events/{id}", get_event, "getEvent", SCOPE, InvalidScopes()),
)
