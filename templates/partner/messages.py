"""Acme's JSON ↔ our values. Whatever is not exactly this is refused as unreadable.

REPLACE: the shapes and their patterns, from the partner's reference, and the functions below.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from tallystick.partners.contract import (
    Account,
    AccountKind,
    Balance,
    Grant,
    SessionRequest,
    SessionStarted,
)
from tallystick.partners.errors import PartnerUnavailable
from tallystick.secret import Secret

# A pattern keeps out what would break out of a path or a header, or not fit into a database row.
Id = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
Token = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,512}\Z")]
Name = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\x7f]{1,100}\Z")]
Url = Annotated[str, Meta(pattern=r"\Ahttps?://[!-~]{1,2000}\Z")]
Money = Annotated[str, Meta(pattern=r"\A-?[0-9]{1,13}\.[0-9]{2}\Z")]
Time = Annotated[datetime, Meta(tz=True)]

_KINDS: dict[str, AccountKind] = {"CHECKING": "checking", "SAVINGS": "savings"}


class Message(msgspec.Struct, frozen=True, rename="camel"):
    """An answer, or a part of one. Shows nothing: it may hold a token or a number."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class LinkSession(Message, frozen=True):
    id: Id
    url: Url
    expires_at: Time


class Exchanged(Message, frozen=True):
    access_token: Token
    connection_id: Id
    user: Id


class AccountShown(Message, frozen=True):
    """`type` has more words than ours; an account that has no numbers cannot be paid from."""

    id: Id
    name: Name
    type: str
    account_number: Annotated[str, Meta(pattern=r"\A[0-9]{4,17}\Z")] | None = None
    routing_number: Annotated[str, Meta(pattern=r"\A[0-9]{9}\Z")] | None = None


class Accounts(Message, frozen=True):
    connection_id: Id
    institution: Name
    accounts: list[AccountShown]


class BalanceShown(Message, frozen=True):
    account_id: Id
    current: Money
    available: Money | None
    currency: Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")]
    as_of: Time


def link_request(request: SessionRequest, repairs: str | None) -> dict[str, str]:
    """The body of POST /link-sessions. It takes web addresses, not Android package names."""
    web = request.redirect_url if "://" in (request.redirect_url or "") else None
    sent = {"redirectUrl": web, "notifyUrl": request.notify_url, "connectionId": repairs}
    return {"user": request.person} | {name: text for name, text in sent.items() if text}


def session_started(shown: LinkSession, base_url: str) -> SessionStarted:
    """Plain http is only good enough for the page where the API is spoken to like that."""
    if shown.url.startswith("http:") and not base_url.startswith("http:"):
        raise PartnerUnavailable("UNSAFE_PAGE_URL")
    return SessionStarted(_ms(shown.expires_at), href=Secret(shown.url), external_id=shown.id)


def grant_of(shown: Exchanged) -> Grant:
    return Grant(Secret(shown.access_token), shown.connection_id, person=shown.user)


def accounts_of(shown: Accounts) -> list[Account]:
    return [
        Account(
            external_id=each.id,
            kind=_KINDS[each.type],
            name=each.name,
            mask=each.account_number[-4:],
            number=Secret(each.account_number),
            routing=Secret(each.routing_number),
            institution=shown.institution,
        )
        for each in shown.accounts
        if each.type in _KINDS and each.account_number and each.routing_number
    ]


def balance_of(shown: BalanceShown) -> Balance:
    available = None if shown.available is None else _cents(shown.available)
    return Balance(_cents(shown.current), available, shown.currency, _ms(shown.as_of))


def _cents(amount: str) -> int:
    return int(amount.replace(".", ""))


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)
