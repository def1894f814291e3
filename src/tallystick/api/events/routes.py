"""GET /events and GET /events/{id}."""

from __future__ import annotations

from tallystick.api.events import service
from tallystick.api.events.store import EventRow
from tallystick.api.events.wire import EmbeddedEvents, Event, Events
from tallystick.errors import InvalidScopes
from tallystick.web import PAGED, Page, Reply, Request, Route

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
    return service.render(request.links, request.principal.account_id, row)


ROUTES = (
    Route(
        "GET",
        "/events",
        list_events,
        "listEvents",
        SCOPE,
        InvalidScopes(),
        gives=Events,
        query=PAGED,
    ),
    Route("GET", "/events/{id}", get_event, "getEvent", SCOPE, InvalidScopes(), gives=Event),
)
