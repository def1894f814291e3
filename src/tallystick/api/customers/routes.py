"""POST and GET /customers, GET and POST /customers/{id}."""

from __future__ import annotations

import msgspec

from tallystick.api.customers import service
from tallystick.api.customers.changes import StatusChange, UnverifiedEdits, VerifiedEdits
from tallystick.api.customers.store import CustomerRow, Filter
from tallystick.api.customers.wire import (
    COLLECTION,
    KIND,
    Customer,
    Customers,
    Details,
    EmbeddedCustomers,
    EmbeddedProblems,
    PostedCompany,
    PostedCustomer,
    PostedPersonal,
    PostedSoleProprietor,
    Problem,
)
from tallystick.clock import to_iso
from tallystick.errors import Forbidden
from tallystick.hal import MEDIA_TYPE, Link
from tallystick.store.idempotency import Outcome
from tallystick.web import PAGED, Page, Reply, Request, Route, Takes, encode

SCOPE = "customers"
EDIT_FORM = f'{MEDIA_TYPE}; profile="https://github.com/dwolla/hal-forms"'


async def create_customer(request: Request) -> Outcome:
    return await service.create(request.core, request.principal, request.body, request.claim)


async def get_customer(request: Request) -> Reply:
    customer_id = request.uuid(service.ABSENT)
    row = await service.find(request.core, request.principal.app_id, customer_id)
    return Reply(body=render(request, row))


async def list_customers(request: Request) -> Reply:
    query = request.query()
    page = Page.of(query)
    narrowed = Filter(
        search=query.get("search", [""])[-1],
        email=query.get("email", [""])[-1],
        statuses=query.get("status", []),
    )
    rows, total = await service.list_newest(
        request.core, request.principal.app_id, narrowed, page.limit, page.offset
    )
    kept = {name: query[name] for name in ("search", "email", "status") if name in query}
    links = page.links(request.links, KIND, COLLECTION, total, kept)
    customers = [render(request, row) for row in rows]
    return Reply(body=Customers(links, EmbeddedCustomers(customers), total))


async def update_customer(request: Request) -> Outcome:
    customer_id = request.uuid(service.ABSENT)
    return await service.update(
        request.core,
        request.principal,
        customer_id,
        request.body,
        request.claim,
        lambda row: encode(render(request, row)),
    )


def render(request: Request, row: CustomerRow) -> Customer:
    return Customer(
        links=_links(request, row),
        id=row.id,
        first_name=row.first_name,
        last_name=row.last_name,
        email=row.email,
        type=row.type,
        status=row.status,
        created=to_iso(row.created_at),
        business_name=row.business_name,
        correlation_id=row.correlation_id,
        embedded=_problems(row),
        **msgspec.structs.asdict(_details.decode(row.details)),
    )


_details = msgspec.json.Decoder(Details)


def _problems(row: CustomerRow) -> EmbeddedProblems | None:
    if row.directive is None or row.status not in service.UNDECIDED:
        return None
    message = f"Verification needs another look: {row.directive}."
    return EmbeddedProblems([Problem(row.directive, message)])


def _links(request: Request, row: CustomerRow) -> dict[str, Link]:
    """What is always there, and what the state allows (contract 6.2)."""
    to = request.links.to
    own = to(KIND, COLLECTION, row.id)
    links = {
        "self": own,
        "edit": own,
        "edit-form": Link(own.href, EDIT_FORM, KIND),
        "funding-sources": to("funding-source", COLLECTION, row.id, "funding-sources"),
        "transfers": to("transfer", COLLECTION, row.id, "transfers"),
    }
    if row.status in ("suspended", "deactivated"):
        return links | {"reactivate": own}
    links["deactivate"] = own
    links["receive"] = transfer = to("transfer", "transfers")
    if row.type != "receive-only":
        links["send"] = transfer
    if row.status == "retry":
        links["retry-verification"] = own
    if row.status == "document":
        links["verify-with-document"] = to("document", COLLECTION, row.id, "documents")
    if row.type == "business":
        owners = to("beneficial-owner", COLLECTION, row.id, "beneficial-owners")
        links["beneficial-owners"] = owners
    return links


POSTED = tuple(
    Takes(shape) for shape in (PostedCustomer, PostedPersonal, PostedSoleProprietor, PostedCompany)
)
EDITS = tuple(Takes(shape) for shape in (UnverifiedEdits, VerifiedEdits, StatusChange))

_LOWER = frozenset({"Forbidden", "NotFound"})

ROUTES = (
    Route(
        "POST",
        "/customers",
        create_customer,
        "createCustomer",
        SCOPE,
        Forbidden("Not authorized to create customers."),
        lower=_LOWER,
        takes=POSTED,
    ),
    Route(
        "GET",
        "/customers",
        list_customers,
        "listAndSearchCustomers",
        SCOPE,
        Forbidden("Not authorized to list customers."),
        lower=_LOWER,
        gives=Customers,
        query=(*PAGED, "search", "email", "status"),
    ),
    Route(
        "GET",
        "/customers/{id}",
        get_customer,
        "getCustomer",
        SCOPE,
        Forbidden("Not authorized to get a customer by id."),
        lower=_LOWER,
        gives=Customer,
    ),
    Route(
        "POST",
        "/customers/{id}",
        update_customer,
        "update",
        SCOPE,
        Forbidden("Not authorized to update a customer."),
        lower=_LOWER,
        takes=(*EDITS, *POSTED),
        gives=Customer,
    ),
)
