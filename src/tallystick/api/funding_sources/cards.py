"""Debit cards for push to card, and the account that pays them out (contract 6.3, 7.3).

A card's number never reaches us: the partner's component in the page takes it, and what the partner
shows of it afterwards is brand, first and last digits and expiry. Those, the holder's name and the
billing address are sealed together.
"""

from __future__ import annotations

import msgspec

from tallystick.api.funding_sources import store
from tallystick.api.funding_sources.store import FundingSourceRow
from tallystick.api.funding_sources.wire import CardShown, PostedCard
from tallystick.clock import to_iso
from tallystick.core import Core, Principal
from tallystick.errors import FieldError, ValidationFailed
from tallystick.partners.contract import Card
from tallystick.secret import Secret
from tallystick.store.vault import Place

# Dwolla has a limit and does not publish it: ours.
CARDS_MAX = 10
TOO_MANY = FieldError(
    "Invalid", "The maximum number of cards has been exceeded.", "/_links/exchange"
)
BAD_CARD = FieldError("Invalid", "The card data is invalid.", "/token")
BAD_COUNTRY = FieldError("Invalid", "The card's country is not supported.", "/token")
# Push to card is for US debit cards; Dwolla names no other country.
COUNTRIES = frozenset({"US"})

SETTLEMENT_NAME = "Checkout.com Settlement Account"
SETTLEMENT_USE = "card-network"


def require_usable(card: Card, now_ms: int) -> None:
    """Raises ValidationFailed for a card that is no debit card, expired, or of another country."""
    errors = []
    if card.kind != "debit" or _expired(card, now_ms):
        errors.append(BAD_CARD)
    if card.country not in COUNTRIES:
        errors.append(BAD_COUNTRY)
    if errors:
        raise ValidationFailed(errors=errors)


def _expired(card: Card, now_ms: int) -> bool:
    """A card is good until the end of its month."""
    year, month = (int(part) for part in to_iso(now_ms)[:7].split("-"))
    return (card.expiration_year, card.expiration_month) < (year, month)


def fingerprint(core: Core, app_id: str, card: Card) -> str:
    """In the place of the routing number stands a word that is none."""
    return core.vault.fingerprint(app_id, Secret("card"), card.fingerprint)


def seal(core: Core, app_id: str, source_id: str, card: Card, posted: PostedCard) -> bytes:
    shown = CardShown(
        brand=card.brand,
        last_four=card.last_four,
        expiration_month=card.expiration_month,
        expiration_year=card.expiration_year,
        name_on_card=f"{posted.first_name} {posted.last_name}",
        bin=card.first_six,
        billing_address=posted.billing_address,
    )
    return core.vault.seal(_place(app_id, source_id), msgspec.msgpack.encode(shown))


def unseal(core: Core, row: FundingSourceRow) -> CardShown | None:
    if row.card_sealed is None:
        return None
    box = core.vault.open_box(_place(row.app_id, row.id), row.card_sealed)
    return msgspec.msgpack.decode(box.reveal(), type=CardShown)


def _place(app_id: str, source_id: str) -> Place:
    return Place(app_id, store.TABLE, store.CARD, source_id)


def settlement(core: Core, principal: Principal, now_ms: int) -> FundingSourceRow:
    """The account's settlement source, which is there as soon as it has a card to pay out to.

    Its fingerprint is the same for ever, so that it is written only once.
    """
    app_id, account_id = principal.app_id, principal.account_id
    return FundingSourceRow(
        id=core.ids.new(),
        app_id=app_id,
        owner_id=account_id,
        customer_id=None,
        exchange_id=None,
        status="unverified",
        type="bank",
        bank_account_type="checking",
        name=SETTLEMENT_NAME,
        bank_name=None,
        channels="ach,real-time-payments",
        fingerprint=core.vault.fingerprint(app_id, Secret("settlement"), Secret(account_id)),
        numbers_sealed=None,
        account_external_id=None,
        removed=False,
        removed_at=None,
        created_at=now_ms,
        bank_usage_type=SETTLEMENT_USE,
    )
