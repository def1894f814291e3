"""Making applications, and finding the one behind a pair of client credentials."""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec

from tallystick.api.applications import store
from tallystick.api.applications.store import ApplicationRow
from tallystick.api.events import service as events
from tallystick.core import Core
from tallystick.errors import ConfigurationError
from tallystick.ids import base62
from tallystick.secret import Secret
from tallystick.store import audit
from tallystick.store.db import Transaction

ACTIVE = "active"
CLIENT_CHARS = 50
CLIENT_CHARS_MAX = 255

Status = Literal["active", "disabled"]
AccountStatus = Literal["active", "suspended"]


@dataclass(frozen=True, slots=True)
class Created:
    """A new application. The secret is shown this once; only its hash is kept."""

    id: str
    account_id: str
    client_id: str
    client_secret: Secret[str]


async def create(
    core: Core,
    *,
    name: str,
    client_id: str | None = None,
    client_secret: Secret[str] | None = None,
    withheld: Iterable[str] = (),
    redirect_urls: Iterable[str] = (),
) -> Created:
    """Make an application with an account called `name`.

    Raises ConfigurationError when the client id is taken.
    """
    app_id = core.ids.new()
    client = client_id or base62(core.entropy, CLIENT_CHARS)
    secret = client_secret or Secret(base62(core.entropy, CLIENT_CHARS))
    row = ApplicationRow(
        id=app_id,
        client_id=client,
        client_secret_hash=core.vault.hash(secret.reveal().encode()),
        account_id=core.ids.new(),
        account_name=name,
        status=ACTIVE,
        account_status=ACTIVE,
        withheld=_as_json(withheld),
        redirect_urls=_as_json(redirect_urls),
        created_at=core.clock.now_ms(),
    )

    async def add(tx: Transaction) -> bool:
        if not await store.add(tx, row):
            return False
        await core.vault.add_application(tx, app_id)
        await audit.note(tx, app_id, "applications", app_id, "created", row.created_at)
        return True

    if not await core.db.transact(add):
        raise ConfigurationError(f"there is already an application with client id {client!r}")
    await core.vault.ready(core.db, app_id)
    return Created(app_id, row.account_id, client, secret)


async def change(
    core: Core,
    app_id: str,
    *,
    status: Status | None = None,
    account_status: AccountStatus | None = None,
    withheld: Iterable[str] | None = None,
    redirect_urls: Iterable[str] | None = None,
) -> None:
    """Switch an application, its account or its scopes on and off.

    Raises ConfigurationError when there is no such application.
    """

    async def apply(tx: Transaction) -> bool:
        row = await store.hold(tx, app_id)
        if row is None:
            return False
        fresh = msgspec.structs.replace(
            row,
            status=status or row.status,
            account_status=account_status or row.account_status,
            withheld=row.withheld if withheld is None else _as_json(withheld),
            redirect_urls=row.redirect_urls if redirect_urls is None else _as_json(redirect_urls),
        )
        await store.update(tx, fresh)
        now_ms = core.clock.now_ms()
        for name in ("status", "withheld", "redirect_urls"):
            value = getattr(fresh, name)
            if value != getattr(row, name):
                said = f"{name}: {value}"
                await audit.note(tx, app_id, "applications", app_id, said, now_ms)
        if account_status not in {None, row.account_status}:
            topic: events.Topic = (
                "account_suspended" if account_status == "suspended" else "account_activated"
            )
            await events.record(core, tx, app_id, topic, "accounts", row.account_id)
        return True

    changed = await core.db.transact(apply)
    core.bearers.clear()
    if not changed:
        raise ConfigurationError(f"there is no application {app_id}")


async def ensure(core: Core, *, name: str, client_id: str, client_secret: Secret[str]) -> None:
    """The application with exactly these credentials, made if it is not there."""
    if await store.find_by_client_id(core.db, client_id) is None:
        with contextlib.suppress(ConfigurationError):  # another process was faster
            await create(core, name=name, client_id=client_id, client_secret=client_secret)


async def list_all(core: Core) -> list[ApplicationRow]:
    return await store.list_all(core.db)


async def authenticate(core: Core, client_id: str, client_secret: str) -> ApplicationRow | None:
    """The application with these credentials, or None.

    An unknown client takes the same path as a wrong secret (threat T15).
    """
    row = None
    # NUL is in no client id, and PostgreSQL refuses even to look for it.
    if 0 < len(client_id) <= CLIENT_CHARS_MAX and "\0" not in client_id:
        row = await store.find_by_client_id(core.db, client_id)
    presented = core.vault.hash(client_secret.encode("utf-8", "replace"))
    known = row.client_secret_hash if row else bytes(len(presented))
    return row if hmac.compare_digest(presented, bytes(known)) and row else None


def _as_json(texts: Iterable[str]) -> str:
    return msgspec.json.encode(sorted(set(texts))).decode()
