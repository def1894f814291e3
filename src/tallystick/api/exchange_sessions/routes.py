"""POST /customers/{id}/exchange-sessions and GET /exchange-sessions/{id}."""

from __future__ import annotations

from typing import Any

from tallystick.api.exchange_sessions import service
from tallystick.api.exchange_sessions.wire import (
    COLLECTION,
    KIND,
    KIND_PAGE,
    REL_PAGE,
    ExchangeSession,
    ForCard,
)
from tallystick.clock import to_iso
from tallystick.errors import BadRequest, Forbidden, InvalidScope
from tallystick.hal import MEDIA_TYPE, Link
from tallystick.store.idempotency import Outcome
from tallystick.web import Reply, Request, Route, Takes

SCOPE = "exchange-sessions"


async def create_customer_exchange_session(request: Request) -> Outcome:
    customer_id = request.uuid()
    partner_href = href_of(request.body, "exchange-partner")
    partner_id = request.resolve(partner_href, "exchange-partners")
    redirect_url = href_of(request.body, "redirect-url")
    partner, holder = service.check(
        request.core,
        request.principal,
        request.core.partners.by_id(partner_id) if partner_id else None,
        partner_sent=partner_href is not None,
        redirect_url=redirect_url,
        card_details=request.body.get("cardDetails"),
    )
    return await service.start(
        request.core,
        request.principal,
        customer_id,
        partner,
        redirect_url if isinstance(redirect_url, str) else None,
        holder,
        request.links.base,
        request.claim,
    )


async def create_re_auth_exchange_session(request: Request) -> Outcome:
    exchange_id = request.uuid()
    body = {} if request.body is None else request.body
    return await service.start_reauth(
        request.core,
        request.principal,
        exchange_id,
        href_of(body, "redirect-url"),
        request.links.base,
        request.claim,
    )


def href_of(body: Any, rel: str) -> Any:
    """`_links.{rel}.href` of a body, whatever it is; None when any step is missing.

    Dwolla's own example sends an object as the href when its look-up of the partner failed: that
    must be told as a wrong link, not as a wrong type (contract 5.8).
    """
    if not isinstance(body, dict):
        raise BadRequest
    links = body.get("_links")
    link = links.get(rel) if isinstance(links, dict) else None
    return link.get("href") if isinstance(link, dict) else None


async def retrieve_exchange_session(request: Request) -> Reply:
    session_id = request.uuid(service.ABSENT)
    shown = await service.show(request.core, request.principal.app_id, session_id)
    to = request.links.to
    links = {
        "self": to(KIND, COLLECTION, shown.row.id),
        "exchange-partner": to("exchange-partner", "exchange-partners", shown.partner.manifest.id),
    }
    if shown.provider.href is not None:
        links[REL_PAGE] = Link(shown.provider.href, MEDIA_TYPE, KIND_PAGE)
    data = shown.provider.data
    return Reply(
        body=ExchangeSession(
            to_iso(shown.row.created_at),
            links,
            shown.provider.token,
            None if data is None else dict(data),
        )
    )


ROUTES = (
    Route(
        "POST",
        "/customers/{id}/exchange-sessions",
        create_customer_exchange_session,
        "createCustomerExchangeSession",
        SCOPE,
        InvalidScope("Missing or invalid scopes for requested endpoint"),
        lower=frozenset({"Forbidden"}),
        takes=(
            Takes(links=("exchange-partner",), may_link=("redirect-url",)),
            Takes(ForCard, links=("exchange-partner",)),
        ),
    ),
    Route(
        "POST",
        "/exchanges/{id}/exchange-sessions",
        create_re_auth_exchange_session,
        "createReAuthExchangeSession",
        SCOPE,
        Forbidden(service.NOT_REPAIRABLE),
        lower=frozenset({"Forbidden"}),
        takes=(Takes(may_link=("redirect-url",)),),
    ),
    Route(
        "GET",
        "/exchange-sessions/{id}",
        retrieve_exchange_session,
        "retrieveCustomerExchangeSession",
        SCOPE,
        Forbidden("Not authorized to retrieve exchange session."),
        lower=frozenset({"Forbidden", "NotFound"}),
        gives=ExchangeSession,
    ),
)
