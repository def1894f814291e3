"""Checkout.com's settings: `TALLYSTICK_CHECKOUT_BASE_URL`, `…_SECRET_KEY` and so on."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tallystick.partners.contract import Settings

Text = Annotated[str, msgspec.Meta(min_length=1)]


class CheckoutSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Checkout.com is and who we are there.

    - `base_url`: the host may begin with the account's own prefix, as Checkout.com asks for.
    - `secret_key`: `sk_…`, for calls from a server.
    - `public_key`: `pk_…`, for the integrator's page. No call of ours carries it; it is kept here
      so that both halves of a pair of keys are in one place.
    - `processing_channel_id`: `pc_…`; needed when the key may use several channels.
    - `webhook_secret`: the key that signs webhooks; None refuses all of them.
    - `landing_url`: where a payment that redirects would leave the browser. The API asks for it,
      and a session without 3DS never goes there.
    """

    secret_key: Text
    public_key: Text | None = None
    processing_channel_id: (
        Annotated[str, msgspec.Meta(pattern=r"\Apc_[A-Za-z0-9_]{26}\Z")] | None
    ) = None
    webhook_secret: Text | None = None
    landing_url: Annotated[
        str, msgspec.Meta(pattern=r"\Ahttps?://[^\s\"<>\\]+\Z", max_length=1024)
    ] = "https://example.com/"
