"""Exchange partners in the SDK, and how to name one."""

from __future__ import annotations

from tallystick.api.exchange_partners import wire
from tallystick.flow import (
    ArgumentError,
    Call,
    Flow,
    Listed,
    Ref,
    Resource,
    fetch,
    id_of,
    page,
)
from tallystick.ids import as_uuid
from tallystick.sdk.results import AsyncFacade, AsyncPages, Facade, Page


class ExchangePartner(wire.ExchangePartner, Resource, frozen=True):
    """`name` and `status` are open: a partner or a status may be new."""

    COLLECTION = wire.COLLECTION


LIST = Call("GET", (wire.COLLECTION,))
# Other names under which people look for a partner.
ALSO = {"checkout": "checkout.com", "mastercard": "finicity"}


def list_exchange_partners(call: Call = LIST) -> Flow[Listed[ExchangePartner]]:
    return page(ExchangePartner, call)


def get_exchange_partner(partner: Ref[ExchangePartner]) -> Flow[ExchangePartner]:
    partner_id = yield from partner_id_of(partner)
    return (yield from fetch(ExchangePartner, wire.COLLECTION, partner_id))


def find_exchange_partner(name: str) -> Flow[ExchangePartner]:
    """The partner of that name, in any case; `checkout` is Checkout.com.

    The list is asked for once and remembered; a name that is not in it is looked for afresh.
    """
    wanted = ALSO.get(name.casefold(), name.casefold())
    there = ""
    for remember in (True, False):
        listed = yield from page(ExchangePartner, Call("GET", LIST.path, remember=remember))
        for each in listed.items:
            if isinstance(each.name, str) and each.name.casefold() == wanted:
                return each
        there = ", ".join(each.name for each in listed.items if isinstance(each.name, str))
    raise ArgumentError(f"no exchange partner is called {name!r}; there is {there or 'none'}")


def partner_id_of(partner: Ref[ExchangePartner]) -> Flow[str]:
    """The id: of a name by looking it up, of anything else without asking."""
    if isinstance(partner, str) and "/" not in partner and as_uuid(partner) is None:
        found = yield from find_exchange_partner(partner)
        return id_of(found, ExchangePartner)
    return id_of(partner, ExchangePartner)


class ExchangePartners(Facade):
    def get(self, partner: Ref[ExchangePartner]) -> ExchangePartner:
        """By name, id, address."""
        return self._run(get_exchange_partner(partner))

    def find(self, name: str) -> ExchangePartner:
        """By name, in any case; the list is remembered. Raises ArgumentError when it is unknown."""
        return self._run(find_exchange_partner(name))

    def list_exchange_partners(self) -> Page[ExchangePartner]:
        return self._listed(list_exchange_partners, LIST)

    get_exchange_partner = get
    list = list_exchange_partners


class AsyncExchangePartners(AsyncFacade):
    async def get(self, partner: Ref[ExchangePartner]) -> ExchangePartner:
        """By name, id, address."""
        return await self._run(get_exchange_partner(partner))

    async def find(self, name: str) -> ExchangePartner:
        """By name, in any case; the list is remembered. Raises ArgumentError when it is unknown."""
        return await self._run(find_exchange_partner(name))

    def list_exchange_partners(self) -> AsyncPages[ExchangePartner]:
        return self._listed(list_exchange_partners, LIST)

    get_exchange_partner = get
    list = list_exchange_partners
