"""Finicity's JSON as Mastercard spells it, and what it means in our words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from tallystick.clock import DAY_MS, SECOND_MS, from_iso
from tallystick.partners.contract import Account, Balance, Grant
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    PartnerUnavailable,
    ProofExpired,
    ProofRejected,
)
from tallystick.partners.finicity.proof import FinicityReceipt, Product
from tallystick.secret import Secret

# The products of a receipt that this connector has a call for (Mastercard, "Third Party Access").
MONEY_TRANSFER = "moneyTransferDetails"
BALANCE = "availableBalance"
BALANCE_LIVE = "availableBalanceLive"

# Aggregation status codes that the person can mend by signing in again, which Mastercard calls
# fixable in Connect Fix ("Aggregation Status Codes"): credentials, a notice or a new password at
# the bank, security questions, and a lost or never given OAuth consent.
FIXABLE = frozenset({"103", "108", "109", "185", "187", "945", "947", "948"})
_SUCCESS = 0

# Ids become parts of paths.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
# Mastercard's codes are numbers of two to seven digits; anything longer might be a secret's echo.
_CODE = re.compile(r"[0-9]{1,7}", re.ASCII)
_WHOLE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

# Whole numbers below are seconds since the epoch, as everywhere at Mastercard; above, milliseconds.
_SECONDS_MAX = 10**11
_MS_MAX = 10**14
# No account holds as much; what is beyond is not to be believed, nor to be stored.
_UNITS_MAX = 10**13


class Token(msgspec.Struct, frozen=True):
    """The answer of partner authentication. The token goes into a header."""

    token: Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]{1,512}\Z")]

    def __repr__(self) -> str:
        return "Token(«secret»)"


class AchDetails(msgspec.Struct, frozen=True, rename="camel"):
    """Get ACH Details; it says neither what kind of account it is nor at which institution."""

    routing_number: str
    real_account_number: str

    def __repr__(self) -> str:
        return "AchDetails(«secret»)"


class AvailableBalance(msgspec.Struct, frozen=True, rename="camel"):
    """Amounts are in currency units, dates in seconds since the epoch. The status code "won't be
    present" before the first aggregation.
    """

    available_balance: int | float | None
    available_balance_date: int
    cleared_balance: int | float
    cleared_balance_date: int
    currency: str
    aggregation_status_code: int = 0


class Held(msgspec.Struct, frozen=True):
    """The grant: the stand-ins for customer and account that the receipt shows, and until when
    (milliseconds, None without an end) each product may be called with them.
    """

    receipt_id: str
    customer_id: str
    account_id: str
    products: Mapping[str, int | None]

    def __repr__(self) -> str:
        return "Held(«secret»)"


# ── the receipt ───────────────────────────────────────────────────────────────────────────────


def read_receipt(receipt: FinicityReceipt, now_ms: int) -> Held:
    """What a receipt opens. Raises ProofRejected, or ProofExpired when its time is over.

    One account: which of several an exchange would be about, nobody could tell.
    """
    receipt_id, customer_id = _id(receipt.receipt_id), _id(receipt.customer_id)
    if receipt_id is None or customer_id is None:
        raise ProofRejected("INCOMPLETE_RECEIPT")
    products = receipt.products or []
    transfers = [each for each in products if each.product == MONEY_TRANSFER]
    accounts = {_id(each.account_id) for each in transfers}
    if not transfers:
        raise ProofRejected("NO_MONEY_TRANSFER_DETAILS")
    if len(accounts) > 1:
        raise ProofRejected("SEVERAL_ACCOUNTS")
    account_id = accounts.pop()
    if account_id is None:
        raise ProofRejected("INCOMPLETE_RECEIPT")
    held = Held(receipt_id, customer_id, account_id, _ends(products, account_id))
    require_product(held, (MONEY_TRANSFER,), now_ms)
    return held


def _ends(products: Sequence[Product], account_id: str) -> dict[str, int | None]:
    """When each product of this account ends; the last period counts of several."""
    ends: dict[str, int | None] = {}
    for each in products:
        name = each.product
        if (
            name not in (MONEY_TRANSFER, BALANCE, BALANCE_LIVE)
            or _id(each.account_id) != account_id
        ):
            continue
        end = None if each.access_period is None else _end(each.access_period.end_time)
        if name in ends:
            end = _later(ends[name], end)
        ends[name] = end
    return ends


def _later(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def _id(value: str | int | None) -> str | None:
    text = "" if value is None else str(value)
    return text if _ID.fullmatch(text) else None


def _end(value: str | int | None) -> int | None:
    """A date-time, a whole number since the epoch, or a date, which counts to its last moment."""
    if value is None:
        return None
    if isinstance(value, int):
        at_ms = value * SECOND_MS if abs(value) < _SECONDS_MAX else value
        if not 0 <= at_ms < _MS_MAX:
            raise ProofRejected("UNREADABLE_ACCESS_PERIOD")
        return at_ms
    try:
        if not _WHOLE_DATE.fullmatch(value):
            return from_iso(value)
        day = datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
        return round(day.timestamp() * SECOND_MS) + DAY_MS
    except (ValueError, OverflowError):
        raise ProofRejected("UNREADABLE_ACCESS_PERIOD") from None


def require_product(held: Held, names: Sequence[str], now_ms: int) -> str:
    """The first of `names` that may be called now.

    Raises ProofRejected when none was consented to, ProofExpired when their time is over.
    """
    consented = [name for name in names if name in held.products]
    if not consented:
        raise ProofRejected("PRODUCT_NOT_CONSENTED")
    for name in consented:
        end = held.products[name]
        if end is None or now_ms < end:
            return name
    raise ProofExpired("ACCESS_PERIOD_OVER")


def encode_grant(held: Held) -> Grant:
    """The consent ends when the last of its products does."""
    ends = list(held.products.values())
    whole = [end for end in ends if end is not None]
    expires_at = max(whole) if len(whole) == len(ends) else None
    return Grant(Secret(msgspec.json.encode(held).decode()), held.receipt_id, expires_at)


def decode_grant(grant: Grant) -> Held:
    """Raises GrantRevoked for a grant that is not one of ours: it can never work again."""
    try:
        return _held.decode(grant.secret.reveal())
    except msgspec.DecodeError:
        raise GrantRevoked("UNREADABLE_GRANT") from None


_held: msgspec.json.Decoder[Held] = msgspec.json.Decoder(Held)


# ── the account ───────────────────────────────────────────────────────────────────────────────


def accounts_of(held: Held, details: AchDetails) -> list[Account]:
    """The account, offered as either kind; empty when its numbers are no numbers.

    Our reading: nothing that a processor may call says whether it is a checking or a savings
    account. The integrator saw it in Connect and says it as `bankAccountType` (contract 6.3).
    """
    number = _digits(details.real_account_number, 4, 17)  # lengths: contract 6.3
    routing = _digits(details.routing_number, 9, 9)
    if number is None or routing is None:
        return []
    kinds: tuple[Literal["checking", "savings"], ...] = ("checking", "savings")
    return [
        Account(held.account_id, kind, "", number[-4:], Secret(number), Secret(routing), "")
        for kind in kinds
    ]


def _digits(text: str, at_least: int, at_most: int) -> str | None:
    fits = text.isascii() and text.isdigit() and at_least <= len(text) <= at_most
    return text if fits else None


def balance_of(shown: AvailableBalance) -> Balance:
    """Raises ConsentLost when the person has to sign in again, PartnerUnavailable for any other
    failure of the last aggregation: the amounts beside it are older than they look.
    """
    code = shown.aggregation_status_code
    if _text(code) in FIXABLE:
        raise ConsentLost(_text(code))
    if code != _SUCCESS:
        known = _CODE.fullmatch(_text(code))
        raise PartnerUnavailable(f"AGGREGATION_{code}" if known else "AGGREGATION")
    if not (shown.currency.isascii() and shown.currency.isalpha() and len(shown.currency) == 3):
        raise PartnerUnavailable("UNREADABLE_BALANCE")
    available = shown.available_balance
    as_of = min(shown.available_balance_date, shown.cleared_balance_date)
    if not 0 < as_of < _SECONDS_MAX:
        raise PartnerUnavailable("UNREADABLE_TIME")
    return Balance(
        current_cents=_cents(shown.cleared_balance),
        available_cents=None if available is None else _cents(available),
        currency=shown.currency.upper(),
        as_of=as_of * SECOND_MS,
    )


def _cents(amount: float) -> int:
    """Exactly: the shortest text of a float is the number that Finicity wrote. Never rounded."""
    # Compared first, and as it came: what is infinite or not a number has no cents.
    if not abs(amount) < _UNITS_MAX:
        raise PartnerUnavailable("UNREADABLE_BALANCE")
    exact = Decimal(str(amount)) * 100
    if exact % 1:
        raise PartnerUnavailable("UNREADABLE_BALANCE")
    return int(exact)


# ── errors ────────────────────────────────────────────────────────────────────────────────────


def code_of(body: Any) -> str:
    """Mastercard's word for what went wrong, `10023`, or nothing.

    Its documents have two shapes, `{code, message}` with a text or a number as code, and
    `{Errors: {Error: [{ReasonCode}]}}`. Anything that is no such number is nothing to keep.
    """
    found: Any = None
    match body:
        case {"code": found}:
            pass
        case {"Errors": {"Error": [{"ReasonCode": found}, *_]}}:
            pass
    if isinstance(found, bool) or not isinstance(found, str | int):
        return ""
    text = _text(found)
    return text if _CODE.fullmatch(text) else ""


def _text(code: str | int) -> str:
    """Nothing for a number of thousands of digits, which Python does not write out."""
    return code if isinstance(code, str) else str(code) if abs(code) < 2**63 else ""
