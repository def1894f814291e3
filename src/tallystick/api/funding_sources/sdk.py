"""Funding sources in the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Required, Unpack, overload

import msgspec
from typing_extensions import TypedDict

from tallystick.api.accounts.sdk import Account
from tallystick.api.customers.sdk import Customer
from tallystick.api.exchanges.sdk import Exchange
from tallystick.api.funding_sources import wire
from tallystick.flow import (
    Call,
    Flow,
    Listed,
    Ref,
    Reference,
    Resource,
    Target,
    camel,
    change,
    create,
    fetch,
    id_of,
    page,
)
from tallystick.hal import Link
from tallystick.sdk.results import AsyncCreated, AsyncFacade, AsyncPages, Created, Facade, Page

Amount = wire.Amount


class FundingSource(wire.FundingSource, Resource, frozen=True):
    """`type`, `status` and `channels` are open."""

    COLLECTION = wire.COLLECTION


class Balance(Resource, frozen=True, rename="camel"):
    """One of three shapes (contract 6.4): what the kind of funding source does not have is None.

    A bank has `available` (maybe) and `closing`, a Dwolla balance `balance` and `total`.
    """

    links: dict[str, Link] = msgspec.field(name="_links", default_factory=dict)
    available: Amount | None = None
    closing: Amount | None = None
    balance: Amount | None = None
    total: Amount | None = None
    last_updated: str | None = None


class BillingAddress(TypedDict, total=False):
    """`country` is ISO 3166 alpha-2."""

    address1: Required[str]
    address2: str
    address3: str
    city: Required[str]
    state_province_region: Required[str]
    country: Required[str]
    postal_code: Required[str]


class CardDetails(TypedDict):
    first_name: str
    last_name: str
    billing_address: BillingAddress


class FundingSourceChanges(TypedDict, total=False, closed=True):
    """Of a verified bank account only the name may change."""

    name: str
    routing_number: str
    account_number: str
    type: wire.BankAccountType


def create_customer_funding_source(
    customer: Ref[Customer], idempotency_key: str | None = None, **fields: Any
) -> Flow[Reference[FundingSource]]:
    path = ("customers", id_of(customer, Customer), wire.COLLECTION)
    return create(FundingSource, _posted(path, fields, idempotency_key))


def create_funding_source(
    idempotency_key: str | None = None, **fields: Any
) -> Flow[Reference[FundingSource]]:
    """For the main account."""
    return create(FundingSource, _posted((wire.COLLECTION,), fields, idempotency_key))


def _posted(path: tuple[str, ...], fields: Mapping[str, Any], idempotency_key: str | None) -> Call:
    members = dict(fields)
    links: dict[str, Target] = {}
    exchange = members.pop("exchange", None)
    if exchange is not None:
        links["exchange"] = ("exchanges", id_of(exchange, Exchange))
    members["bank_account_type"] = members.pop("type", None)
    body = camel(members)
    return Call("POST", path, links=links, body=body, idempotency_key=idempotency_key)


def get_funding_source(source: Ref[FundingSource]) -> Flow[FundingSource]:
    return fetch(FundingSource, wire.COLLECTION, id_of(source, FundingSource))


def list_funding_sources(call: Call) -> Flow[Listed[FundingSource]]:
    return page(FundingSource, call)


def update_funding_source(
    source: Ref[FundingSource], members: Mapping[str, Any], idempotency_key: str | None = None
) -> Flow[FundingSource]:
    path = (wire.COLLECTION, id_of(source, FundingSource))
    members = {("bank_account_type" if k == "type" else k): v for k, v in members.items()}
    call = Call("POST", path, body=camel(members), idempotency_key=idempotency_key)
    return change(FundingSource, call)


def get_funding_source_balance(source: Ref[FundingSource]) -> Flow[Balance]:
    return fetch(Balance, wire.COLLECTION, id_of(source, FundingSource), "balance")


def sources_of_customer(customer: Ref[Customer], *, removed: bool | None = None) -> Call:
    path = ("customers", id_of(customer, Customer), wire.COLLECTION)
    return Call("GET", path, {"removed": removed})


def sources_of_account(account: Ref[Account], *, removed: bool | None = None) -> Call:
    path = ("accounts", id_of(account, Account), wire.COLLECTION)
    return Call("GET", path, {"removed": removed})


class FundingSources(Facade):
    @overload
    def create_customer_funding_source(
        self,
        customer: Ref[Customer],
        *,
        exchange: Ref[Exchange],
        type: Literal["checking", "savings"],
        name: str,
        idempotency_key: str | None = None,
    ) -> Created[FundingSource]: ...
    @overload
    def create_customer_funding_source(
        self,
        customer: Ref[Customer],
        *,
        exchange: Ref[Exchange],
        card_details: CardDetails,
        name: str,
        idempotency_key: str | None = None,
    ) -> Created[FundingSource]: ...
    @overload
    def create_customer_funding_source(
        self,
        customer: Ref[Customer],
        *,
        routing_number: str,
        account_number: str,
        type: wire.BankAccountType,
        name: str,
        idempotency_key: str | None = None,
    ) -> Created[FundingSource]: ...
    def create_customer_funding_source(
        self, customer: Ref[Customer], *, idempotency_key: str | None = None, **fields: Any
    ) -> Created[FundingSource]:
        """From an exchange (verified at once), of a card, or from numbers (unverified)."""
        return self._created(create_customer_funding_source(customer, idempotency_key, **fields))

    def create_funding_source(
        self,
        *,
        exchange: Ref[Exchange],
        type: Literal["checking", "savings"],  # noqa: A002  # the wire's word, shortened
        name: str,
        idempotency_key: str | None = None,
    ) -> Created[FundingSource]:
        """For the main account, from one of its exchanges."""
        return self._created(
            create_funding_source(idempotency_key, exchange=exchange, type=type, name=name)
        )

    def get(self, source: Ref[FundingSource]) -> FundingSource:
        return self._run(get_funding_source(source))

    def list_customer_funding_sources(
        self, customer: Ref[Customer], *, removed: bool | None = None
    ) -> Page[FundingSource]:
        """`removed`: None is all, False the live ones, True the removed ones."""
        return self._listed(list_funding_sources, sources_of_customer(customer, removed=removed))

    def list_account_funding_sources(
        self, account: Ref[Account], *, removed: bool | None = None
    ) -> Page[FundingSource]:
        return self._listed(list_funding_sources, sources_of_account(account, removed=removed))

    def update(
        self,
        source: Ref[FundingSource],
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[FundingSourceChanges],
    ) -> FundingSource:
        return self._run(update_funding_source(source, fields, idempotency_key))

    def remove(
        self, source: Ref[FundingSource], *, idempotency_key: str | None = None
    ) -> FundingSource:
        """It stays readable, with `removed` true."""
        return self._run(update_funding_source(source, {"removed": True}, idempotency_key))

    def balance(self, source: Ref[FundingSource]) -> Balance:
        """Raises UpdateCredentialsError when the person must sign in at the bank again."""
        return self._run(get_funding_source_balance(source))

    get_funding_source = get
    update_or_remove_funding_source = update
    get_funding_source_balance = balance
    list_funding_sources = list_account_funding_sources


class AsyncFundingSources(AsyncFacade):
    @overload
    async def create_customer_funding_source(
        self,
        customer: Ref[Customer],
        *,
        exchange: Ref[Exchange],
        type: Literal["checking", "savings"],
        name: str,
        idempotency_key: str | None = None,
    ) -> AsyncCreated[FundingSource]: ...
    @overload
    async def create_customer_funding_source(
        self,
        customer: Ref[Customer],
        *,
        exchange: Ref[Exchange],
        card_details: CardDetails,
        name: str,
        idempotency_key: str | None = None,
    ) -> AsyncCreated[FundingSource]: ...
    @overload
    async def create_customer_funding_source(
        self,
        customer: Ref[Customer],
        *,
        routing_number: str,
        account_number: str,
        type: wire.BankAccountType,
        name: str,
        idempotency_key: str | None = None,
    ) -> AsyncCreated[FundingSource]: ...
    async def create_customer_funding_source(
        self, customer: Ref[Customer], *, idempotency_key: str | None = None, **fields: Any
    ) -> AsyncCreated[FundingSource]:
        """From an exchange (verified at once), of a card, or from numbers (unverified)."""
        return await self._created(
            create_customer_funding_source(customer, idempotency_key, **fields)
        )

    async def create_funding_source(
        self,
        *,
        exchange: Ref[Exchange],
        type: Literal["checking", "savings"],  # noqa: A002  # the wire's word, shortened
        name: str,
        idempotency_key: str | None = None,
    ) -> AsyncCreated[FundingSource]:
        """For the main account, from one of its exchanges."""
        return await self._created(
            create_funding_source(idempotency_key, exchange=exchange, type=type, name=name)
        )

    async def get(self, source: Ref[FundingSource]) -> FundingSource:
        return await self._run(get_funding_source(source))

    def list_customer_funding_sources(
        self, customer: Ref[Customer], *, removed: bool | None = None
    ) -> AsyncPages[FundingSource]:
        """`removed`: None is all, False the live ones, True the removed ones."""
        return self._listed(list_funding_sources, sources_of_customer(customer, removed=removed))

    def list_account_funding_sources(
        self, account: Ref[Account], *, removed: bool | None = None
    ) -> AsyncPages[FundingSource]:
        return self._listed(list_funding_sources, sources_of_account(account, removed=removed))

    async def update(
        self,
        source: Ref[FundingSource],
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[FundingSourceChanges],
    ) -> FundingSource:
        return await self._run(update_funding_source(source, fields, idempotency_key))

    async def remove(
        self, source: Ref[FundingSource], *, idempotency_key: str | None = None
    ) -> FundingSource:
        """It stays readable, with `removed` true."""
        return await self._run(update_funding_source(source, {"removed": True}, idempotency_key))

    async def balance(self, source: Ref[FundingSource]) -> Balance:
        """Raises UpdateCredentialsError when the person must sign in at the bank again."""
        return await self._run(get_funding_source_balance(source))

    get_funding_source = get
    update_or_remove_funding_source = update
    get_funding_source_balance = balance
    list_funding_sources = list_account_funding_sources
