"""Recording events and reading them back."""

from __future__ import annotations

from tallystick.api.events import store, wire
from tallystick.api.events.store import EventRow
from tallystick.api.events.wire import Event
from tallystick.api.webhooks import service as webhooks
from tallystick.clock import to_iso
from tallystick.core import Core
from tallystick.errors import NotFound
from tallystick.hal import Links
from tallystick.store import audit
from tallystick.store.db import Transaction

Topic = wire.Topic


async def record(
    core: Core,
    tx: Transaction,
    app_id: str,
    topic: Topic,
    resource: str,
    resource_id: str,
    customer_id: str | None = None,
) -> None:
    """Write an event and its webhooks in the caller's transaction: they exist exactly if the
    change does.

    `resource` is the collection of what it is about, as in its address: `funding-sources`.
    """
    now_ms = core.clock.now_ms()
    row = EventRow(core.ids.new(), app_id, topic, resource, resource_id, customer_id, now_ms)
    number = await store.add(tx, row)
    await webhooks.record(core, tx, app_id, number, row.id, topic, resource_id)
    await audit.note(tx, app_id, resource, resource_id, topic, now_ms)


def render(links: Links, account_id: str, row: EventRow) -> Event:
    """An event as it is shown and as webhooks tell it: in the same bytes."""
    to = links.to
    shown = {
        "self": to("event", "events", row.id),
        # `funding-sources` → `funding-source`: the kind of a resource is its collection's singular.
        "resource": to(row.resource.removesuffix("s"), row.resource, row.resource_id),
        "account": to("account", "accounts", account_id),
    }
    if row.customer_id is not None:
        shown["customer"] = to("customer", "customers", row.customer_id)
    return Event(shown, row.id, to_iso(row.created_at), row.topic, row.resource_id)


async def find(core: Core, app_id: str, event_id: str) -> EventRow:
    """Raises NotFound, for another application's event as well."""
    row = await store.find(core.db, app_id, event_id)
    if row is None:
        raise NotFound
    return row


async def list_newest(
    core: Core, app_id: str, limit: int, offset: int
) -> tuple[list[EventRow], int]:
    """One page, newest first, and how many there are."""
    return await store.list_newest(core.db, app_id, limit, offset)
