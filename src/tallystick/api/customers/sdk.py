"""Customers in the SDK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Required, Unpack

from typing_extensions import TypedDict

from tallystick.api.customers import wire
from tallystick.flow import (
    Call,
    Flow,
    Listed,
    Query,
    Ref,
    Reference,
    Resource,
    camel,
    change,
    create,
    fetch,
    id_of,
    page,
)
from tallystick.sdk.results import AsyncCreated, AsyncFacade, AsyncPages, Created, Facade, Page


class Customer(wire.Customer, Resource, frozen=True):
    """`type` and `status` are open; contract 6.2 lists today's words."""

    COLLECTION = wire.COLLECTION


class ControllerAddress(TypedDict, total=False):
    address1: Required[str]
    address2: str
    address3: str
    city: Required[str]
    state_province_region: Required[str]
    country: Required[str]
    postal_code: str


class Controller(TypedDict, total=False):
    """Who runs a business; one of `ssn` and `passport` (`number`, `country`) is needed."""

    first_name: Required[str]
    last_name: Required[str]
    title: Required[str]
    date_of_birth: Required[str]
    address: Required[ControllerAddress]
    ssn: str
    passport: dict[str, str]


class CustomerEdits(TypedDict, total=False):
    """What may be sent again. Dates are `YYYY-MM-DD`."""

    type: wire.CustomerType
    business_name: str
    ip_address: str
    correlation_id: str
    phone: str
    address1: str
    address2: str
    city: str
    state: str
    postal_code: str
    date_of_birth: str
    ssn: str
    business_type: Literal["soleProprietorship", "llc", "corporation", "partnership"]
    business_classification: str
    doing_business_as: str
    website: str
    ein: str
    controller: Controller


class NewCustomer(CustomerEdits, closed=True):
    """Without a `type` it is an unverified customer, which needs no more than these three."""

    first_name: str
    last_name: str
    email: str


class CustomerChanges(CustomerEdits, total=False, closed=True):
    first_name: str
    last_name: str
    email: str
    status: Literal["suspended", "deactivated", "reactivated"]


def create_customer(
    idempotency_key: str | None = None, **fields: Unpack[NewCustomer]
) -> Flow[Reference[Customer]]:
    call = Call("POST", ("customers",), body=camel(fields), idempotency_key=idempotency_key)
    return create(Customer, call)


def get_customer(customer: Ref[Customer]) -> Flow[Customer]:
    return fetch(Customer, "customers", id_of(customer, Customer))


def list_customers(call: Call) -> Flow[Listed[Customer]]:
    return page(Customer, call)


def update_customer(
    customer: Ref[Customer],
    idempotency_key: str | None = None,
    **fields: Unpack[CustomerChanges],
) -> Flow[Customer]:
    path = ("customers", id_of(customer, Customer))
    return change(Customer, Call("POST", path, body=camel(fields), idempotency_key=idempotency_key))


def customers_matching(
    search: str | None = None,
    email: str | None = None,
    status: str | Sequence[str] | None = None,
    limit: int | None = None,
    offset: int | None = None,
) -> Call:
    query: Query = {
        "search": search,
        "email": email,
        "status": status,
        "limit": limit,
        "offset": offset,
    }
    return Call("GET", ("customers",), query)


class Customers(Facade):
    def create(
        self, *, idempotency_key: str | None = None, **fields: Unpack[NewCustomer]
    ) -> Created[Customer]:
        return self._created(create_customer(idempotency_key, **fields))

    def get(self, customer: Ref[Customer]) -> Customer:
        return self._run(get_customer(customer))

    def update(
        self,
        customer: Ref[Customer],
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[CustomerChanges],
    ) -> Customer:
        """Edit, upgrade (`type`), suspend, deactivate or reactivate (`status`)."""
        return self._run(update_customer(customer, idempotency_key, **fields))

    def list_customers(
        self,
        *,
        search: str | None = None,
        email: str | None = None,
        status: str | Sequence[str] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Page[Customer]:
        """Newest first. `limit` is the size of a page, at most 200."""
        call = customers_matching(search, email, status, limit, offset)
        return self._listed(list_customers, call)

    create_customer = create
    get_customer = get
    update_customer = update
    list = list_customers
    list_and_search_customers = list_customers


class AsyncCustomers(AsyncFacade):
    async def create(
        self, *, idempotency_key: str | None = None, **fields: Unpack[NewCustomer]
    ) -> AsyncCreated[Customer]:
        return await self._created(create_customer(idempotency_key, **fields))

    async def get(self, customer: Ref[Customer]) -> Customer:
        return await self._run(get_customer(customer))

    async def update(
        self,
        customer: Ref[Customer],
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[CustomerChanges],
    ) -> Customer:
        """Edit, upgrade (`type`), suspend, deactivate or reactivate (`status`)."""
        return await self._run(update_customer(customer, idempotency_key, **fields))

    def list_customers(
        self,
        *,
        search: str | None = None,
        email: str | None = None,
        status: str | Sequence[str] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> AsyncPages[Customer]:
        """Newest first. `limit` is the size of a page, at most 200."""
        call = customers_matching(search, email, status, limit, offset)
        return self._listed(list_customers, call)

    create_customer = create
    get_customer = get
    update_customer = update
    list = list_customers
    list_and_search_customers = list_customers
