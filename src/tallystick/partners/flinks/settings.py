"""Flinks' settings: `TALLYSTICK_FLINKS_BASE_URL` and, for webhooks, `…_WEBHOOK_SECRET`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tallystick.partners.contract import Settings

Text = Annotated[str, msgspec.Meta(min_length=1)]


class FlinksSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the integrator's Flinks instance is.

    No key of ours: what a partner of an integrator shows Flinks is the pair that the integrator
    hands it (docs/partners/flinks.md).

    - `webhook_secret`: the HMAC key of the instance's webhooks; None refuses all of them.
    """

    webhook_secret: Text | None = None
