"""Plaid's JSON as Plaid spells it, and pure functions between it and the contract's values.

Member names and meanings: Plaid's API reference. Only the members that we use are declared; Plaid
may add others at any time, so unknown ones are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from tallystick.clock import from_iso
from tallystick.partners.contract import (
    Account,
    AccountKind,
    Balance,
    Grant,
    SessionRequest,
    SessionStarted,
)
from tallystick.partners.plaid.settings import PlaidSettings
from tallystick.secret import Secret

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]

# What is wrong with an Item that does not share the linked account: our own word, Plaid's error and
# Plaid's notice. Its remedy is update mode with account selection.
LACKS_ACCOUNT = frozenset({"ACCOUNT_NOT_SHARED", "INVALID_ACCOUNT_ID", "USER_ACCOUNT_REVOKED"})

# Beyond this a JSON number no longer carries cents, and no bank account holds it.
_CENTS_MAX = 2**53
# Floats that were computed upstream miss the cent by less than this; a real fraction does not.
_CENT_NOISE = Decimal("0.0001")

# Fifteen letters and digits in all examples. Tokens have dashes, secrets 30 characters, and account
# numbers no letters: none of them fits, should an answer hold one in this place.
_REQUEST_ID = re.compile(r"(?=[0-9]*[A-Za-z])[0-9A-Za-z]{1,24}")
_LINK_TOKEN = re.compile(r"link-[0-9a-z]+-[0-9A-Za-z-]+")
_PUBLIC_TOKEN = re.compile(r"public-[0-9a-z]+-[0-9A-Za-z-]+")
_PROCESSOR_TOKEN = re.compile(r"processor-[0-9a-z]+-[0-9A-Za-z-]+")
_MASK = re.compile(r"[0-9A-Za-z]{1,4}")
_ACCOUNT = re.compile(r"[0-9]{4,17}")
_ROUTING = re.compile(r"[0-9]{9}")
_CURRENCY = re.compile(r"[A-Z]{3}")


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request to Plaid or an answer of it. Most hold a token, so none shows its values."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    __str__ = __repr__


def request_id(body: Any) -> str | None:
    """Plaid's name for the request, when it looks like one and not like a token."""
    found = body.get("request_id") if isinstance(body, dict) else None
    return found if isinstance(found, str) and _REQUEST_ID.fullmatch(found) else None


def is_public_token(text: str) -> bool:
    """`public-<environment>-<identifier>` (docs/errors/invalid-input)."""
    return _PUBLIC_TOKEN.fullmatch(text) is not None


def is_processor_token(text: str) -> bool:
    """`processor-<environment>-<identifier>` (docs/api/processors)."""
    return _PROCESSOR_TOKEN.fullmatch(text) is not None


# ── /link/token/create ────────────────────────────────────────────────────────────────────────


class LinkUser(Message, frozen=True):
    client_user_id: str


class LinkUpdate(Message, frozen=True):
    account_selection_enabled: bool


class LinkTokenCreate(Message, frozen=True, kw_only=True):
    client_name: str
    language: str
    country_codes: Sequence[str]
    user: LinkUser
    products: Sequence[str] | None = None
    access_token: str | None = None
    update: LinkUpdate | None = None
    webhook: str | None = None
    redirect_uri: str | None = None
    android_package_name: str | None = None
    link_customization_name: str | None = None


class LinkTokenCreated(Message, frozen=True):
    link_token: Text
    expiration: Text


def link_request(
    settings: PlaidSettings, request: SessionRequest, *, update: str | None = None
) -> LinkTokenCreate:
    """Link for a first consent, or in update mode for the Item of the access token `update`.

    In update mode Plaid wants no `products` and gives `webhook` no effect, so neither is sent. The
    person is asked for accounts again only where the linked one is missing: who is asked may also
    take accounts away. (A bank with an OAuth page of its own asks anyway, whatever is sent.)
    """
    reselects = request.trouble in LACKS_ACCOUNT
    is_url = (request.redirect_url or "").lower().startswith(("https://", "http://"))
    return LinkTokenCreate(
        client_name=settings.client_name,
        language=settings.language,
        country_codes=settings.country_codes.split(","),
        user=LinkUser(request.person),
        products=None if update else ("auth",),
        access_token=update,
        update=LinkUpdate(account_selection_enabled=True) if update and reselects else None,
        webhook=None if update else request.notify_url,
        # Whatever is no URL is an Android package (contract 5.8); Plaid takes one or the other.
        redirect_uri=request.redirect_url if is_url else None,
        android_package_name=None if is_url else request.redirect_url,
        link_customization_name=settings.link_customization_name,
    )


def session_started(answer: LinkTokenCreated) -> SessionStarted:
    """Raises ValueError when Plaid's answer is not what it documents."""
    if not _LINK_TOKEN.fullmatch(answer.link_token):
        raise ValueError("not a link token")
    return SessionStarted(
        expires_at=from_iso(answer.expiration), token=Secret[str](answer.link_token)
    )


# ── tokens ────────────────────────────────────────────────────────────────────────────────────


class PublicTokenExchange(Message, frozen=True):
    public_token: str


class PublicTokenExchanged(Message, frozen=True):
    access_token: Text
    item_id: Text


class OfItem(Message, frozen=True, tag_field="kind", tag="item"):
    """The grant that a public token gives: all accounts of one Item."""

    access_token: Text


class OfProcessor(Message, frozen=True, tag_field="kind", tag="processor"):
    """The grant that a processor token is: one account of somebody else's Item."""

    processor_token: Text


class AccessToken(Message, frozen=True):
    access_token: str


