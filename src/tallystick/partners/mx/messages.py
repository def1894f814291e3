"""MX's JSON as MX spells it, and what it means in our words. Pure: values in, values out."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from tallystick.clock import DAY_MS, HOUR_MS, from_iso
from tallystick.partners.contract import Account, Balance, Connection, Grant
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    PartnerRefused,
    PartnerUnavailable,
)
from tallystick.secret import Secret

# What the statuses ask of whom: Platform API, "Member connection statuses", and the words that
# MX's own Connect widget has for them. The connection works, or MX is busy with it:
_WORKS = frozenset({"CONNECTED", "RECONNECTED", "UPDATED", "RESUMED", "DELAYED"})
# The person has to do something.
_LOST = frozenset(
    {
        "PREVENTED", "DENIED", "CHALLENGED", "REJECTED", "LOCKED", "IMPEDED", "IMPAIRED",
        "IMPORTED", "EXPIRED",
    }
)  # fmt: skip
_GONE = frozenset({"DISCONTINUED", "CLOSED"})
# Somebody switched the connection off: no matter of the person's, and not for ever.
_OFF = frozenset({"DISABLED"})
_STATUS_CHARS_MAX = 32

_KINDS: dict[str, Literal["checking", "savings"]] = {"CHECKING": "checking", "SAVINGS": "savings"}

# Guids become parts of paths.
Guid = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]

# "Every access_token expires after 60 days" (MX, "How-to Guide for Processors").
PROCESSOR_TOKEN_MS = 60 * DAY_MS
# MX starts no new aggregation within three hours of a good one (MX, "Background and Foreground
# Aggregation").
FRESH_MS = 3 * HOUR_MS

_NAME_CHARS_MAX = 100
# No account holds as much; what is beyond is not to be believed, nor to be stored.
_CENTS_MAX = 10**15


class User(msgspec.Struct, frozen=True):
    guid: Guid
    id: str | None = None


class Member(msgspec.Struct, frozen=True):
    """A connection to an institution; its status is null while it has no credentials."""

    guid: Guid
    connection_status: str | None = None
    name: str | None = None
    successfully_aggregated_at: str | None = None


class MxAccountShown(msgspec.Struct, frozen=True):
    """An account; `balance` and `available_balance` are in currency units."""

    guid: Guid
    member_guid: Guid
    type: str | None = None
    name: str | None = None
    balance: Decimal | float | None = None
    available_balance: Decimal | float | None = None
    currency_code: str | None = None
    updated_at: str | None = None
    is_closed: bool | None = None

    def __repr__(self) -> str:
        return f"MxAccountShown({self.guid})"


class AccountNumber(msgspec.Struct, frozen=True):
    """Numbers are text for a client, whole numbers for a processor."""

    account_guid: str | None = None
    account_number: str | int | None = None
    routing_number: str | int | None = None

    def __repr__(self) -> str:
        return "AccountNumber(«secret»)"


class PaymentAccount(msgspec.Struct, frozen=True):
    """The one account that a processor's token opens; its numbers are whole numbers."""

    account_guid: Guid
    account_number: str | int | None = None
    account_name: str | None = None
    account_type: str | None = None
    routing_number: str | int | None = None
    balance: Decimal | float | None = None
    available_balance: Decimal | float | None = None
    updated_at: str | None = None

    def __repr__(self) -> str:
        return "PaymentAccount(«secret»)"


class WidgetUrl(msgspec.Struct, frozen=True):
    url: str

    def __repr__(self) -> str:
        return "WidgetUrl(«secret»)"


class ProcessorToken(msgspec.Struct, frozen=True):
    """Nothing but the token is needed: once it is here, no other member may lose it."""

    access_token: str
    scope: Any = None
    expires_at: Any = None

    def __repr__(self) -> str:
        return "ProcessorToken(«secret»)"


