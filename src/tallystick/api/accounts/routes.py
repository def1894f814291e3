"""GET /accounts/{id}: only one's own; anybody else's is absent (contract 6.1)."""

from __future__ import annotations

from tallystick.api.accounts.wire import Account
from tallystick.errors import Forbidden, NotFound
from tallystick.web import Reply, Request, Route


async def get_account(request: Request) -> Reply:
    own = request.principal.account_id
    if request.uuid() != own:
        raise NotFound
    to = request.links.to
    links = {
        "self": to("account", "accounts", own),
        "receive": to("transfer", "transfers"),
        "funding-sources": to("funding-source", "accounts", own, "funding-sources"),
        "transfers": to("transfer", "accounts", own, "transfers"),
        "customers": to("customer", "customers"),
        "send": to("transfer", "transfers"),
    }
    return Reply(body=Account(links, own, request.principal.account_name, 0, "Commercial"))


ROUTES = (
    Route(
        "GET",
        "/accounts/{id}",
        get_account,
        "getAccount",
        "accounts",
        Forbidden("Not authorized to retrieve an Account by id."),
        lower=Route.LOWER,
        gives=Account,
    ),
)
