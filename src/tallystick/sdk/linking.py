"""Linking a bank account, from the session to the funding source, as one thing.

The session starts it, the person finishes it on the partner's page, and `complete` or `wait` makes
the exchange. `state` is all that has to survive between two web requests; it holds no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from tallystick.api.available_connections.sdk import (
    AvailableConnection,
    available_connections_of,
    list_available_exchange_connections,
)
from tallystick.api.customers.sdk import Customer
from tallystick.api.exchange_partners.sdk import ExchangePartner, get_exchange_partner
from tallystick.api.exchange_sessions.sdk import (
    ExchangeSession,
    create_customer_exchange_session,
    retrieve_customer_exchange_session,
)
from tallystick.api.exchanges.sdk import (
    Exchange,
    create_customer_exchange,
    exchanges_of,
    list_exchanges,
    proof_members,
)
from tallystick.api.funding_sources.sdk import (
    CardDetails,
    FundingSource,
    create_customer_funding_source,
    get_funding_source,
)
from tallystick.flow import (
    ArgumentError,
    Call,
    Flow,
    Pause,
    Ref,
    Reference,
    id_of,
)
from tallystick.sdk.errors import (
    OUTAGE,
    APIError,
    APITimeoutError,
    LinkNotCompletedError,
    TallystickError,
)

Kind = Literal["checking", "savings"]

POLL_S = 2.0
CONTROL = ("_tallystick", "control", "sessions")


class LinkState(TypedDict):
    """Safe as JSON: ids, and the names of what was there before.

    `exchanges` and `connections` existed already; what is new is taken to come of this session. The
    API itself does not say which session an exchange came of, so a customer should link one account
    at a time.
    """

    customer: str
    partner: str
    partner_name: str
    session: str
    exchanges: list[str]
    connections: list[str]


class Started(msgspec.Struct, frozen=True):
    state: LinkState
    session: ExchangeSession


def start(
    customer: Ref[Customer],
    partner: Ref[ExchangePartner],
    redirect_url: str | None,
    idempotency_key: str | None,
) -> Flow[Started]:
    """Make a session, and note what the customer has before it."""
    customer_id = id_of(customer, Customer)
    found = yield from get_exchange_partner(partner)
    before = yield from list_exchanges(exchanges_of(customer_id))
    shared = yield from _connections(customer_id, found.name or "")
    made = yield from create_customer_exchange_session(
        customer_id, found, redirect_url, None, idempotency_key
    )
    session = yield from retrieve_customer_exchange_session(made)
    state = LinkState(
        customer=customer_id,
        partner=id_of(found, ExchangePartner),
        partner_name=found.name or "",
        session=made.id,
        exchanges=[each.id for each in before.items if each.id],
        connections=[each.name for each in shared if each.name],
    )
    return Started(state, session)


def resume(state: Mapping[str, Any]) -> LinkState:
    """A state that went through a cookie, a database or a queue. Raises ArgumentError."""
    try:
        return msgspec.convert(dict(state), LinkState)
    except (msgspec.ValidationError, TypeError, ValueError):
        raise ArgumentError("this is not the state of a link") from None


def complete(
    state: LinkState, proof: Mapping[str, str], account: str | None, idempotency_key: str | None
) -> Flow[Reference[Exchange]]:
    """Make the exchange, from the proof that the page gave or from what the person shared at MX.

    The same proof has the same idempotency key: a page that is sent twice makes one exchange. At MX
    the exchange that came of this link already is given again, unless `account` names one. At Visa
    the gateway has made it, when the browser came back. Raises LinkNotCompletedError.
    """
    at_visa = state["partner_name"].casefold() == "visa"
    if not proof and (at_visa or account is None):
        made = yield from _made(state)
        if made is not None:
            return made
        if at_visa:
            raise LinkNotCompletedError("the person has not come back from Visa yet, or not linked")
    given = proof or {"mx_available_connection_token": (yield from _shared(state, account))}
    tokens: dict[str, Any] = dict(given)
    members = proof_members(**tokens)
    key = idempotency_key or _key(state["session"], *given.values())
    return (yield from create_customer_exchange(state["customer"], state["partner"], members, key))


def wait(
    state: LinkState, account: str | None, idempotency_key: str | None
) -> Flow[Reference[Exchange]]:
    """Look every two seconds until there is an exchange, or one can be made.

    It is there when your own page's handler made it, or the gateway did (Visa); at MX it can be
    made as soon as an account was shared. An outage on the way is waited out. The deadline is the
    client's.
    """
    outage: TallystickError | None = None
    while True:
        try:
            found = yield from _look(state, account, idempotency_key)
        except OUTAGE as error:
            found, outage = None, error
        if found is not None:
            return found
        try:
            yield Pause(POLL_S)
        except APITimeoutError:
            raise LinkNotCompletedError(
                f"no exchange with {state['partner_name']} came from this session in time"
            ) from outage


def _look(
    state: LinkState, account: str | None, idempotency_key: str | None
) -> Flow[Reference[Exchange] | None]:
    made = yield from _made(state)
    if made is None and (yield from _new(state)):
        made = yield from complete(state, {}, account, idempotency_key)
    return made


def _made(state: LinkState) -> Flow[Reference[Exchange] | None]:
    """The exchange that came of this session already, if there is one."""
    listed = yield from list_exchanges(exchanges_of(state["customer"]))
    for each in listed.items:
        if each.id not in state["exchanges"] and _is_of(each, state):
            return Reference(Exchange, each.id, each.href, each.http)
    return None


def simulate(state: LinkState, signs_in: Mapping[str, Any]) -> Flow[Mapping[str, Any]]:
    """Finish the connect page without a browser: only a gateway in sandbox mode can.

    Where the partner sends the browser back to the gateway (Visa), that is opened as well.
    """
    answer = yield Call("POST", (*CONTROL, state["session"], "complete"), body=signs_in)
    done = answer.members()
    if isinstance(back := done.get("redirectUrl"), str):
        yield from _come_back(back)
    return done


def _come_back(address: str) -> Flow[None]:
    """Open an address of the gateway's as the browser would, and go no further."""
    parts = urlsplit(address)
    path = tuple(unquote(each) for each in parts.path.split("/")[1:])
    try:
        yield Call("GET", path, query=dict(parse_qsl(parts.query)))
    except APIError as error:
        if not 300 <= error.status_code < 400:
            raise


