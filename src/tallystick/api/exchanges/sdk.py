"""Exchanges in the SDK: one body for each kind of proof, and the type checker knows which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import msgspec

from tallystick.api.customers.sdk import Customer
from tallystick.api.exchange_partners.sdk import ExchangePartner, partner_id_of
from tallystick.api.exchanges import wire
from tallystick.flow import (
    ArgumentError,
    Call,
    Flow,
    Listed,
    Ref,
    Reference,
    Resource,
    create,
    fetch,
    id_of,
    page,
)
from tallystick.sdk.results import AsyncCreated, AsyncFacade, AsyncPages, Created, Facade, Page

TokenPartner: TypeAlias = Literal["plaid", "mx", "flinks", "checkout"]

if TYPE_CHECKING:  # a user's own kind of proof brings it along
    from tallystick.partners.contract import Proof


class Exchange(wire.Exchange, Resource, frozen=True):
    """`status` is open: active, deactivated, removed, and what may be new."""

    COLLECTION = wire.COLLECTION


class FinicityReceipt(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Mastercard's consent receipt (contract 5.7 d). `more` are members it has besides."""

    receipt_id: str | None = None
    customer_id: str | None = None
    partner_id: int | None = None
    profile: int | None = None
    version: str | None = None
    receipt_version: str | None = None
    products: Sequence[Mapping[str, Any]] | None = None
    timestamp: str | None = None
    more: Mapping[str, Any] = {}

    def members(self) -> dict[str, Any]:
        members = {
            each.encode_name: getattr(self, each.name)
            for each in msgspec.structs.fields(type(self))
            if each.name != "more" and getattr(self, each.name) is not None
        }
        return {**self.more, **members}

    def __repr__(self) -> str:
        return "FinicityReceipt(«secret»)"


Receipt: TypeAlias = FinicityReceipt | Mapping[str, Any]


def proof_members(
    *,
    token: str | None = None,
    plaid_public_token: str | None = None,
    mx_available_connection_token: str | None = None,
    finicity: Receipt | None = None,
    proof: Proof | None = None,
) -> Mapping[str, Any]:
    """The one member that carries the proof. Raises ArgumentError for none or several."""
    found: list[Mapping[str, Any]] = []
    if token is not None:
        found.append({"token": token})
    if plaid_public_token is not None:
        found.append({"plaid": {"publicToken": plaid_public_token}})
    if mx_available_connection_token is not None:
        found.append({"mx": {"availableConnectionToken": mx_available_connection_token}})
    if finicity is not None:
        receipt = finicity.members() if isinstance(finicity, FinicityReceipt) else finicity
        found.append({"finicity": receipt})
    if proof is not None:
        members = _present(msgspec.to_builtins(proof))
        found.append(members if proof.member == "token" else {proof.member: members})
    if len(found) != 1:
        raise ArgumentError("give exactly one proof")
    return found[0]


def _present(value: Any) -> Any:
    """`value` without members that are None, at every depth."""
    if isinstance(value, dict):
        return {name: _present(each) for name, each in value.items() if each is not None}
    return [_present(each) for each in value] if isinstance(value, list) else value


def create_customer_exchange(
    customer: Ref[Customer],
    exchange_partner: Ref[ExchangePartner],
    proof: Proof | Mapping[str, Any],
    idempotency_key: str | None = None,
) -> Flow[Reference[Exchange]]:
    """`proof` is a partner's, or the member that carries it: `{"token": …}`."""
    path = ("customers", id_of(customer, Customer), wire.COLLECTION)
    return (yield from _create(path, exchange_partner, proof, idempotency_key))


def create_account_exchange(
    exchange_partner: Ref[ExchangePartner],
    proof: Proof | Mapping[str, Any],
    idempotency_key: str | None = None,
) -> Flow[Reference[Exchange]]:
    """For the main account, which takes a token or a receipt (contract 5.4)."""
    return _create((wire.COLLECTION,), exchange_partner, proof, idempotency_key)


def _create(
    path: tuple[str, ...],
    exchange_partner: Ref[ExchangePartner],
    proof: Proof | Mapping[str, Any],
    idempotency_key: str | None,
) -> Flow[Reference[Exchange]]:
    body = proof if isinstance(proof, Mapping) else proof_members(proof=proof)
    partner_id = yield from partner_id_of(exchange_partner)
    links = {wire.REL_PARTNER: ("exchange-partners", partner_id)}
    call = Call("POST", path, links=links, body=body, idempotency_key=idempotency_key)
    return (yield from create(Exchange, call))


def get_exchange(exchange: Ref[Exchange]) -> Flow[Exchange]:
    return fetch(Exchange, wire.COLLECTION, id_of(exchange, Exchange))


OF_ACCOUNT = Call("GET", (wire.COLLECTION,))


def list_exchanges(call: Call = OF_ACCOUNT) -> Flow[Listed[Exchange]]:
    return page(Exchange, call)


def exchanges_of(customer: Ref[Customer]) -> Call:
    return Call("GET", ("customers", id_of(customer, Customer), wire.COLLECTION))