class OfUser(msgspec.Struct, frozen=True, tag="user"):
    """A grant from our own Connect session: three names, worth nothing without our keys."""

    user_guid: str
    member_guid: str
    account_guid: str


class OfProcessor(msgspec.Struct, frozen=True, tag="processor"):
    """A grant from an authorization code: a token for one account."""

    access_token: str

    def __repr__(self) -> str:
        return "OfProcessor(«secret»)"


Held = OfUser | OfProcessor


def widget_request(member_guid: str | None) -> dict[str, Any]:
    """What Dwolla asks for: Connect in verification mode, messages of version 4 (contract 5.9).

    A redirect URL is ignored (contract 5.8): MX only uses one in a mobile web view.
    """
    widget: dict[str, Any] = {
        "widget_type": "connect_widget",
        "mode": "verification",
        "ui_message_version": 4,
        "ui_message_webview_url_scheme": "mx",
        "include_transactions": False,
    }
    if member_guid is not None:
        widget |= {"current_member_guid": member_guid, "update_credentials": True}
    return {"widget_url": widget}


def read_widget_url(widget: WidgetUrl, base_url: str) -> Secret[str]:
    """Where the person goes. Raises PartnerUnavailable for what is no web address.

    Plain http is only good enough where MX itself is spoken to over plain http.
    """
    try:
        parts = urlsplit(widget.url)
    except ValueError:
        raise PartnerUnavailable("UNSAFE_WIDGET_URL") from None
    if parts.scheme not in {"https", urlsplit(base_url).scheme} or not parts.hostname:
        raise PartnerUnavailable("UNSAFE_WIDGET_URL")
    return Secret(widget.url)


def require_working(member: Member) -> None:
    """Raises a PartnerError unless the connection works."""
    status = member.connection_status or ""
    if status in _WORKS:
        return
    if status in _LOST:
        raise ConsentLost(status)
    if status in _GONE:
        raise GrantRevoked(status)
    if status in _OFF:
        raise PartnerRefused(f"MEMBER_{status}")
    word = status.isascii() and status.isidentifier() and len(status) <= _STATUS_CHARS_MAX
    raise PartnerUnavailable(f"MEMBER_{status}" if word else "MEMBER_STATUS", bank=True)


def works(member: Member) -> bool:
    return member.connection_status in _WORKS


def kind_of(account: MxAccountShown) -> Literal["checking", "savings"] | None:
    """None for a kind that Dwolla does not have, and for a closed account."""
    return None if account.is_closed else _KINDS.get(account.type or "")


def connections(
    user_guid: str, shared: Sequence[tuple[Member, MxAccountShown, AccountNumber]]
) -> list[Connection]:
    """One for each checking or savings account; names are unique, since clients select by name."""
    found: list[Connection] = []
    names: set[str] = set()
    for member, account, number in shared:
        plain = _name_of(member, account)
        name = plain
        if name in names:
            name = f"{plain} {str(number.account_number)[-4:]}"
        count = 2
        while name in names:
            name, count = f"{plain} ({count})", count + 1
        names.add(name)
        handle = msgspec.json.encode(
            {"userGuid": user_guid, "memberGuid": member.guid, "accountGuid": account.guid}
        )
        found.append(Connection(Secret(handle.decode()), name))
    return found


def _name_of(member: Member, account: MxAccountShown) -> str:
    """`MX Bank Checking` (contract 5.11); some institutions name their accounts so already."""
    bank = member.name or "MX"
    own = account.name or (account.type or "").title()
    return (own if own.startswith(bank) else f"{bank} {own}")[:_NAME_CHARS_MAX]


def encode_grant(held: Held, external_id: str, expires_at: int | None = None) -> Grant:
    return Grant(Secret(msgspec.json.encode(held).decode()), external_id, expires_at)


