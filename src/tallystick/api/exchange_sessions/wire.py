"""A session as a client sees it: no id, no status, one member of the partner's (contract 5.9)."""

from __future__ import annotations

import msgspec

from tallystick.hal import Link

COLLECTION = "exchange-sessions"
# The plural is Dwolla's, and the next one really is a media type in the place of a resource type.
KIND = "exchange-sessions"
KIND_PAGE = "text/html"
REL_PAGE = "external-provider-session"


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