def fund(
    state: LinkState,
    exchange: Ref[Exchange],
    name: str,
    kind: Kind | None,
    card_details: CardDetails | None,
) -> Flow[FundingSource]:
    made = yield from create_customer_funding_source(
        state["customer"], exchange=exchange, type=kind, name=name, card_details=card_details
    )
    return (yield from get_funding_source(made))


def _key(*parts: str) -> str:
    from hashlib import sha256  # slow to import, and few programs link and load a state

    return sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def _is_of(exchange: Exchange, state: LinkState) -> bool:
    href = exchange.link("exchange-partner") or ""
    return exchange.status == "active" and href.endswith(f"/{state['partner']}")


def _connections(customer: str, partner_name: str) -> Flow[list[AvailableConnection]]:
    """Only MX has them."""
    if partner_name.casefold() != "mx":
        return []
    listed = yield from list_available_exchange_connections(available_connections_of(customer))
    return list(listed.items)


def _new(state: LinkState) -> Flow[list[AvailableConnection]]:
    now = yield from _connections(state["customer"], state["partner_name"])
    return [each for each in now if each.name not in state["connections"]]


def _shared(state: LinkState, account: str | None) -> Flow[str]:
    """The token of the account that is new, or of the new one with that name.

    Raises LinkNotCompletedError, and ArgumentError when there is a choice to make.
    """
    if state["partner_name"].casefold() != "mx":
        raise ArgumentError(
            f"{state['partner_name']} gives its proof to your page: pass it on to complete()"
        )
    new = yield from _new(state)
    if not new:
        raise LinkNotCompletedError("the person has not shared an account yet")
    chosen = [each for each in new if account in (None, each.name)]
    if len(chosen) != 1:
        names = ", ".join(repr(each.name) for each in new)
        raise ArgumentError(f"choose one of the shared accounts with account=…: {names}")
    return chosen[0].available_connection_token
