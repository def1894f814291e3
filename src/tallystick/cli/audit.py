"""`tallystick audit`: every change of state that the store keeps, also those without an event."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from cyclopts import Parameter

from tallystick.cli.output import Format, show
from tallystick.errors import ConfigurationError

LIMIT_MAX = 10_000


def audit(
    *,
    limit: Annotated[int, Parameter(help="At most so many.")] = 50,
    resource: Annotated[str | None, Parameter(help="Only such: exchanges, customers, …")] = None,
    id: Annotated[str | None, Parameter(help="Only what happened to this one.")] = None,  # noqa: A002
    application: Annotated[
        str | None, Parameter(help="Only of the application with this id.")
    ] = None,
    format: Format = "json",  # noqa: A002  # the option's name
) -> None:
    """List the changes of state in this store, newest first.

    Example: tallystick audit --resource exchanges --format text
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise ConfigurationError(f"--limit is from 1 to {LIMIT_MAX}")
    only = {"app_id": application, "resource": resource, "resource_id": id}
    show(asyncio.run(_entries(limit, only)), format)


async def _entries(limit: int, only: dict[str, str | None]) -> list[dict[str, Any]]:
    from tallystick.cli.operate import configured, reached  # imports the whole server
    from tallystick.clock import to_iso
    from tallystick.store import audit as entries

    async with reached(configured()) as core:
        return [
            {
                "number": each.number,
                "at": to_iso(each.created_at),
                "application": each.app_id,
                "resource": each.resource,
                "id": each.resource_id,
                "change": each.change,
            }
            for each in await entries.newest(core.db, limit, **only)
        ]
