"""Sandbox simulations in the SDK."""

from __future__ import annotations

import msgspec

from tallystick.api.customers.sdk import Customer
from tallystick.api.sandbox_simulations import wire
from tallystick.flow import ArgumentError, Call, Flow, Ref, Resource, change, id_of
from tallystick.hal import Link
from tallystick.sdk.results import AsyncFacade, Facade


class Simulation(Resource, frozen=True, rename="camel"):
    """What a simulation did: `total` transfers processed, or `error_code` shown by a customer."""

    COLLECTION = wire.COLLECTION

    links: dict[str, Link] = msgspec.field(name="_links")
    total: int | None = None
    error_code: str | None = None


def simulate(
    customer: Ref[Customer] | None = None, error_code: str | None = None
) -> Flow[Simulation]:
    """Process what waits; or have verification say what is wrong with a business."""
    if (customer is None) != (error_code is None):
        raise ArgumentError("a directive needs both: a customer and an error_code")
    if customer is None:
        return change(Simulation, Call("POST", (wire.COLLECTION,), body={}))
    body = {"type": wire.CUSTOMER_VERIFICATION, "errorCode": error_code}
    links = {"customer": ("customers", id_of(customer, Customer))}
    return change(Simulation, Call("POST", (wire.COLLECTION,), links=links, body=body))


class SandboxSimulations(Facade):
    def simulate(
        self, *, customer: Ref[Customer] | None = None, error_code: str | None = None
    ) -> Simulation:
        """Process what waits; or have verification say what is wrong with a business."""
        return self._run(simulate(customer, error_code))

    simulate_bank_transfer_processing = simulate


class AsyncSandboxSimulations(AsyncFacade):
    async def simulate(
        self, *, customer: Ref[Customer] | None = None, error_code: str | None = None
    ) -> Simulation:
        """Process what waits; or have verification say what is wrong with a business."""
        return await self._run(simulate(customer, error_code))

    simulate_bank_transfer_processing = simulate
