"""Flinks' words ↔ ours, and the strict reading of what Flinks answers.

Shapes: /PartnerAccess and /GetAccountsDetail in Flinks' API reference. Flinks writes its members in
Pascal case. A US account's `TransitNumber` is its routing number ("Transit or Routing Number").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tallystick.clock import from_iso
from tallystick.partners.contract import Account, AccountKind, Balance, Grant
from tallystick.partners.errors import GrantRevoked, PartnerUnavailable
from tallystick.secret import Secret

_GUID = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)
_ZONE = re.compile(r"(Z|[+-][0-9]{2}:?[0-9]{2})$", re.ASCII)

# More is no amount of money.
_CENTS_MAX = 10**17
_ABA_WEIGHTS = (3, 7, 1) * 3

_KINDS: dict[str, AccountKind] = {
    "chequing": "checking",
    "checking": "checking",
    "savings": "savings",
}


class Pair(msgspec.Struct, frozen=True, rename="camel"):
    """What a grant holds."""

    auth_secret: str
    access_token: str

    def __repr__(self) -> str:
        return "Pair(«secret»)"


# ── what Flinks says ──────────────────────────────────────────────────────────────────────────


class Message(msgspec.Struct, frozen=True, rename="pascal"):
    """An answer of Flinks, or a part of one. Shows nothing: it may hold numbers."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Amounts(Message, frozen=True):
    available: float | int | None = None
    current: float | int | None = None


class AccountShown(Message, frozen=True):
    id: str
    title: str | None = None
    account_number: str | None = None
    transit_number: str | None = None
    type: str | None = None
    currency: str | None = None
    balance: Amounts | None = None


class Login(Message, frozen=True):
    """`last_refresh`: when Flinks last read the institution; in UTC, without saying so."""

    id: str | None = None
    last_refresh: str | None = None


class Detail(Message, frozen=True):
    """All that the pair opens: one login and, of its accounts, the one that was shared."""

    accounts: list[AccountShown]
    login_id: str | None = None
    login: Login | None = None
    institution: str | None = None
    institution_name: str | None = None


class Shared(Message, frozen=True):
    """The answer of /PartnerAccess: an object by its description, a list in its example."""

    get_accounts_detail: list[Detail] | Detail


class Opened(msgspec.Struct, frozen=True):
    """What we have read: `login_id` names the consent, in Flinks' webhooks too."""

    login_id: str
    detail: Detail


def read_shared(body: Any) -> Opened:
    """Raises PartnerUnavailable when it is not what Flinks documents."""
    try:
        shared = msgspec.convert(body, Shared).get_accounts_detail
    except (msgspec.ValidationError, RecursionError):
        # The cause is dropped on purpose: it may quote an answer that holds a number.
        raise PartnerUnavailable("UNREADABLE_ANSWER") from None
    details = shared if isinstance(shared, list) else [shared]
    names = {
        name
        for detail in details
        for name in (detail.login_id, detail.login.id if detail.login else None)
        if name is not None
    }
    if len(details) != 1 or len(names) != 1:
        raise PartnerUnavailable("UNREADABLE_ANSWER")
    name = names.pop()
    if not _GUID.fullmatch(name):
        raise PartnerUnavailable("UNREADABLE_ANSWER")
    return Opened(name, details[0])


# ── into our values ───────────────────────────────────────────────────────────────────────────


def encode_grant(pair: Pair, opened: Opened) -> Grant:
    """No end of the consent: how long the AccessToken still lives is its client's to know."""
    return Grant(Secret(msgspec.json.encode(pair).decode()), opened.login_id)


def decode_grant(grant: Grant) -> Pair:
    """Raises GrantRevoked for a grant that is not one of ours: it can never work again."""
    try:
        return msgspec.json.decode(grant.secret.reveal(), type=Pair)
    except msgspec.DecodeError:
        raise GrantRevoked("UNREADABLE_GRANT") from None


def us_accounts(detail: Detail) -> Sequence[Account]:
    """The checking and savings accounts that ACH can reach; Canadian ones are left out."""
    institution = detail.institution_name or detail.institution or ""
    found = (_account(shown, institution) for shown in detail.accounts)
    return [account for account in found if account is not None]


def _account(shown: AccountShown, institution: str) -> Account | None:
    kind = _KINDS.get((shown.type or "").lower())
    number, routing = shown.account_number or "", shown.transit_number or ""
    # Canadian banks hold US dollars as well, but under a transit number of five digits.
    if kind is None or shown.currency != "USD" or not _is_aba(routing):
        return None
    if not (number.isascii() and number.isdigit() and 4 <= len(number) <= 17):  # contract 6.3
        return None
    return Account(
        external_id=shown.id,
        kind=kind,
        name=shown.title or "",
        mask=number[-4:],
        number=Secret(number),
        routing=Secret(routing),
        institution=institution,
    )


def _is_aba(digits: str) -> bool:
    if len(digits) != 9 or not (digits.isascii() and digits.isdigit()):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_ABA_WEIGHTS, digits, strict=True))
    return total % 10 == 0


def balance_of(detail: Detail, account_external_id: str) -> Balance:
    """Raises GrantRevoked when the pair does not open this account, PartnerUnavailable when Flinks
    knows no balance or not how old it is.
    """
    for shown in detail.accounts:
        if shown.id == account_external_id:
            break
    else:
        raise GrantRevoked("ACCOUNT_NOT_SHARED")
    amounts, refreshed = shown.balance, detail.login.last_refresh if detail.login else None
    if amounts is None or amounts.current is None or refreshed is None:
        raise PartnerUnavailable("NO_BALANCE")
    if shown.currency not in ("USD", "CAD"):  # "only supported in CAD and USD"
        raise PartnerUnavailable("UNREADABLE_BALANCE")
    return Balance(
        current_cents=_cents(amounts.current),
        available_cents=None if amounts.available is None else _cents(amounts.available),
        currency=shown.currency,
        as_of=_time(refreshed),
    )


def _time(text: str) -> int:
    try:
        return from_iso(text if _ZONE.search(text) else f"{text}Z")
    except (ValueError, OverflowError):
        raise PartnerUnavailable("UNREADABLE_TIME") from None


def _cents(amount: float) -> int:
    """Exactly: the shortest text of a float is the number that Flinks wrote. Nothing is rounded."""
    exact = Decimal(str(amount))
    # Infinity and what is not a number have no cents at all.
    if not exact.is_finite() or abs(exact) * 100 >= _CENTS_MAX or exact * 100 % 1:
        raise PartnerUnavailable("UNREADABLE_BALANCE")
    return int(exact * 100)
