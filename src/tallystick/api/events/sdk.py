"""Events in the SDK."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, overload

from tallystick.api.accounts.sdk import Account
from tallystick.api.customers.sdk import Customer
from tallystick.api.events import wire
from tallystick.api.exchanges.sdk import Exchange
from tallystick.api.funding_sources.sdk import FundingSource
from tallystick.flow import (
    ArgumentError,
    Call,
    Flow,
    Listed,
    Ref,
    Resource,
    Runs,
    RunsAsync,
    fetch,
    id_of,
    page,
)
from tallystick.sdk.results import AsyncFacade, AsyncPages, Facade, Page

# What an event can be about, by the collection in its link `resource`.
MODELS: dict[str, type[Resource]] = {
    each.COLLECTION: each for each in (Account, Customer, Exchange, FundingSource)
}


class Event(wire.Event, Resource, frozen=True):
    """Something that happened. `topic` is open; contract 6.6 lists today's."""

    COLLECTION = "events"

    @overload
    def resource(self, client: Runs) -> Resource: ...
    @overload
    def resource(self, client: RunsAsync) -> Awaitable[Resource]: ...
    def resource(self, client: Runs | RunsAsync) -> Any:
        """What the event is about, as it is now; to be awaited with an async client.

        Raises ArgumentError for a kind of resource that this SDK does not read.
        """
        return client.run(resource_of(self))


def resource_of(event: Event) -> Flow[Resource]:
    href = event.link(wire.REL_RESOURCE) or ""
    for collection, model in MODELS.items():
        if f"/{collection}/" in href:
            return fetch(model, collection, id_of(href, model))
    raise ArgumentError(f"the resource of a {event.topic!r} is of no kind that this SDK reads")


def get_event(event: Ref[Event]) -> Flow[Event]:
    return fetch(Event, "events", id_of(event, Event))


def list_events(call: Call) -> Flow[Listed[Event]]:
    return page(Event, call)


def events_from(limit: int | None = None, offset: int | None = None) -> Call:
    return Call("GET", ("events",), {"limit": limit, "offset": offset})


class Events(Facade):
    def get(self, event: Ref[Event]) -> Event:
        return self._run(get_event(event))

    def list_events(self, *, limit: int | None = None, offset: int | None = None) -> Page[Event]:
        """Newest first."""
        return self._listed(list_events, events_from(limit, offset))

    get_event = get
    list = list_events


class AsyncEvents(AsyncFacade):
    async def get(self, event: Ref[Event]) -> Event:
        return await self._run(get_event(event))

    def list_events(
        self, *, limit: int | None = None, offset: int | None = None
    ) -> AsyncPages[Event]:
        """Newest first."""
        return self._listed(list_events, events_from(limit, offset))

    get_event = get
    list = list_events
