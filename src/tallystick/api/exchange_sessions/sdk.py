"""Exchange sessions in the SDK, under the names of Dwolla's own SDK documentation."""

from __future__ import annotations

from typing import TypedDict

from tallystick.api.available_connections.sdk import (
    AvailableConnection,
    available_connections_of,
    list_available_exchange_connections,
)
from tallystick.api.customers.sdk import Customer
from tallystick.api.exchange_partners.sdk import ExchangePartner, partner_id_of
from tallystick.api.exchange_sessions import wire
from tallystick.api.exchanges.sdk import Exchange
from tallystick.flow import (
    Call,
    Flow,
    Ref,
    Reference,
    Resource,
    Target,
    camel,
    create,
    fetch,
    id_of,
)
from tallystick.sdk.results import AsyncCreated, AsyncFacade, AsyncPages, Created, Facade, Page


class ExchangeSession(wire.ExchangeSession, Resource, frozen=True):
    """What the person's device needs is in one of three places, depending on the partner.

    - `external_provider_session_token`: Plaid's link token.
    - `redirect_url`: the page of MX or Visa.
    - `external_provider_session_data`: Checkout.com's payment session, for its script as it is.
    """

    COLLECTION = wire.COLLECTION

    @property
    def id(self) -> str:
        """From the link to itself: a session has no member of that name."""
        return id_of(self.href, type(self))

    @property
    def redirect_url(self) -> str | None:
        """The partner's page, to be opened in a browser or widget."""
        return self.link(wire.REL_PAGE)

    @property
    def connect_url(self) -> str | None:
        """An address that the person can simply open; None where your own page is needed."""
        return self.redirect_url


class CardHolder(TypedDict):
    """Asks Checkout.com to compare the name with the card's."""

    first_name: str
    last_name: str
    account_name_inquiry: bool


def create_customer_exchange_session(
    customer: Ref[Customer],
    exchange_partner: Ref[ExchangePartner],
    redirect_url: str | None = None,
    card_details: CardHolder | None = None,
    idempotency_key: str | None = None,
) -> Flow[Reference[ExchangeSession]]:
    path = ("customers", id_of(customer, Customer), wire.COLLECTION)
    partner_id = yield from partner_id_of(exchange_partner)
    links: dict[str, Target] = {"exchange-partner": ("exchange-partners", partner_id)}
    if redirect_url is not None:
        links["redirect-url"] = redirect_url
    body = camel({"card_details": card_details})
    call = Call("POST", path, links=links, body=body, idempotency_key=idempotency_key)
    return (yield from create(ExchangeSession, call))


def retrieve_customer_exchange_session(
    session: Ref[ExchangeSession],
) -> Flow[ExchangeSession]:
    return fetch(ExchangeSession, wire.COLLECTION, id_of(session, ExchangeSession))


def create_re_auth_exchange_session(
    exchange: Ref[Exchange],
    redirect_url: str | None = None,
    idempotency_key: str | None = None,
) -> Flow[Reference[ExchangeSession]]:
    path = ("exchanges", id_of(exchange, Exchange), wire.COLLECTION)
    links: dict[str, Target] = {} if redirect_url is None else {"redirect-url": redirect_url}
    call = Call("POST", path, links=links, body={}, idempotency_key=idempotency_key)
    return create(ExchangeSession, call)


class ExchangeSessions(Facade):
    def create_customer_exchange_session(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: Ref[ExchangePartner],
        redirect_url: str | None = None,
        card_details: CardHolder | None = None,
        idempotency_key: str | None = None,
    ) -> Created[ExchangeSession]:
        """`redirect_url`: needed for Visa, and for Plaid on a phone (a URL or a package name)."""
        return self._created(
            create_customer_exchange_session(
                customer, exchange_partner, redirect_url, card_details, idempotency_key
            )
        )

    def retrieve_customer_exchange_session(self, session: Ref[ExchangeSession]) -> ExchangeSession:
        return self._run(retrieve_customer_exchange_session(session))

    def create_re_auth_exchange_session(
        self,
        exchange: Ref[Exchange],
        *,
        redirect_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> Created[ExchangeSession]:
        """Repairs `exchange`: afterwards the same exchange works again, no new one is made."""
        return self._created(
            create_re_auth_exchange_session(exchange, redirect_url, idempotency_key)
        )

    def list_available_exchange_connections(
        self, customer: Ref[Customer]
    ) -> Page[AvailableConnection]:
        """Accounts shared in MX Connect; empty until the person has finished there."""
        return self._listed(list_available_exchange_connections, available_connections_of(customer))


class AsyncExchangeSessions(AsyncFacade):
    async def create_customer_exchange_session(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: Ref[ExchangePartner],
        redirect_url: str | None = None,
        card_details: CardHolder | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncCreated[ExchangeSession]:
        """`redirect_url`: needed for Visa, and for Plaid on a phone (a URL or a package name)."""
        return await self._created(
            create_customer_exchange_session(
                customer, exchange_partner, redirect_url, card_details, idempotency_key
            )
        )

    async def retrieve_customer_exchange_session(
        self, session: Ref[ExchangeSession]
    ) -> ExchangeSession:
        return await self._run(retrieve_customer_exchange_session(session))

    async def create_re_auth_exchange_session(
        self,
        exchange: Ref[Exchange],
        *,
        redirect_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncCreated[ExchangeSession]:
        """Repairs `exchange`: afterwards the same exchange works again, no new one is made."""
        return await self._created(
            create_re_auth_exchange_session(exchange, redirect_url, idempotency_key)
        )

    def list_available_exchange_connections(
        self, customer: Ref[Customer]
    ) -> AsyncPages[AvailableConnection]:
        """Accounts shared in MX Connect; empty until the person has finished there."""
        return self._listed(list_available_exchange_connections, available_connections_of(customer))
