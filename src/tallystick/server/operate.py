"""What the command line and the sandbox's control API do to a gateway besides its API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from tallystick.api import routes
from tallystick.api.applications import service as applications
from tallystick.api.applications.store import ApplicationRow
from tallystick.api.exchange_sessions import service as sessions
from tallystick.api.exchange_sessions.service import is_redirect_url
from tallystick.api.exchanges import service as exchanges
from tallystick.api.funding_sources import service as funding_sources
from tallystick.api.reseal import reseal_all
from tallystick.api.token import service as tokens
from tallystick.clock import to_iso
from tallystick.core import Core
from tallystick.errors import ApiError, ConfigurationError, NotFound, StoreFailed
from tallystick.ids import uuid4
from tallystick.secret import Secret
from tallystick.server import intake, render
from tallystick.server.reconcile import forget
from tallystick.server.routing import Table
from tallystick.store import copying
from tallystick.store.vault import CannotOpen

ROWS_AT_ONCE = 500

list_applications = applications.list_all
list_orphans = exchanges.list_orphans
resolve_orphan = exchanges.resolve_orphan

# What a reset of one application leaves to it: its credentials, keys and access tokens.
_KEPT = ("application", "data_key", "access_token")

# Far more turns than a sandbox has work for; a partner that never answers must not hold us.
_TURNS_MAX = 1_000

_JSON = (b"content-type", b"application/json; charset=UTF-8")


async def create_application(core: Core, **given: Any) -> applications.Created:
    """Make an application. Raises ConfigurationError, for an unknown scope too."""
    _check_scopes(core, given.get("withheld", ()))
    _check_redirects(given.get("redirect_urls", ()))
    return await applications.create(core, **given)


async def change_application(core: Core, app_id: str, **changes: Any) -> None:
    """Change an application. Raises ConfigurationError, for an unknown scope too."""
    _check_scopes(core, changes.get("withheld") or ())
    _check_redirects(changes.get("redirect_urls") or ())
    await applications.change(core, app_id, **changes)


def _check_scopes(core: Core, withheld: Iterable[str]) -> None:
    """A misspelt scope would withhold nothing, and nobody would notice."""
    known = {route.scope for route in routes() if route.scope is not None}
    known |= {f"exchange-sessions:{partner.manifest.key}" for partner in core.partners.all()}
    unknown = sorted(set(withheld) - known)
    if unknown:
        raise ConfigurationError(
            f"there is no scope {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        )


def _check_redirects(urls: Iterable[str]) -> None:
    wrong = [url for url in urls if not is_redirect_url(url)]
    if wrong:
        raise ConfigurationError(
            f"{', '.join(map(repr, wrong))}: a redirect URL is an https URL without user or "
            "fragment, http only on this machine, or an Android package name"
        )


async def provider_session(core: Core, session_id: str) -> tuple[str, str]:
    """The partner's key and what the partner gave for a session: a token or an address.

    Whose session it is does not matter here: this is for the sandbox, where every application
    belongs to whoever runs it. Raises NotFound.
    """
    for application in await applications.list_all(core):
        await core.vault.ready(core.db, application.id)
        try:
            shown = await sessions.show(core, application.id, session_id)
        except NotFound:
            continue
        provider = shown.provider
        data = provider.data or {}
        handle = provider.token or provider.href or data.get("id", "")
        return shown.partner.manifest.key, handle
    raise NotFound


async def application_of(core: Core, authorization: str | None) -> str | None:
    """The id of the application whose bearer token this is, or None."""
    try:
        return (await tokens.authenticate(core, authorization)).app_id
    except (ApiError, StoreFailed):
        return None


def render_error(
    core: Core, scope: MutableMapping[str, Any], error: ApiError
) -> tuple[int, render.Headers, bytes]:
    """What the gateway would answer this call with if it ran into `error`."""
    request_id = uuid4(core.entropy)
    headers = intake.Headers.of(scope["headers"])
    if scope["path"] == "/token":
        code = {401: "invalid_client", 500: "temporarily_unavailable"}
        raw = json.dumps({"error": code.get(error.status, "invalid_request")}).encode()
        answer: tuple[int, render.Headers, bytes] = (error.status, [_JSON], raw)
    else:
        found, _ = Table(routes()).find(scope["path"])
        links = intake.links(core.public_url, scope["scheme"], headers.get(b"host", b""))
        route = found.get(scope["method"])
        answer = render.failure(error, route, links, core.codes, request_id)
    status, sent, raw = answer
    own = [(b"content-length", b"%d" % len(raw)), (b"x-request-id", request_id.encode())]
    return status, [*sent, *own], raw


async def reset(core: Core, client: tuple[str, str] | None) -> None:
    """As after a start on an empty database, where `client` is the application that is there."""
    await copying.wipe(core.db)
    core.bearers.clear()
    core.ids.restart()
    await core.vault.open(core.db)
    if client is not None:
        client_id, secret = client
        await applications.ensure(
            core, name="tallystick", client_id=client_id, client_secret=Secret(secret)
        )


async def reset_application(core: Core, app_id: str) -> None:
    """Delete all that an application made; it stays signed in."""
    await copying.wipe_application(core.db, app_id, _KEPT)


async def copy(core: Core) -> bytes:
    """All that the gateway keeps; what is sealed stays sealed."""
    return copying.to_bytes(await copying.take(core.db))


async def put_back(core: Core, raw: bytes) -> None:
    """Replace all that the gateway keeps by a copy. Raises ConfigurationError, changing nothing."""
    before = await copying.take(core.db)
    try:
        await copying.put_back(core.db, copying.from_bytes(raw))
    except copying.CannotPutBack as error:
        raise ConfigurationError(str(error)) from None
    core.bearers.clear()
    try:
        await core.vault.open(core.db)
    except CannotOpen as error:
        await copying.put_back(core.db, before)
        await core.vault.open(core.db)
        raise ConfigurationError(str(error)) from None


async def settle(core: Core) -> None:
    """Do all that is due by the clock, as the process would by and by (reconcile.py)."""
    for _ in range(_TURNS_MAX):
        if not await exchanges.resume(core) + await exchanges.sweep(core) + await forget(core):
            return


async def list_exchanges(core: Core) -> Sequence[dict[str, Any]]:
    """How every exchange of every application is, oldest first."""
    found: list[dict[str, Any]] = []
    after = ""
    while rows := await exchanges.list_every(core, after, ROWS_AT_ONCE):
        found += [_health(row) for row in rows]
        after = rows[-1].id
    return found


async def check_exchange(core: Core, exchange_id: str) -> dict[str, Any]:
    """Ask the partner now; how the exchange then is. Raises NotFound."""
    return _health(await exchanges.check_any(core, exchange_id))


async def drive_exchange(core: Core, exchange_id: str, verb: str) -> dict[str, Any]:
    """Put an exchange into a state without its partner, for the sandbox. Raises NotFound."""
    return _health(await exchanges.drive_any(core, exchange_id, verb))


async def unverify_source(core: Core, source_id: str) -> dict[str, Any]:
    """Take back that a funding source was verified, for the sandbox.

    Raises NotFound and InvalidResourceState.
    """
    row = await funding_sources.unverify_any(core, source_id)
    return {"id": row.id, "application": row.app_id, "status": row.status}


def _health(row: exchanges.Held) -> dict[str, Any]:
    """As an operator sees it: nothing that is sealed, nothing that names a person."""
    return {
        "id": row.id,
        "application": row.app_id,
        "partner": row.partner_key,
        "status": row.status,
        "cause": row.cause,
        "code": row.cause_code,
        "since": _iso(row.cause_at),
        "deadline": _iso(row.deadline_at),
        "last_seen_well": _iso(row.seen_well_at),
    }


def _iso(at_ms: int | None) -> str | None:
    return None if at_ms is None else to_iso(at_ms)


async def rotate_keys(core: Core, *, learning_s: float = 0.0) -> Sequence[dict[str, Any]]:
    """A new data key for every application, and every box sealed anew; how many per table.

    Between the two, `learning_s` seconds for the processes that serve to learn the new keys and to
    seal with them: a cell that is sealed with an old one after its table was walked stays so.
    """
    for application in await applications.list_all(core):
        await core.vault.rotate(core.db, application.id)
    await asyncio.sleep(learning_s)
    return await reseal_all(core)


async def rewrap_keys(core: Core) -> int:
    """Wrap every data key by the encryption key in use; how many changed."""
    return await core.vault.rewrap(core.db)


def shown(row: ApplicationRow) -> dict[str, Any]:
    """An application as the command line and the control API show it: without its secret."""
    return {
        "id": row.id,
        "client_id": row.client_id,
        "account_id": row.account_id,
        "account_name": row.account_name,
        "status": row.status,
        "account_status": row.account_status,
        "withheld": json.loads(row.withheld),
        "redirect_urls": json.loads(row.redirect_urls),
    }


def checked_changes(body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for `change_application`. Raises ConfigurationError for anything else."""
    allowed: dict[str, tuple[str, ...] | None] = {
        "status": ("active", "disabled"),
        "account_status": ("active", "suspended"),
        "withheld": None,
        "redirect_urls": None,
    }
    for name, value in body.items():
        if name not in allowed:
            raise ConfigurationError(f"{name!r} cannot be changed; only {', '.join(allowed)}")
        values = allowed[name]
        if values is not None and value not in values:
            raise ConfigurationError(f"{name} is one of {', '.join(values)}")
        if values is None and not all(isinstance(each, str) for each in value):
            raise ConfigurationError(f"{name} is a list of text")
    return dict(body)
