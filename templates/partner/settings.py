"""The settings `TALLYSTICK_ACME_BASE_URL`, `…_CLIENT_ID` and so on.

REPLACE: the keys that the partner gives a client. In sandbox every required text is `sandbox`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from tallystick.partners.contract import Settings

Text = Annotated[str, msgspec.Meta(min_length=1)]


class AcmeSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who we are there; `webhook_secret` is the key of the HMAC over webhooks."""

    client_id: Text
    client_secret: Text
    webhook_secret: Text
