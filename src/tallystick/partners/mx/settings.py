"""MX's settings: `TALLYSTICK_MX_BASE_URL`, `…_CLIENT_ID`, `…_API_KEY` and so on."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tallystick.partners.contract import Settings

Text = Annotated[str, msgspec.Meta(min_length=1)]


class MxSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where MX is and who we are there.

    - `client_id`, `api_key`: from MX's client dashboard.
    - `processor_id`, `processor_api_key`: what MX gives a payment processor to redeem codes with
      (MX, "How-to Guide for Processors"); None where it is the client's.
    - `webhook_secret`: the password of the Basic credentials that MX is told to send with its
      webhooks, which it does not sign; None refuses all of them.
    """

    client_id: Text
    api_key: Text
    processor_id: Text | None = None
    processor_api_key: Text | None = None
    webhook_secret: Text | None = None
