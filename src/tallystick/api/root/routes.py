"""GET /."""

from __future__ import annotations

from tallystick.api.root.wire import Root
from tallystick.web import Reply, Request, Route

# rel → (resource type, scope without which the link is left out)
_COLLECTIONS = {
    "customers": ("customer", "customers"),
    "events": ("event", "events"),
    "webhook-subscriptions": ("webhook-subscription", "webhooks"),
    "exchange-partners": ("exchange-partner", "exchange-partners"),
    "exchanges": ("exchange", "exchanges:read"),
}


async def get_root(request: Request) -> Reply:
    to = request.links.to
    links = {"account": to("account", "accounts", request.principal.account_id)}
    for rel, (resource_type, scope) in _COLLECTIONS.items():
        if scope not in request.principal.withheld:
            links[rel] = to(resource_type, rel)
    return Reply(body=Root(links))


ROUTES = (Route("GET", "/", get_root, "getRoot", gives=Root),)