class ProcessorToken(Message, frozen=True):
    processor_token: str


def item_grant(answer: PublicTokenExchanged) -> Grant:
    """The end of the consent is not in this answer; Plaid announces it by webhook.

    A new link is a new Item. An Item that is there already comes from Link in update mode, which
    hands out a public token as well, though "an Item's access_token does not change when using
    Link in update mode, so there is no need to repeat the exchange token process".
    """
    return Grant(_sealed(OfItem(answer.access_token)), answer.item_id, sole=True)


def processor_grant(processor_token: str, account_id: str) -> Grant:
    """A processor is told no item_id; Plaid's processor webhooks name the account instead."""
    return Grant(_sealed(OfProcessor(processor_token)), account_id)


def opened(grant: Grant) -> OfItem | OfProcessor:
    """What `item_grant` or `processor_grant` put in. Raises ValueError on anything else."""
    return msgspec.json.decode(grant.secret.reveal(), type=OfItem | OfProcessor)


def _sealed(secret: OfItem | OfProcessor) -> Secret[str]:
    return Secret(msgspec.json.encode(secret).decode())


# ── accounts and numbers ──────────────────────────────────────────────────────────────────────


class Balances(Message, frozen=True):
    available: float | None = None
    current: float | None = None
    iso_currency_code: str | None = None
    last_updated_datetime: str | None = None


class PlaidAccount(Message, frozen=True):
    account_id: Text
    name: str
    type: str
    balances: Balances
    subtype: str | None = None
    mask: str | None = None


class Ach(Message, frozen=True):
    account_id: Text
    account: str
    routing: str


class AchNumbers(Message, frozen=True):
    ach: list[Ach]


class AchNumber(Message, frozen=True):
    ach: Ach | None = None


class Item(Message, frozen=True):
    item_id: Text
    institution_id: str | None = None
    institution_name: str | None = None


class AuthAnswer(Message, frozen=True):
    accounts: list[PlaidAccount]
    numbers: AchNumbers
    item: Item


class ProcessorAuthAnswer(Message, frozen=True):
    account: PlaidAccount
    numbers: AchNumber


class ProcessorAccountAnswer(Message, frozen=True):
    institution_id: str | None = None


def accounts(
    found: Sequence[PlaidAccount], numbers: Sequence[Ach], institution: str
) -> list[Account]:
    """The checking and savings accounts that ACH can reach; the others are left out."""
    by_account = {number.account_id: number for number in numbers}
    joined = [
        _account(account, by_account[account.account_id], institution)
        for account in found
        if account.account_id in by_account
    ]
    return [account for account in joined if account is not None]


def _account(account: PlaidAccount, number: Ach, institution: str) -> Account | None:
    kind = _kind(account)
    reachable = _ACCOUNT.fullmatch(number.account) and _ROUTING.fullmatch(number.routing)
    if kind is None or not reachable:
        return None
    mask = account.mask or ""
    return Account(
        external_id=account.account_id,
        kind=kind,
        name=account.name,
        # Plaid's mask is nullable; the number's own last digits say the same.
        mask=mask if _MASK.fullmatch(mask) else number.account[-4:],
        number=Secret(number.account),
        routing=Secret(number.routing),
        institution=institution,
    )


def _kind(account: PlaidAccount) -> AccountKind | None:
    if account.type != "depository":
        return None
    if account.subtype == "checking":
        return "checking"
    return "savings" if account.subtype == "savings" else None


# ── institutions ──────────────────────────────────────────────────────────────────────────────


class InstitutionById(Message, frozen=True):
    institution_id: str
    country_codes: Sequence[str]


class Institution(Message, frozen=True):
    name: str


class InstitutionAnswer(Message, frozen=True):
    institution: Institution


# ── balances ──────────────────────────────────────────────────────────────────────────────────


class OnlyAccounts(Message, frozen=True):
    account_ids: Sequence[str]


class BalanceOfAccounts(Message, frozen=True):
    access_token: str
    options: OnlyAccounts


class BalanceAnswer(Message, frozen=True):
    accounts: list[PlaidAccount]


class ProcessorBalanceAnswer(Message, frozen=True):
    account: PlaidAccount


def balance(found: Sequence[PlaidAccount], account_id: str, now_ms: int) -> Balance:
    """The balance of `account_id`, fetched at `now_ms` unless Plaid says when.

    `current` may be null when `available` is not (Plaid, /accounts/balance/get); it then counts
    as the current one, for want of a better. Raises ValueError when the answer lacks the account,
    both amounts or an ISO currency.
    """
    of_account = [account.balances for account in found if account.account_id == account_id]
    if len(of_account) != 1:
        raise ValueError("not the account that was asked for")
    known = of_account[0]
    currency = known.iso_currency_code or ""
    if not _CURRENCY.fullmatch(currency):
        raise ValueError("no ISO currency")
    available = None if known.available is None else cents(known.available)
    current = available if known.current is None else cents(known.current)
    if current is None:
        raise ValueError("no amount at all")
    updated = known.last_updated_datetime
    return Balance(current, available, currency, from_iso(updated) if updated else now_ms)


def cents(amount: float) -> int:
    """`110.1` → 11010, by way of the shortest decimal that is the float. Raises ValueError.

    An amount with real fractions of a cent is refused rather than rounded.
    """
    exact = Decimal(str(amount)) * 100
    nearest = exact.to_integral_value()
    if abs(exact - nearest) > _CENT_NOISE or abs(nearest) > _CENTS_MAX:
        raise ValueError("not an amount in cents")
    return int(nearest)
