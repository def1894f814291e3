"""Tink's JSON as Tink spells it, and what it means in our words. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from tallystick.clock import MINUTE_MS, from_iso
from tallystick.partners.contract import Account, AccountKind, Balance, Grant
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    PartnerUnavailable,
    ProofRejected,
)
from tallystick.secret import Secret

# Statuses of a consent (and of the credentials behind it). It works, or Tink is at it:
_WORKS = frozenset({"CREATED", "AUTHENTICATING", "UPDATING", "UPDATED"})
_LOST = frozenset({"AUTHENTICATION_ERROR", "SESSION_EXPIRED"})
_GONE = frozenset({"DELETED"})
_STATUS_CHARS_MAX = 32

_KINDS: Mapping[str, AccountKind] = {"CHECKING": "checking", "SAVINGS": "savings"}

# The sources differ in the words for a balance refresh, and in their case.
_DONE = frozenset({"finished", "completed"})
_FAILED = frozenset({"failed", "error"})

# Ids become parts of paths and of addresses.
Id = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]

# A balance of this age is asked for again.
FRESH_MS = 15 * MINUTE_MS

_NAME_CHARS_MAX = 100
_SCALE_MAX = 12
# No account holds as much; what is beyond is not to be believed, nor to be stored.
_CENTS_MAX = 10**15
_TIME_MS_MAX = 10**14


class Token(msgspec.Struct, frozen=True):
    access_token: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]

    def __repr__(self) -> str:
        return "Token(«secret»)"


class Code(msgspec.Struct, frozen=True):
    code: Id

    def __repr__(self) -> str:
        return "Code(«secret»)"


class User(msgspec.Struct, frozen=True):
    user_id: Id
    external_user_id: str | None = None


class Reported(msgspec.Struct, frozen=True, rename="camel"):
    """An account in a report. What identifies it in the US is our reading: see `numbers_of`."""

    id: Id
    name: str | None = None
    account_type: str | None = None
    account_number: str | None = None
    account_identifiers: Any = None

    def __repr__(self) -> str:
        return f"Reported({self.id})"


class OfProvider(msgspec.Struct, frozen=True, rename="camel"):
    accounts: list[Reported] = []
    financial_institution_name: str | None = None


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """An account check. Its identity members (name, birth date, ssn) are not even read."""

    id: Id
    user_data_by_provider: list[OfProvider] = []


class Shown(msgspec.Struct, frozen=True):
    """An account under `/data/v2/accounts`; its balances are read elsewhere."""

    id: Id
    type: str | None = None
    name: str | None = None
    identifiers: Any = None

    def __repr__(self) -> str:
        return f"Shown({self.id})"


class Accounts(msgspec.Struct, frozen=True, rename="camel"):
    accounts: list[Shown]
    next_page_token: str | None = None


class Consent(msgspec.Struct, frozen=True, rename="camel"):
    """`session_expiry_date` is milliseconds since the epoch, or a text; often null in the US."""

    credentials_id: Id
    status: str | None = None
    account_ids: list[str] = []
    session_expiry_date: int | str | None = None


class Consents(msgspec.Struct, frozen=True, rename="camel"):
    provider_consents: list[Consent]


class Amount(msgspec.Struct, frozen=True, rename="camel"):
    """`unscaled_value` × 10^-`scale`; both are numbers or numeric texts on the wire."""

    scale: int
    unscaled_value: int
    currency_code: str


class Amounts(msgspec.Struct, frozen=True):
    booked: Amount | None = None
    available: Amount | None = None


class Balances(msgspec.Struct, frozen=True, rename="camel"):
    account_id: Id
    balances: Amounts
    refreshed: str | None = None


class Refresh(msgspec.Struct, frozen=True, rename="camel"):
    balance_refresh_id: Id


class RefreshStatus(msgspec.Struct, frozen=True):
    status: str


class HeldAccount(msgspec.Struct, frozen=True):
    """What is gone with the report after an hour, and needed as long as the grant lives."""

    id: str
    kind: Literal["checking", "savings"]
    name: str
    number: str
    routing: str
    institution: str

    def __repr__(self) -> str:
        return f"HeldAccount({self.id})"


class Held(msgspec.Struct, frozen=True):
    """The inside of a grant: whose consent, and the accounts that the report told us of."""

    person: str
    credentials_id: str
    accounts: tuple[HeldAccount, ...]

    def __repr__(self) -> str:
        return "Held(«secret»)"


def encode_grant(held: Held, consent: Consent) -> Grant:
    secret = Secret(msgspec.json.encode(held).decode())
    return Grant(secret, held.credentials_id, _expiry(consent.session_expiry_date))


def decode_grant(grant: Grant) -> Held:
    """Raises GrantRevoked for a grant that is not one of ours: it can never work again."""
    try:
        return msgspec.json.decode(grant.secret.reveal(), type=Held)
    except msgspec.DecodeError:
        raise GrantRevoked("UNREADABLE_GRANT") from None


def _expiry(at: int | str | None) -> int | None:
    """A time that we cannot read is no reason to drop a consent."""
    if isinstance(at, str):
        try:
            at = from_iso(at)
        except (ValueError, OverflowError):
            return None
    return at if at is not None and 0 < at < _TIME_MS_MAX else None


def accounts_of(report: Report, shown: Sequence[Shown]) -> tuple[HeldAccount, ...]:
    """The usable accounts of a report about a person who has the accounts `shown`.

    Raises ProofRejected for a report without any, and for one of somebody else: a report does not
    say whose it is, but its accounts must be the person's own.
    """
    own = {each.id: each for each in shown}
    found = []
    for provider in report.user_data_by_provider:
        institution = (provider.financial_institution_name or "")[:_NAME_CHARS_MAX]
        for account in provider.accounts:
            if account.id not in own:
                raise ProofRejected("REPORT_OF_ANOTHER_PERSON")
            kind = _KINDS.get(account.account_type or own[account.id].type or "")
            numbers = numbers_of(account, own[account.id])
            if kind is not None and numbers is not None:
                name = (account.name or own[account.id].name or "")[:_NAME_CHARS_MAX]
                found.append(HeldAccount(account.id, kind, name, *numbers, institution))
    if not found:
        raise ProofRejected("NO_ACCOUNTS")
    return tuple(found)


def numbers_of(account: Reported, shown: Shown) -> tuple[str, str] | None:
    """Account and routing number; None where one of them is not there or is no number.

    Where Tink puts them for the US is not published. We take the first scheme with a routing
    number among the report's identifiers and then the account's.
    """
    for scheme in (*_schemes(account.account_identifiers), *_schemes(shown.identifiers)):
        number = _digits(scheme.get("accountNumber") or account.account_number, 4, 17)
        routing = _digits(scheme.get("routingNumber"), 9, 9)  # lengths: contract 6.3
        if number is not None and routing is not None:
            return number, routing
    return None


def _schemes(identifiers: Any) -> Iterator[dict[str, Any]]:
    if isinstance(identifiers, dict):
        yield from (scheme for scheme in identifiers.values() if isinstance(scheme, dict))


def _digits(value: Any, at_least: int, at_most: int) -> str | None:
    fits = isinstance(value, str) and value.isascii() and value.isdigit()
    return value if fits and at_least <= len(value) <= at_most else None


def account_of(held: HeldAccount) -> Account:
    return Account(
        external_id=held.id,
        kind=held.kind,
        name=held.name,
        mask=held.number[-4:],
        number=Secret(held.number),
        routing=Secret(held.routing),
        institution=held.institution,
    )


def consent_for(
    consents: Iterable[Consent], accounts: Sequence[HeldAccount], hint: str | None
) -> Consent:
    """The consent that the accounts are under. Raises ProofRejected when the person has none.

    The hint came through the browser: it only decides between consents that fit equally.
    """
    wanted = {account.id for account in accounts}
    listed = list(consents)
    fitting = [each for each in listed if wanted <= set(each.account_ids)] or [
        each for each in listed if each.credentials_id == hint and not each.account_ids
    ]
    fitting.sort(key=lambda each: each.credentials_id != hint)
    if not fitting:
        raise ProofRejected("NO_CONSENT")
    return fitting[0]


def own_consent(consents: Iterable[Consent], credentials_id: str) -> Consent:
    """Raises GrantRevoked when it is no longer there."""
    for consent in consents:
        if consent.credentials_id == credentials_id:
            return consent
    raise GrantRevoked("NO_CONSENT")


def require_working(consent: Consent) -> None:
    """Raises a PartnerError unless the consent works. The list of statuses is open."""
    status = consent.status or ""
    if status in _WORKS:
        return
    if status in _LOST:
        raise ConsentLost(status)
    if status in _GONE:
        raise GrantRevoked(status)
    word = status.isascii() and status.isidentifier() and len(status) <= _STATUS_CHARS_MAX
    raise PartnerUnavailable(f"CONSENT_{status}" if word else "CONSENT_STATUS")


def outcome_of(refresh: RefreshStatus) -> Literal["done", "failed", "busy"]:
    word = refresh.status.lower()
    return "done" if word in _DONE else "failed" if word in _FAILED else "busy"


def is_stale(shown: Balances, now_ms: int) -> bool:
    return shown.refreshed is None or now_ms - _time(shown.refreshed) >= FRESH_MS


def balance_of(shown: Balances) -> Balance:
    """Raises PartnerUnavailable when Tink knows no balance, or not how old it is."""
    booked, available = shown.balances.booked, shown.balances.available
    if booked is None or shown.refreshed is None:
        raise PartnerUnavailable("NO_BALANCE")
    currency = booked.currency_code
    if available is not None and available.currency_code != currency:
        raise PartnerUnavailable("UNREADABLE_BALANCE")
    if not (currency.isascii() and currency.isalpha() and len(currency) == 3):
        raise PartnerUnavailable("UNREADABLE_BALANCE")
    return Balance(
        current_cents=_cents(booked),
        available_cents=None if available is None else _cents(available),
        currency=currency,
        as_of=_time(shown.refreshed),
    )


def _cents(amount: Amount) -> int:
    """Exactly: an amount with parts of a cent is not one that we can tell."""
    if not 0 <= amount.scale <= _SCALE_MAX:
        raise PartnerUnavailable("UNREADABLE_BALANCE")
    whole: int = 10**amount.scale
    cents, rest = divmod(amount.unscaled_value * 100, whole)
    if rest or abs(cents) >= _CENTS_MAX:
        raise PartnerUnavailable("UNREADABLE_BALANCE")
    return cents


def _time(text: str) -> int:
    try:
        return from_iso(text)
    except (ValueError, OverflowError):
        raise PartnerUnavailable("UNREADABLE_TIME") from None
