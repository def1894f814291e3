"""Commands that work on the store itself, whether or not a gateway is running on it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from tallystick.cli.outcome import CommandFailed
from tallystick.clock import to_iso
from tallystick.core import Core
from tallystick.errors import StoreFailed
from tallystick.server import config, logs, operate
from tallystick.server.process import opened

Json = dict[str, Any]

# Longer than LEARNED_MS (`store/vault.py`): by then all processes that serve seal with the new key,
# and have written what they had sealed with the old one.
LEARNING_S = 10.0


async def create_application(
    name: str, client_id: str | None, withheld: Sequence[str], redirect_urls: Sequence[str]
) -> Json:
    async with reached(configured()) as core:
        made = await operate.create_application(
            core, name=name, client_id=client_id, withheld=withheld, redirect_urls=redirect_urls
        )
        return {
            "id": made.id,
            "account_id": made.account_id,
            "client_id": made.client_id,
            "client_secret": made.client_secret.reveal(),
        }


async def change_application(app_id: str, changes: Json) -> Json:
    async with reached(configured()) as core:
        await operate.change_application(core, app_id, **operate.checked_changes(changes))
        return {"id": app_id}


async def list_applications() -> list[Json]:
    async with reached(configured()) as core:
        return [operate.shown(row) for row in await operate.list_applications(core)]


async def rotate_keys() -> list[Json]:
    async with reached(configured()) as core:
        return list(await operate.rotate_keys(core, learning_s=LEARNING_S))


async def rewrap_keys() -> Json:
    async with reached(configured()) as core:
        return {"rewrapped": await operate.rewrap_keys(core)}


async def list_orphans() -> list[Json]:
    async with reached(configured()) as core:
        return [
            {
                "exchange": row.id,
                "partner": row.partner_key,
                "customer": row.customer_id,
                "why": row.failure,
                "created": to_iso(row.created_at),
            }
            for row in await operate.list_orphans(core)
        ]


async def resolve_orphan(exchange: str) -> Json:
    async with reached(configured()) as core:
        await operate.resolve_orphan(core, exchange)
        return {"resolved": exchange}


async def list_exchanges(*, sick: bool) -> list[Json]:
    async with reached(configured()) as core:
        found = await operate.list_exchanges(core)
        return [each for each in found if not sick or each["cause"] is not None]


async def check_exchange(exchange: str) -> Json:
    async with reached(configured()) as core:
        return await operate.check_exchange(core, exchange)


@contextlib.asynccontextmanager
async def reached(settings: config.Settings) -> AsyncIterator[Core]:
    """The gateway without its HTTP. Raises CommandFailed when the database does not answer."""
    try:
        async with opened(settings) as core:
            yield core
    except StoreFailed as error:
        raise CommandFailed(f"the database does not answer ({error})") from None


def configured() -> config.Settings:
    settings = config.load()
    logs.configure("warning")
    return settings
