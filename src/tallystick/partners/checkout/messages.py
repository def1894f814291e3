"""Checkout.com's JSON as it spells it, and what it means in our words. Values in, values out."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

import msgspec

from tallystick.clock import MINUTE_MS, to_iso
from tallystick.partners.checkout.settings import CheckoutSettings
from tallystick.partners.contract import (
    Card,
    CardHolder,
    Grant,
    NameMatch,
    SessionRequest,
    SessionStarted,
)
from tallystick.partners.errors import PartnerRefused, PartnerUnavailable, ProofRejected
from tallystick.secret import Secret

# No default is published; we set it ourselves (decisions 18).
SESSION_MS = 30 * MINUTE_MS

# How a payment's `reference` says that it is ours, and before whose name. It has 50 characters.
_OURS = "tallystick:"
_REFERENCE_CHARS_MAX = 50

_PAYMENT_ID = re.compile(r"pay_[A-Za-z0-9_]{26}", re.ASCII)
_SECRET = Annotated[str, msgspec.Meta(min_length=1, max_length=16_384)]

# "Card Verified" is what a payment of nothing ends in; the others are kinder than needed, and
# prove the card as well.
_PROVES_THE_CARD = frozenset({"Card Verified", "Authorized", "Captured"})

# Becomes part of a path.
InstrumentId = Annotated[str, msgspec.Meta(pattern=r"\Asrc_[A-Za-z0-9_]{26}\Z")]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class PaymentSession(msgspec.Struct, frozen=True):
    id: Annotated[str, msgspec.Meta(pattern=r"\Aps_[A-Za-z0-9_]{1,64}\Z")]
    payment_session_secret: _SECRET
    payment_session_token: _SECRET

    def __repr__(self) -> str:
        return f"PaymentSession({self.id})"


# Checkout.com's words are ours with another line between.
_NAME_MATCHES: dict[str, NameMatch] = {said.replace("-", "_"): said for said in get_args(NameMatch)}


class AccountHolder(msgspec.Struct, frozen=True):
    """Of all that is said of the holder, only what came of the inquiry is read.

    In a request the member is a boolean: one that is repeated must not cost the card.
    """

    account_name_inquiry: Any = None


class Source(msgspec.Struct, frozen=True):
    """What was paid with. `id` is there when the card was stored, as our sessions ask for."""

    type: str
    id: InstrumentId | None = None
    account_holder: AccountHolder | None = None


class Payment(msgspec.Struct, frozen=True):
    id: str
    status: str
    approved: bool = False
    source: Source | None = None
    reference: str | None = None

    def __repr__(self) -> str:
        return f"Payment({self.status})"


class Instrument(msgspec.Struct, frozen=True):
    """A stored card. The spelling of `card_type` and `scheme` is not stable at Checkout.com."""

    id: InstrumentId
    type: Literal["card"]
    fingerprint: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    expiry_month: Annotated[int, msgspec.Meta(ge=1, le=12)]
    expiry_year: Annotated[int, msgspec.Meta(ge=2000, le=9999)]
    scheme: _Text
    last4: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{4}\Z")]
    # Six digits in old answers, eight in new ones, up to eleven by the reference.
    bin: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{6,11}\Z")]
    card_type: _Text | None = None
    issuer_country: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z]{2}\Z")] | None = None

    def __repr__(self) -> str:
        return f"Instrument({self.id})"


class CardMetadata(msgspec.Struct, frozen=True):
    """What the network knows of a bin."""

    bin: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{6,11}\Z")]
    card_type: _Text | None = None
    issuer_country: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z]{2}\Z")] | None = None


class Held(msgspec.Struct, frozen=True):
    """What a grant holds: the stored card, and the payment that proved it."""

    payment_id: str
    instrument_id: InstrumentId

    def __repr__(self) -> str:
        return f"Held({self.instrument_id})"


def session_request(
    settings: CheckoutSettings, asked: SessionRequest, now_ms: int
) -> dict[str, Any]:
    """A payment of nothing that stores the card: the request of Dwolla's own example.

    Whose session it is stands in `reference`, which comes back with the payment, and which only
    who has the secret key can set. Raises PartnerRefused.
    """
    reference = _OURS + asked.person
    if not asked.person or len(reference) > _REFERENCE_CHARS_MAX:
        raise PartnerRefused("PERSON_DOES_NOT_FIT")
    card: dict[str, Any] = {"store_payment_details": "enabled"}
    if asked.holder is not None:
        card["account_holder"] = _inquiry(asked.holder)
    request: dict[str, Any] = {
        "amount": 0,
        "currency": "USD",
        "reference": reference,
        "billing": {"address": {"country": "US"}},
        "enabled_payment_methods": ["card"],
        "payment_method_configuration": {"card": card},
        "3ds": {"enabled": False},
        "expires_on": to_iso(now_ms + SESSION_MS),
        "success_url": settings.landing_url,
        "failure_url": settings.landing_url,
    }
    if settings.processing_channel_id is not None:
        request["processing_channel_id"] = settings.processing_channel_id
    return request


def _inquiry(holder: CardHolder) -> dict[str, Any]:
    return {
        "type": "individual",
        "first_name": holder.first_name,
        "last_name": holder.last_name,
        "account_name_inquiry": True,
    }


def session_started(session: PaymentSession, now_ms: int) -> SessionStarted:
    """The three members that Flow needs, spelled as Flow wants them (contract 5.9)."""
    return SessionStarted(
        expires_at=now_ms + SESSION_MS,
        data={
            "id": session.id,
            "payment_session_secret": session.payment_session_secret,
            "payment_session_token": session.payment_session_token,
        },
        external_id=session.id,
    )


def is_payment_id(text: str) -> bool:
    return _PAYMENT_ID.fullmatch(text) is not None


def grant(payment: Payment, asked: str) -> Grant:
    """The grant that a payment is worth. Raises ProofRejected, or PartnerUnavailable.

    What kind of card it is, and from where, is not judged here: `read_card` tells it.
    """
    if payment.id != asked:
        raise PartnerUnavailable("ANSWER_ABOUT_ANOTHER")
    if not payment.approved or payment.status not in _PROVES_THE_CARD:
        raise ProofRejected("PAYMENT_NOT_APPROVED")
    if payment.source is None or payment.source.type != "card":
        raise ProofRejected("PAYMENT_WITHOUT_A_CARD")
    if payment.source.id is None:
        raise ProofRejected("CARD_NOT_STORED")
    person = _person_of(payment)
    secret = Secret(msgspec.json.encode(Held(payment.id, payment.source.id)).decode())
    holder = payment.source.account_holder
    said = _NAME_MATCHES.get(str(holder.account_name_inquiry)) if holder else None
    return Grant(secret, external_id=payment.id, person=person, name_match=said)


def _person_of(payment: Payment) -> str:
    """Whose session the payment belongs to. Raises ProofRejected for a payment that is not ours."""
    reference = payment.reference or ""
    person = reference.removeprefix(_OURS)
    if not person or person == reference:
        raise ProofRejected("PAYMENT_NOT_OURS")
    return person


def opened(grant: Grant) -> Held:
    """What is in a grant of ours. Raises PartnerRefused."""
    try:
        return msgspec.json.decode(grant.secret.reveal(), type=Held)
    except msgspec.DecodeError:
        raise PartnerRefused("UNREADABLE_GRANT") from None


def is_complete(instrument: Instrument) -> bool:
    """Whether it says what a card must be judged by."""
    return instrument.card_type is not None and instrument.issuer_country is not None


def card(instrument: Instrument, metadata: CardMetadata | None = None) -> Card:
    """Raises PartnerUnavailable when nobody knows the card's kind or country."""
    kind = instrument.card_type or (metadata.card_type if metadata else None)
    country = instrument.issuer_country or (metadata.issuer_country if metadata else None)
    if kind is None or country is None:
        raise PartnerUnavailable("CARD_NOT_DESCRIBED")
    return Card(
        external_id=instrument.id,
        fingerprint=Secret(instrument.fingerprint),
        brand=instrument.scheme,
        first_six=instrument.bin[:6],
        last_four=instrument.last4,
        expiration_month=instrument.expiry_month,
        expiration_year=instrument.expiry_year,
        country=country.upper(),
        kind=kind.lower(),
    )
