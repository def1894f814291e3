"""What a simulation does to our resources: a customer's verification is told what is wrong."""

from __future__ import annotations

from tallystick.api.customers import service as customers
from tallystick.core import Core
from tallystick.errors import BadRequest, NotFound
from tallystick.store.idempotency import Claim, Outcome


def require_sandbox(core: Core) -> None:
    """Raises NotFound in live mode: only Dwolla's sandbox host has this (contract 6.9)."""
    if core.live:
        raise NotFound


async def direct(
    core: Core,
    app_id: str,
    customer_id: str | None,
    error_code: str,
    claim: Claim | None,
    answer: bytes,
) -> Outcome:
    """Have a business that waits for a retry or a document show this error.

    Raises Conflict, and BadRequest, the one error that is documented, for any other customer.
    """
    if customer_id is None:
        raise BadRequest
    return await customers.direct(core, app_id, customer_id, error_code, claim, answer)
