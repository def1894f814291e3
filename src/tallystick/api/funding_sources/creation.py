"""What a funding source is made of: bare numbers, or what a partner shows under an exchange.

Contract 6.3 has five variants, told apart by the members present. Three are served: an exchange of
a bank account, an exchange of a card (`cards.py`), and routing and account number.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from tallystick.api.exchanges import service as exchanges
from tallystick.api.funding_sources import cards, numbers, store
from tallystick.api.funding_sources.numbers import Numbers
from tallystick.api.funding_sources.store import FundingSourceRow
from tallystick.api.funding_sources.wire import FromCard, FromExchange, FromNumbers
from tallystick.body import problems
from tallystick.core import Core, Principal
from tallystick.errors import (
    FieldError,
    Forbidden,
    InactiveExchange,
    InvalidExchangeToken,
    NotFound,
    ValidationFailed,
)
from tallystick.partners.contract import (
    Account,
    DescribesAccounts,
    DescribesCards,
    Grant,
    Partner,
)
from tallystick.partners.errors import ConsentLost, GrantRevoked, NotOffered, ProofRejected
from tallystick.partners.explain import explained

T = TypeVar("T")

EXCHANGE_HREF = "/_links/exchange/href"
TOKEN_REFUSED = "The exchange token is not valid to perform this operation."  # noqa: S105
AUTHORIZED_ALREADY = (
    "Duplicate funding source or validation error. Authorization already associated to a funding "
    "source."
)
SANDBOX_BANK = "SANDBOX TEST BANK"


@dataclass(frozen=True, slots=True)
class Create:
    """What a client asks for, whole `body` included.

    `names_exchange`: there is an exchange link; `href_sent`: with an address in it; `exchange_id`:
    the id in that address, or None if it is not one of ours.
    """

    customer_id: str | None
    names_exchange: bool
    href_sent: bool
    exchange_id: str | None
    body: dict[str, Any] = field(repr=False)


def refuse_variants(body: dict[str, Any]) -> None:
    """Raises ValidationFailed for a variant that is not served.

    Its members would else be taken for unknown ones, and the caller told of missing numbers.
    """
    errors = [
        FieldError("NotAllowed", said, f"/{name}")
        for name, said in _NOT_SERVED.items()
        if body.get(name) is not None
    ]
    if body.get("type") == "virtual":
        errors.append(FieldError("NotAllowed", "Virtual accounts are not supported.", "/type"))
    if errors:
        raise ValidationFailed(errors=errors)


_NOT_SERVED = {
    "plaidToken": "PlaidToken is not supported. Create an exchange with it and send its link.",
}


def from_numbers(core: Core, principal: Principal, command: Create) -> FundingSourceRow:
    body = command.body
    errors = numbers.problems_of(body, FromNumbers)
    if errors:
        raise ValidationFailed(errors=errors)
    posted = msgspec.convert(body, FromNumbers)
    own = Numbers(posted.routing_number, numbers.canonical(posted.account_number))
    row = _row(core, principal, command, own, posted.name, posted.bank_account_type)
    return msgspec.structs.replace(
        row, status="unverified", bank_name=None if core.live else SANDBOX_BANK
    )


async def from_exchange(core: Core, principal: Principal, command: Create) -> FundingSourceRow:
    """The row of a source that stands on an exchange; the partner is asked what for.

    Raises ValidationFailed, NotFound, InactiveExchange, InvalidExchangeToken, Forbidden, and what
    `explained` makes of the partner's errors.
    """
    card = command.body.get("cardDetails") is not None
    errors = list(problems(command.body, FromCard if card else FromExchange))
    if command.exchange_id is None:
        code = "Invalid" if command.href_sent else "Required"
        errors.insert(0, FieldError(code, f"{EXCHANGE_HREF} is invalid", EXCHANGE_HREF))
    if command.exchange_id is None or errors:
        raise ValidationFailed(errors=errors)
    exchange = await exchanges.find(core, principal.app_id, command.exchange_id)
    if exchange.customer_id != command.customer_id:
        raise NotFound(exchanges.ABSENT)
    if exchange.status != "active":
        raise InactiveExchange
    if await store.find_live_exchange(core.db, principal.app_id, exchange.id):
        raise ValidationFailed(AUTHORIZED_ALREADY)
    partner = core.partners.by_key(exchange.partner_key)
    if not partner.has(DescribesCards if card else DescribesAccounts):
        if partner.has(DescribesCards):
            # The other way round: an exchange of a card, and nothing said of whose it is.
            raise ValidationFailed(errors=problems(command.body, FromCard))
        raise Forbidden
    if card:
        return await _of_card(core, principal, command, exchange)
    return await _of_bank(core, principal, command, exchange)


async def _of_bank(
    core: Core, principal: Principal, command: Create, exchange: exchanges.Held
) -> FundingSourceRow:
    posted = msgspec.convert(command.body, FromExchange)
    account = await _account(core, exchange, posted.bank_account_type)
    own = Numbers(account.routing.reveal(), numbers.canonical(account.number.reveal()))
    row = _row(core, principal, command, own, posted.name, posted.bank_account_type)
    return msgspec.structs.replace(
        row,
        status="verified",
        exchange_id=exchange.id,
        bank_name=account.institution or None,
        account_external_id=account.external_id,
    )


async def _of_card(
    core: Core, principal: Principal, command: Create, exchange: exchanges.Held
) -> FundingSourceRow:
    posted = msgspec.convert(command.body, FromCard)
    if await store.count_live_cards(core.db, principal.app_id, _owner(principal, command)) >= (
        cards.CARDS_MAX
    ):
        raise ValidationFailed(errors=[cards.TOO_MANY])
    card = await _under(core, exchange, lambda partner, grant: partner.read_card(grant))
    cards.require_usable(card, core.clock.now_ms())
    source_id = core.ids.new()
    return FundingSourceRow(
        id=source_id,
        app_id=principal.app_id,
        owner_id=_owner(principal, command),
        customer_id=command.customer_id,
        exchange_id=exchange.id,
        status="verified",
        type="card",
        bank_account_type=None,
        name=posted.name,
        bank_name=None,
        channels="",
        fingerprint=cards.fingerprint(core, principal.app_id, card),
        numbers_sealed=None,
        account_external_id=card.external_id,
        removed=False,
        removed_at=None,
        created_at=core.clock.now_ms(),
        card_sealed=cards.seal(core, principal.app_id, source_id, card, posted.card_details),
    )


async def _account(core: Core, exchange: exchanges.Held, kind: str) -> Account:
    """The account of this kind under the exchange's grant."""
    accounts = await _under(core, exchange, lambda partner, grant: partner.list_accounts(grant))
    for account in accounts:
        if account.kind == kind:
            return account
    said = f"The exchange has no {kind} account."
    raise ValidationFailed(errors=[FieldError("Invalid", said, "/bankAccountType")])