def processor_grant(token: ProcessorToken, now_ms: int) -> Grant:
    """MX documents 60 days but shows `expires_at` null; a time that it states wins."""
    expires_at = now_ms + PROCESSOR_TOKEN_MS
    if isinstance(token.expires_at, str):
        # A date we cannot read is no reason to drop the token: it came only once.
        with contextlib.suppress(ValueError):
            expires_at = from_iso(token.expires_at)
    scope = token.scope if isinstance(token.scope, str) else ""
    return encode_grant(OfProcessor(token.access_token), member_in(scope), expires_at)


def decode_grant(grant: Grant) -> Held:
    """Raises GrantRevoked for a grant that is not one of ours: it can never work again."""
    try:
        return _held.decode(grant.secret.reveal())
    except msgspec.DecodeError:
        raise GrantRevoked("UNREADABLE_GRANT") from None


_held: msgspec.json.Decoder[Held] = msgspec.json.Decoder(OfUser | OfProcessor)


def account_of(
    shown: MxAccountShown, number: AccountNumber | None, institution: str
) -> Account | None:
    """None for an account that is no open checking or savings account, or has no numbers."""
    kind = kind_of(shown)
    if number is None:
        return None
    digits = _digits(number.account_number, 4, 17)  # lengths: contract 6.3
    routing = _digits(number.routing_number, 9, 9)
    if kind is None or digits is None or routing is None:
        return None
    return Account(
        shown.guid,
        kind,
        shown.name or "",
        digits[-4:],
        Secret(digits),
        Secret(routing),
        institution,
    )


def payment_account_of(shown: PaymentAccount) -> Account | None:
    as_account = MxAccountShown(shown.account_guid, "", shown.account_type, shown.account_name)
    number = AccountNumber(shown.account_guid, shown.account_number, shown.routing_number)
    return account_of(as_account, number, "")


def _digits(value: str | int | None, at_least: int, at_most: int) -> str | None:
    """Routing numbers that came as whole numbers have lost their leading zero."""
    if value is None:
        return None
    text = str(value).zfill(at_least) if isinstance(value, int) else value
    fits = text.isascii() and text.isdigit() and at_least <= len(text) <= at_most
    return text if fits else None


def is_stale(asked_at: str | None, now_ms: int) -> bool:
    """Whether MX would go to the institution again, and should."""
    return asked_at is None or now_ms - _time(asked_at) >= FRESH_MS


def balance_of(shown: MxAccountShown | PaymentAccount, asked_at: str | None) -> Balance:
    """`asked_at` is when MX last heard from the institution.

    Raises PartnerUnavailable when MX knows no balance or not how old it is.
    """
    if shown.balance is None or asked_at is None:
        raise PartnerUnavailable("NO_BALANCE")
    available = shown.available_balance
    currency = (shown.currency_code if isinstance(shown, MxAccountShown) else None) or "USD"
    if not (currency.isascii() and currency.isalpha() and len(currency) == 3):
        raise PartnerUnavailable("UNREADABLE_BALANCE")
    return Balance(
        current_cents=_cents(shown.balance),
        available_cents=None if available is None else _cents(available),
        currency=currency,
        as_of=_time(asked_at),
    )


def _time(text: str) -> int:
    try:
        return from_iso(text)
    except (ValueError, OverflowError):
        raise PartnerUnavailable("UNREADABLE_TIME") from None


def _cents(amount: Decimal | float) -> int:
    """Exactly: the shortest text of a float is the number that MX wrote. Nothing is rounded."""
    exact = Decimal(str(amount))
    # Compared first: infinity and what is not a number have no cents at all.
    if not abs(exact) * 100 < _CENTS_MAX or exact * 100 % 1:
        raise PartnerUnavailable("UNREADABLE_BALANCE")
    return int(exact * 100)


def member_in(scope: str) -> str:
    """The member's guid in `user-guid:… member-guid:… account-guid:… read-protected`."""
    for part in scope.split():
        name, _, guid = part.partition(":")
        if name == "member-guid":
            return guid
    return ""
