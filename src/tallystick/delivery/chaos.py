"""What may be done to a webhook on its way, on purpose: how the sandbox puts receivers to the test.

The rules are the sandbox's; here is only what the worker has to know of them, and nobody else's
worker has any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tallystick.api.webhooks.store import WebhookRow
from tallystick.delivery.post import Why


class Deed(Protocol):
    """What becomes of one scheduled attempt.

    - `lost`: it is never made, and none after it.
    - `put_off_ms`: not now but so much later by the clock, whatever comes meanwhile; with
      `overtaken`, as soon as another webhook of the subscription was tried.
    - `copies`: how often it is sent, at once.
    - `failure`: it fails so, without being sent; or, with `is_sent`, whatever is answered.
    """

    @property
    def lost(self) -> bool: ...
    @property
    def put_off_ms(self) -> int: ...
    @property
    def overtaken(self) -> bool: ...
    @property
    def copies(self) -> int: ...
    @property
    def failure(self) -> Why | None: ...
    @property
    def is_sent(self) -> bool: ...


Chaos = Callable[[WebhookRow], Deed | None]


def no_chaos(_webhook: WebhookRow) -> None:
    """Nothing is done to any webhook."""
