"""A session as a client sees it: no id, no status, one member of the partner's (contract 5.9)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from tallystick.hal import Link

COLLECTION = "exchange-sessions"
# The plural is Dwolla's, and the next one really is a media type in the place of a resource type.
KIND = "exchange-sessions"
KIND_PAGE = "text/html"
REL_PAGE = "external-provider-session"


# Checkout.com's limits: 35 characters, and neither a single one nor nothing but digits.
HolderName = Annotated[str, Meta(min_length=2, max_length=35, pattern=r"[^0-9 ]")]


class PostedHolder(msgspec.Struct, rename="camel", frozen=True):
    """Whose name the issuer shall compare with the card's; with false it is not asked."""

    first_name: HolderName
    last_name: HolderName
    account_name_inquiry: bool

    def __repr__(self) -> str:
        return "PostedHolder(…)"


class ForCard(msgspec.Struct, rename="camel", frozen=True):
    """Besides `_links.exchange-partner`, for Checkout.com only (contract 5.8)."""

    card_details: PostedHolder


class ExchangeSession(msgspec.Struct, frozen=True, omit_defaults=True):
    """Exactly one of: the link `external-provider-session`, the token, the data.

    The data's members are passed verbatim to the partner's script, so they keep its snake_case.
    """

    created: str
    links: dict[str, Link] = msgspec.field(name="_links")
    external_provider_session_token: str | None = msgspec.field(
        default=None, name="externalProviderSessionToken"
    )
    external_provider_session_data: dict[str, str] | None = msgspec.field(
        default=None, name="externalProviderSessionData"
    )

    def __repr__(self) -> str:
        return f"ExchangeSession(created={self.created!r})"
