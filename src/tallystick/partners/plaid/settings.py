"""Plaid's settings: `TALLYSTICK_PLAID_BASE_URL`, `…_CLIENT_ID` and so on."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tallystick.partners.contract import Settings

Text = Annotated[str, msgspec.Meta(min_length=1)]


class PlaidSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Plaid is, who we are there, and how Link looks.

    - `client_id`, `secret`: from Plaid's dashboard; the secret belongs to one environment.
    - `client_name`: shown in Link; Plaid shows "This Application" when it has over 30 characters.
    - `language`, `country_codes`: as Plaid spells them; several countries with commas, `US,CA`.
    - `link_customization_name`: a Link customization of Plaid's dashboard, or None for the default.
    """

    client_id: Text
    secret: Text
    client_name: Annotated[str, msgspec.Meta(min_length=1, max_length=30)] = "tallystick"
    language: Annotated[str, msgspec.Meta(pattern=r"\A[a-z]{2}\Z")] = "en"
    country_codes: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{2}(,[A-Z]{2})*\Z")] = "US"
    link_customization_name: Text | None = None
