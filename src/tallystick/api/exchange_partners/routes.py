"""GET /exchange-partners and GET /exchange-partners/{id}."""

from __future__ import annotations

from tallystick.api.exchange_partners import service
from tallystick.api.exchange_partners.wire import (
    COLLECTION,
    KIND,
    EmbeddedPartners,
    ExchangePartner,
    ExchangePartners,
)
from tallystick.errors import Forbidden
from tallystick.partners.contract import Partner
from tallystick.web import Reply, Request, Route

SCOPE = "exchange-partners"


async def list_exchange_partners(request: Request) -> Reply:
    partners = [render(request, partner) for partner in service.list_all(request.core)]
    links = {"self": request.links.to(KIND, COLLECTION)}
    return Reply(body=ExchangePartners(links, EmbeddedPartners(partners), len(partners)))


async def get_exchange_partner(request: Request) -> Reply:
    partner_id = request.uuid()
    return Reply(body=render(request, service.find(request.core, partner_id)))


def render(request: Request, partner: Partner) -> ExchangePartner:
    manifest = partner.manifest
    links = {
        "self": request.links.to(KIND, COLLECTION, manifest.id),
        "funding-source": request.links.to("funding-source", "funding-sources"),
    }
    return ExchangePartner(links, manifest.id, manifest.name, "active", manifest.created)


ROUTES = (
    Route(
        "GET",
        "/exchange-partners",
        list_exchange_partners,
        "listExchangePartners",
        SCOPE,
        Forbidden(),
        gives=ExchangePartners,
    ),
    Route(
        "GET",
        "/exchange-partners/{id}",
        get_exchange_partner,
        "getExchangePartner",
        SCOPE,
        Forbidden(),
        gives=ExchangePartner,
    ),
)