async def _under(
    core: Core, exchange: exchanges.Held, question: Callable[[Partner, Grant], Awaitable[T]]
) -> T:
    """What the partner answers under the exchange's grant; no transaction is open here.

    A consent that is gone for good is a removed exchange (contract 5.12), of which we learn here;
    one that the person can restore only makes the token useless for now.
    """
    with explained(core.partners.by_key(exchange.partner_key)):
        try:
            return await exchanges.ask(core, exchange, question)
        except GrantRevoked as error:
            raise InactiveExchange from error
        except (ConsentLost, NotOffered, ProofRejected) as error:
            raise InvalidExchangeToken(TOKEN_REFUSED) from error


def _owner(principal: Principal, command: Create) -> str:
    return command.customer_id or principal.account_id


def _row(
    core: Core, principal: Principal, command: Create, own: Numbers, name: str, kind: str
) -> FundingSourceRow:
    source_id = core.ids.new()
    return FundingSourceRow(
        id=source_id,
        app_id=principal.app_id,
        owner_id=_owner(principal, command),
        customer_id=command.customer_id,
        exchange_id=None,
        status="unverified",
        type="bank",
        bank_account_type=kind,
        name=name,
        bank_name=None,
        channels="ach",
        fingerprint=numbers.fingerprint(core, principal.app_id, own),
        numbers_sealed=numbers.seal(core, principal.app_id, source_id, own),
        account_external_id=None,
        removed=False,
        removed_at=None,
        created_at=core.clock.now_ms(),
    )
