"""GET /customers/{id}/available-exchange-connections."""

from __future__ import annotations

from tallystick.api.available_connections import service
from tallystick.api.available_connections.wire import (
    COLLECTION,
    AvailableConnection,
    AvailableConnections,
    EmbeddedConnections,
)
from tallystick.errors import InvalidScope
from tallystick.web import Reply, Request, Route

ABSENT = "The requested resource was not found. Check Customer ID."


async def list_available_exchange_connections(request: Request) -> Reply:
    customer_id = request.uuid(ABSENT)
    offered = await service.list_for_customer(request.core, request.principal, customer_id)
    to = request.links.to
    links = {
        "self": to("customer", "customers", customer_id, COLLECTION),
        "customers": to("customer", "customers", customer_id),
    }
    connections = [AvailableConnection(each.token, each.name) for each in offered]
    return Reply(body=AvailableConnections(links, EmbeddedConnections(connections)))


ROUTES = (
    Route(
        "GET",
        "/customers/{id}/available-exchange-connections",
        list_available_exchange_connections,
        "listAvailableExchangeConnections",
        "exchange-sessions",
        InvalidScope(),
        gives=AvailableConnections,
    ),
)
