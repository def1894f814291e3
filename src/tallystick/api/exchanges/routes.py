"""POST and GET /customers/{id}/exchanges, POST and GET /exchanges, GET /exchanges/{id}."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.api.exchanges import service
from tallystick.api.exchanges.proofs import OF_ACCOUNT, Create
from tallystick.api.exchanges.store import ShownRow
from tallystick.api.exchanges.wire import (
    COLLECTION,
    KIND,
    REL_ACCOUNT,
    REL_CUSTOMER,
    REL_FUNDING_SOURCES,
    REL_PARTNER,
    EmbeddedExchanges,
    Exchange,
    Exchanges,
    NameInquiry,
    Nothing,
)
from tallystick.clock import to_iso
from tallystick.errors import BadRequest, Forbidden, InvalidScope
from tallystick.hal import Link
from tallystick.partners.contract import Proof
from tallystick.store.idempotency import Outcome
from tallystick.web import Reply, Request, Route, Takes, encode


async def create_customer_exchange(request: Request) -> Outcome:
    customer_id = request.uuid()
    return await _create(request, customer_id, b"")


async def create_account_exchange(request: Request) -> Outcome:
    return await _create(request, None, encode(Nothing()))


async def _create(request: Request, customer_id: str | None, empty: bytes) -> Outcome:
    if not isinstance(request.body, dict):
        raise BadRequest
    links = request.body.get("_links")
    link = links.get(REL_PARTNER) if isinstance(links, dict) else None
    href = link.get("href") if isinstance(link, dict) else None
    partner_id = request.resolve(href, "exchange-partners")
    command = Create(customer_id, href, partner_id, request.body)
    return await service.create(request.core, request.principal, command, request.claim, empty)


async def get_exchange(request: Request) -> Reply:
    exchange_id = request.uuid(service.ABSENT)
    row = await service.show(request.core, request.principal.app_id, exchange_id)
    return Reply(body=render(request, row))


async def list_customer_exchanges(request: Request) -> Reply:
    customer_id = request.uuid()
    rows = await service.list_for(request.core, request.principal, customer_id)
    return _list(request, rows, request.links.to(KIND, "customers", customer_id, COLLECTION))


async def list_account_exchanges(request: Request) -> Reply:
    rows = await service.list_for(request.core, request.principal, None)
    return _list(request, rows, request.links.to(KIND, COLLECTION))


def _list(request: Request, rows: Sequence[ShownRow], own: Link) -> Reply:
    """Documented without paging: everything, and only `self` (contract 2.3)."""
    exchanges = [render(request, row) for row in rows]
    return Reply(body=Exchanges({"self": own}, EmbeddedExchanges(exchanges), len(exchanges)))


def render(request: Request, row: ShownRow) -> Exchange:
    to = request.links.to
    partner = request.core.partners.by_key(row.partner_key)
    links = {
        "self": to(KIND, COLLECTION, row.id),
        REL_PARTNER: to("exchange-partner", "exchange-partners", partner.manifest.id),
        REL_FUNDING_SOURCES: to("funding-source", "funding-sources"),
    }
    if row.customer_id is None:
        links[REL_ACCOUNT] = to("account", "accounts", request.principal.account_id)
    else:
        links[REL_CUSTOMER] = to("customer", "customers", row.customer_id)
    said = None if row.name_match is None else NameInquiry(row.name_match)
    return Exchange(links, row.id, row.status, to_iso(row.created_at), said)


_READ = "exchanges:read"
_NOT_ENABLED = "is not enabled for this application. Reach out to Dwolla for more information."
_READ_DENIED = InvalidScope(f"The scopes for retrieving an exchange resource {_NOT_ENABLED}")


def _create_denied(owner: str) -> InvalidScope:
    return InvalidScope(f"The scopes for creating an exchange resource for {owner} {_NOT_ENABLED}")


ROUTES = (
    Route(
        "GET",
        "/exchanges",
        list_account_exchanges,
        "listAccountExchanges",
        _READ,
        Forbidden(),
        gives=Exchanges,
    ),
    Route(
        "POST",
        "/exchanges",
        create_account_exchange,
        "createAccountExchange",
        "exchanges:account",
        _create_denied("an account"),
        takes=(Takes(Proof, (REL_PARTNER,), members=OF_ACCOUNT),),
        gives=Nothing,
    ),
    Route(
        "GET", "/exchanges/{id}", get_exchange, "getExchange", _READ, _READ_DENIED, gives=Exchange
    ),
    Route(
        "GET",
        "/customers/{id}/exchanges",
        list_customer_exchanges,
        "listCustomerExchanges",
        _READ,
        _READ_DENIED,
        gives=Exchanges,
    ),
    Route(
        "POST",
        "/customers/{id}/exchanges",
        create_customer_exchange,
        "createCustomerExchange",
        "exchanges:customer",
        _create_denied("a customer"),
        takes=(Takes(Proof, (REL_PARTNER,)),),
    ),
)
