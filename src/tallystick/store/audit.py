"""Every change of state, also where Dwolla has no topic (decision 16). Only ever added to."""

from __future__ import annotations

from tallystick.store.db import Statement, Transaction

_ADD = Statement(
    "INSERT INTO audit (app_id, resource, resource_id, change, created_at)"
    " VALUES (:app_id, :resource, :resource_id, :change, :created_at)"
)


async def note(
    tx: Transaction, app_id: str, resource: str, resource_id: str, change: str, now_ms: int
) -> None:
    """Write that `resource` (`exchanges`) underwent `change` (`created`), in its transaction."""
    await tx.run(
        _ADD,
        app_id=app_id,
        resource=resource,
        resource_id=resource_id,
        change=change,
        created_at=now_ms,
    )