class Exchanges(Facade):
    @overload
    def create_customer_exchange(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: Literal["plaid"],
        plaid_public_token: str,
        idempotency_key: str | None = None,
    ) -> Created[Exchange]: ...
    @overload
    def create_customer_exchange(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: Literal["mx"],
        mx_available_connection_token: str,
        idempotency_key: str | None = None,
    ) -> Created[Exchange]: ...
    @overload
    def create_customer_exchange(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: Literal["finicity"],
        finicity: Receipt,
        idempotency_key: str | None = None,
    ) -> Created[Exchange]: ...
    @overload
    def create_customer_exchange(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: TokenPartner,
        token: str,
        idempotency_key: str | None = None,
    ) -> Created[Exchange]: ...
    @overload
    def create_customer_exchange(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: Ref[ExchangePartner],
        proof: Proof,
        idempotency_key: str | None = None,
    ) -> Created[Exchange]: ...
    def create_customer_exchange(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: Ref[ExchangePartner],
        idempotency_key: str | None = None,
        **proofs: Any,
    ) -> Created[Exchange]:
        """Redeem a proof: of each partner its own, and exactly one.

        `proof` takes what a partner's `proof.py` declares, with the partner by name, id or address.
        """
        proof = proof_members(**proofs)
        return self._created(
            create_customer_exchange(customer, exchange_partner, proof, idempotency_key)
        )

    @overload
    def create_account_exchange(
        self,
        *,
        exchange_partner: Literal["finicity"],
        finicity: Receipt,
        idempotency_key: str | None = None,
    ) -> Created[Exchange]: ...
    @overload
    def create_account_exchange(
        self,
        *,
        exchange_partner: TokenPartner,
        token: str,
        idempotency_key: str | None = None,
    ) -> Created[Exchange]: ...
    def create_account_exchange(
        self,
        *,
        exchange_partner: Ref[ExchangePartner],
        idempotency_key: str | None = None,
        **proofs: Any,
    ) -> Created[Exchange]:
        """For the main account: only a token or a receipt."""
        proof = proof_members(**proofs)
        return self._created(create_account_exchange(exchange_partner, proof, idempotency_key))

    def get_exchange(self, exchange: Ref[Exchange]) -> Exchange:
        return self._run(get_exchange(exchange))

    def list_customer_exchanges(self, customer: Ref[Customer]) -> Page[Exchange]:
        return self._listed(list_exchanges, exchanges_of(customer))

    def list_account_exchanges(self) -> Page[Exchange]:
        return self._listed(list_exchanges, OF_ACCOUNT)

    get = get_exchange


class AsyncExchanges(AsyncFacade):
    @overload
    async def create_customer_exchange(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: Literal["plaid"],
        plaid_public_token: str,
        idempotency_key: str | None = None,
    ) -> AsyncCreated[Exchange]: ...
    @overload
    async def create_customer_exchange(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: Literal["mx"],
        mx_available_connection_token: str,
        idempotency_key: str | None = None,
    ) -> AsyncCreated[Exchange]: ...
    @overload
    async def create_customer_exchange(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: Literal["finicity"],
        finicity: Receipt,
        idempotency_key: str | None = None,
    ) -> AsyncCreated[Exchange]: ...
    @overload
    async def create_customer_exchange(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: TokenPartner,
        token: str,
        idempotency_key: str | None = None,
    ) -> AsyncCreated[Exchange]: ...
    @overload
    async def create_customer_exchange(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: Ref[ExchangePartner],
        proof: Proof,
        idempotency_key: str | None = None,
    ) -> AsyncCreated[Exchange]: ...
    async def create_customer_exchange(
        self,
        customer: Ref[Customer],
        *,
        exchange_partner: Ref[ExchangePartner],
        idempotency_key: str | None = None,
        **proofs: Any,
    ) -> AsyncCreated[Exchange]:
        """Redeem a proof: of each partner its own, and exactly one.

        `proof` takes what a partner's `proof.py` declares, with the partner by name, id or address.
        """
        proof = proof_members(**proofs)
        return await self._created(
            create_customer_exchange(customer, exchange_partner, proof, idempotency_key)
        )

    @overload
    async def create_account_exchange(
        self,
        *,
        exchange_partner: Literal["finicity"],
        finicity: Receipt,
        idempotency_key: str | None = None,
    ) -> AsyncCreated[Exchange]: ...
    @overload
    async def create_account_exchange(
        self,
        *,
        exchange_partner: TokenPartner,
        token: str,
        idempotency_key: str | None = None,
    ) -> AsyncCreated[Exchange]: ...
    async def create_account_exchange(
        self,
        *,
        exchange_partner: Ref[ExchangePartner],
        idempotency_key: str | None = None,
        **proofs: Any,
    ) -> AsyncCreated[Exchange]:
        """For the main account: only a token or a receipt."""
        proof = proof_members(**proofs)
        return await self._created(
            create_account_exchange(exchange_partner, proof, idempotency_key)
        )

    async def get_exchange(self, exchange: Ref[Exchange]) -> Exchange:
        return await self._run(get_exchange(exchange))

    def list_customer_exchanges(self, customer: Ref[Customer]) -> AsyncPages[Exchange]:
        return self._listed(list_exchanges, exchanges_of(customer))

    def list_account_exchanges(self) -> AsyncPages[Exchange]:
        return self._listed(list_exchanges, OF_ACCOUNT)

    get = get_exchange
