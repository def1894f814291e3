"""Finicity's settings: `TALLYSTICK_FINICITY_BASE_URL`, `…_PARTNER_ID` and so on."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tallystick.partners.contract import Settings

Text = Annotated[str, msgspec.Meta(min_length=1)]


class FinicitySettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Finicity is and who we are there: a partner of our own, the processor.

    - `partner_id`, `partner_secret`, `app_key`: from Mastercard's developer dashboard. Integrators
      name `partner_id` as the third party when they have a receipt made for us.
    """

    partner_id: Text
    partner_secret: Text
    app_key: Text
