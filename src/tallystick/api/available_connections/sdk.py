"""Available exchange connections in the SDK; the facade is that of the exchange sessions."""

from __future__ import annotations

from tallystick.api.available_connections import wire
from tallystick.api.customers.sdk import Customer
from tallystick.flow import Call, Flow, Listed, Ref, Resource, id_of, page


class AvailableConnection(wire.AvailableConnection, Resource, frozen=True):
    """An account that the person has shared in MX Connect; `name` is unique in its list."""

    COLLECTION = wire.COLLECTION


def list_available_exchange_connections(call: Call) -> Flow[Listed[AvailableConnection]]:
    return page(AvailableConnection, call)


def available_connections_of(customer: Ref[Customer]) -> Call:
    return Call("GET", ("customers", id_of(customer, Customer), wire.COLLECTION))
