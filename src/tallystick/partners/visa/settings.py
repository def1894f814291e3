"""Visa's settings: `TALLYSTICK_VISA_BASE_URL`, `…_CLIENT_ID`, `…_CLIENT_SECRET` and so on."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from tallystick.partners.contract import Settings

Text = Annotated[str, msgspec.Meta(min_length=1)]

# Where the pages are that belong to an API host: Dwolla's documentation for the US, Tink's for
# Europe. The simulator serves both under one address.
_LINKS = {"api.us.tink.com": "https://link.visa.com", "api.tink.com": "https://link.tink.com"}


class VisaSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Tink is and who we are there.

    - `client_id`, `client_secret`: of the app in Tink's console; its redirect URIs must have the
      gateway's callback address.
    - `link_url`: where the connect pages are; None is the address that belongs to `base_url`.
    - `webhook_secret`: what Tink answered when the webhook endpoint was registered; None refuses
      all webhooks.
    """

    client_id: Text
    client_secret: Text
    link_url: Text | None = None
    webhook_secret: Text | None = None

    def __post_init__(self) -> None:
        """Plain http is only good enough for the pages where Tink itself is spoken to so."""
        if self.link_url and urlsplit(self.link_url).scheme not in {
            "https",
            urlsplit(self.base_url).scheme,
        }:
            raise ValueError("link_url must be an https URL")

    def link_base(self) -> str:
        """The address of the connect pages, without a trailing slash."""
        host = urlsplit(self.base_url).hostname or ""
        return (self.link_url or _LINKS.get(host) or self.base_url).rstrip("/")
