"""POST and GET of funding sources, for a customer and for the account, and their balance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallystick.api.funding_sources import balances, cards, service
from tallystick.api.funding_sources.creation import Create
from tallystick.api.funding_sources.store import FundingSourceRow
from tallystick.api.funding_sources.wire import (
    COLLECTION,
    KIND,
    Amount,
    Balance,
    Edits,
    EmbeddedFundingSources,
    FromCard,
    FromExchange,
    FromNumbers,
    FundingSource,
    FundingSources,
    Removal,
    SettlementBalance,
)
from tallystick.clock import to_iso
from tallystick.errors import BadRequest, Forbidden
from tallystick.hal import Link
from tallystick.store.idempotency import Outcome
from tallystick.web import Reply, Request, Route, Takes, encode

SCOPE = "funding-sources"


async def create_customer_funding_source(request: Request) -> Outcome:
    return await _create(request, request.uuid(service.CHECK_CUSTOMER))


async def create_funding_source(request: Request) -> Outcome:
    return await _create(request, None)


async def _create(request: Request, customer_id: str | None) -> Outcome:
    body = _object(request)
    links = body.get("_links")
    link = links.get("exchange") if isinstance(links, dict) else None
    href = link.get("href") if isinstance(link, dict) else None
    exchange_id = request.resolve(href, "exchanges")
    command = Create(customer_id, link is not None, href is not None, exchange_id, body)
    return await service.create(request.core, request.principal, command, request.claim)


async def get_funding_source(request: Request) -> Reply:
    source_id = request.uuid(service.ABSENT)
    row = await service.find(request.core, request.principal.app_id, source_id)
    return Reply(body=render(request, row, await _readable(request, [row])))


async def list_customer_funding_sources(request: Request) -> Reply:
    customer_id = request.uuid(service.NO_CUSTOMER)
    rows = await service.list_of_customer(
        request.core, request.principal, customer_id, _removed(request)
    )
    own = request.links.to(KIND, "customers", customer_id, COLLECTION)
    return await _list(request, rows, own)


async def list_account_funding_sources(request: Request) -> Reply:
    account_id = request.uuid(service.NO_ACCOUNT)
    rows = await service.list_of_account(
        request.core, request.principal, account_id, _removed(request)
    )
    own = request.links.to(KIND, "accounts", account_id, COLLECTION)
    return await _list(request, rows, own)


async def update_funding_source(request: Request) -> Outcome:
    source_id = request.uuid(service.ABSENT)
    row = await service.find(request.core, request.principal.app_id, source_id)
    readable = await _readable(request, [row])  # no update changes it, but removal
    return await service.update(
        request.core,
        request.principal,
        source_id,
        _object(request),
        request.claim,
        lambda changed: encode(render(request, changed, readable)),
    )


async def get_balance(request: Request) -> Reply:
    source_id = request.uuid(service.ABSENT)
    to = request.links.to
    links = {
        "self": to("balance", COLLECTION, source_id, "balance"),
        "funding-source": to(KIND, COLLECTION, source_id),
    }
    row = await service.find(request.core, request.principal.app_id, source_id)
    if row.bank_usage_type is not None:
        return Reply(body=SettlementBalance(links, Amount.of(0, "USD")))
    balance = await balances.read(request.core, row)
    available = balance.available_cents
    return Reply(
        body=Balance(
            links,
            Amount.of(balance.current_cents, balance.currency),
            to_iso(balance.as_of),
            None if available is None else Amount.of(available, balance.currency),
        )
    )


def _object(request: Request) -> dict[str, Any]:
    if not isinstance(request.body, dict):
        raise BadRequest
    return request.body


def _removed(request: Request) -> str | None:
    return request.query().get("removed", [None])[-1]


async def _readable(request: Request, rows: Sequence[FundingSourceRow]) -> frozenset[str]:
    return await balances.readable(request.core, request.principal.app_id, rows)


async def _list(request: Request, rows: Sequence[FundingSourceRow], own: Link) -> Reply:
    readable = await _readable(request, rows)
    sources = [render(request, row, readable) for row in rows]
    return Reply(body=FundingSources({"self": own}, EmbeddedFundingSources(sources), len(sources)))


def render(request: Request, row: FundingSourceRow, readable: frozenset[str]) -> FundingSource:
    """`readable` are the ids of the sources whose balance can be asked for."""
    return FundingSource(
        links=_links(request, row, readable),
        id=row.id,
        status=row.status,
        type=row.type,
        name=row.name,
        created=to_iso(row.created_at),
        removed=bool(row.removed),
        channels=row.channels.split(",") if row.channels else [],
        bank_account_type=row.bank_account_type,
        bank_name=row.bank_name,
        fingerprint=row.fingerprint,
        bank_usage_type=row.bank_usage_type,
        card_details=cards.unseal(request.core, row),
    )


def _links(request: Request, row: FundingSourceRow, readable: frozenset[str]) -> dict[str, Link]:
    """What is always there, and what the state allows (contract 6.3)."""
    to = request.links.to
    own = to(KIND, COLLECTION, row.id)
    links = {"self": own}
    if row.customer_id is None:
        links["account"] = to("account", "accounts", row.owner_id)
    else:
        links["customer"] = to("customer", "customers", row.customer_id)
    if row.removed:
        return links
    links["remove"] = own
    if row.id in readable:
        links["balance"] = to("balance", COLLECTION, row.id, "balance")
    if row.bank_usage_type is not None:
        links["balance"] = to("balance", COLLECTION, row.id, "balance")
        links["transfer-send"] = to("transfer", "transfers")
        del links["remove"]
        return links
    if row.type == "card":
        pass  # money goes to a card, and never comes from one
    elif row.status == "verified":
        links["transfer-send"] = to("transfer", "transfers")
    else:
        micro = to("micro-deposits", COLLECTION, row.id, "micro-deposits")
        links["initiate-micro-deposits"] = micro
    links["transfer-receive"] = to("transfer", "transfers")
    return links


_NO_CREATE = Forbidden("Not authorized to create funding source.")
_NO_LIST = Forbidden("Not authorized to list funding sources.")
_TAKES = (Takes(FromExchange, ("exchange",)), Takes(FromNumbers))
_LOWER = frozenset({"Forbidden", "NotFound"})

ROUTES = (
    Route(
        "POST",
        "/customers/{id}/funding-sources",
        create_customer_funding_source,
        "createCustomerFundingSource",
        SCOPE,
        _NO_CREATE,
        takes=(*_TAKES, Takes(FromCard, ("exchange",))),
    ),
    Route(
        "POST",
        "/funding-sources",
        create_funding_source,
        "createFundingSource",
        SCOPE,
        _NO_CREATE,
        lower=_LOWER,
        takes=_TAKES,
    ),
    Route(
        "GET",
        "/funding-sources/{id}",
        get_funding_source,
        "getFundingSource",
        SCOPE,
        Forbidden(),
        lower=_LOWER,
        gives=FundingSource,
    ),
    Route(
        "GET",
        "/customers/{id}/funding-sources",
        list_customer_funding_sources,
        "listCustomerFundingSources",
        SCOPE,
        _NO_LIST,
        lower=_LOWER,
        gives=FundingSources,
        query=("removed",),
    ),
    Route(
        "GET",
        "/accounts/{id}/funding-sources",
        list_account_funding_sources,
        "listFundingSources",
        SCOPE,
        _NO_LIST,
        lower=_LOWER,
        gives=FundingSources,
        query=("removed",),
    ),
    Route(
        "POST",
        "/funding-sources/{id}",
        update_funding_source,
        "updateOrRemoveFundingSource",
        SCOPE,
        Forbidden(),
        lower=frozenset({"Forbidden", "NotFound", "ValidationError"}),
        takes=(Takes(Edits), Takes(Removal)),
        gives=FundingSource,
    ),
    Route(
        "GET",
        "/funding-sources/{id}/balance",
        get_balance,
        "getFundingSourceBalance",
        "balance-check",
        Forbidden("Balance Check not enabled for this account."),
        lower=frozenset({"NotFound"}),
        gives=(Balance, SettlementBalance),
    ),
)
