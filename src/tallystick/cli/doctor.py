"""`tallystick doctor`: whether a gateway could be started here, and what is in its way.

It looks and changes nothing: no folder, key or database is made, and nothing is migrated.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from cyclopts import Parameter

from tallystick.cli.outcome import FAILED
from tallystick.cli.output import Format, show, show_table
from tallystick.errors import ConfigurationError

if TYPE_CHECKING:
    from tallystick.server.config import Settings
    from tallystick.store.db import Database

OPTIONAL = {
    "chromium": "needed only to develop tallystick: its browser tests",
    "node": "needed only for `tallystick exec` on Node programs, and for our tests",
}
READY_S = 3.0


class Found(NamedTuple):
    check: str
    state: Literal["ok", "warn", "fail"]
    said: str


def doctor(
    *,
    host: Annotated[str | None, Parameter(help="Address to listen on (127.0.0.1).")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on (7420).")] = None,
    database_url: Annotated[str | None, Parameter(help="sqlite:///PATH or postgresql://…")] = None,
    mode: Annotated[str | None, Parameter(help="sandbox or live.")] = None,
    data_dir: Annotated[str | None, Parameter(help="Folder for key and state.")] = None,
    format: Format = "text",  # noqa: A002  # the option's name
) -> None:
    """Check settings, port, data folder, database and encryption key; 1 when something fails.

    Example: tallystick doctor --database-url postgresql://localhost/tallystick
    """
    flags = {name: value for name, value in locals().items() if name != "format"}
    found = list(_examine(flags))
    if format == "json":
        show([each._asdict() for each in found])
    else:
        show_table([(each.state, each.check, each.said) for each in found])
    if any(each.state == "fail" for each in found):
        sys.exit(FAILED)


def _examine(flags: dict[str, Any]) -> Iterator[Found]:
    from tallystick.server import config, logs

    logs.configure("error")
    try:
        settings = config.load(flags)
        config.partner_settings(settings)
    except ConfigurationError as error:
        yield Found("settings", "fail", str(error))
        return
    yield Found("settings", "ok", f"{settings.mode} mode")
    yield _port(settings)
    yield from _data_dir(Path(settings.data_dir))
    yield from asyncio.run(_store(settings))
    for name, why in OPTIONAL.items():
        path = shutil.which(name)
        yield Found(name, "ok" if path else "warn", path or f"not here; {why}")


# ── port ──────────────────────────────────────────────────────────────────────────────────────


def _port(settings: Settings) -> Found:
    """Free, or taken by a gateway that is well."""
    from tallystick.cli.serve import require_free

    at = f"{settings.host}:{settings.port}"
    try:
        require_free(settings)
    except (ConfigurationError, OSError) as error:
        status = _answered(settings)
        if status == "ready":
            return Found("port", "ok", f"a gateway that is ready serves on {at}")
        if status is not None:
            return Found("port", "fail", f"the gateway on {at} is not ready: {status}")
        return Found("port", "fail", str(error))
    return Found("port", "ok", f"{at} is free")


def _answered(settings: Settings) -> str | None:
    """What a gateway there says of itself; None when there is none."""
    import httpx2

    url = f"http://{settings.reachable_host}:{settings.port}/_tallystick/health/ready"
    try:
        said = httpx2.get(url, timeout=READY_S, trust_env=False).json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        return None
    return str(said["status"]) if isinstance(said, dict) and "status" in said else None


# ── folder ────────────────────────────────────────────────────────────────────────────────────


def _data_dir(folder: Path) -> Iterator[Found]:
    if not folder.exists():
        above = next(each for each in folder.absolute().parents if each.exists())
        makeable = above.is_dir() and os.access(above, os.W_OK | os.X_OK)
        said = "will be made" if makeable else f"cannot be made: {above} is not ours to write"
        yield Found("data folder", "ok" if makeable else "fail", f"{folder} {said}")
    elif not folder.is_dir():
        yield Found("data folder", "fail", f"{folder} is no folder")
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Found("data folder", "fail", f"{folder} is not ours to write")
    elif _is_open_to_others(folder):
        yield Found("data folder", "warn", f"others can look into it: chmod 700 {folder}")
    else:
        yield Found("data folder", "ok", str(folder))
    key = folder / "sandbox.key"
    if key.is_file() and _is_open_to_others(key):
        yield Found("key file", "fail", f"others can read it: chmod 600 {key}")


def _is_open_to_others(path: Path) -> bool:
    return os.name == "posix" and bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


# ── database and key ──────────────────────────────────────────────────────────────────────────


async def _store(settings: Settings) -> list[Found]:
    from tallystick.store.db import connect

    path = settings.store_url.removeprefix("sqlite:///")
    if path != settings.store_url and not os.path.exists(path):  # noqa: ASYNC240, PTH110
        return [Found("database", "ok", f"{path} will be made"), _key(settings)]
    db = connect(settings.store_url)
    try:
        await db.open()
    except Exception as error:  # noqa: BLE001  # each engine has its own; none is shown whole
        return [Found("database", "fail", f"cannot be opened ({type(error).__name__})")]
    try:
        return await _opened(settings, db)
    except Exception as error:  # noqa: BLE001  # the same
        return [Found("database", "fail", f"cannot be read ({type(error).__name__})")]
    finally:
        await db.close()


async def _opened(settings: Settings, db: Database) -> list[Found]:
    from tallystick.store import migrations

    version, head = await migrations.current(db), migrations.head()
    if version is None:
        return [
            Found("database", "warn", "reachable and empty: `tallystick migrate` or `serve`"),
            _key(settings),
        ]
    try:
        migrations.require_known(version)
    except ConfigurationError as error:
        return [Found("database", "fail", str(error))]
    if version < head:
        said = f"has the schema {version} of {head}: `tallystick migrate` or `serve`"
        return [Found("database", "warn", said), _key(settings)]
    said = f"reachable, schema {version}"
    found = Found("database", "ok", said)
    if db.risks:
        refused = settings.live and "fsync = off" in db.risks  # `serve` would not start
        said = f"{said}, but may lose what it commits: {', '.join(db.risks)}"
        found = Found("database", "fail" if refused else "warn", said)
    return [found, await _boxes(settings, db)]


def _key(settings: Settings) -> Found:
    """The key alone, where there is nothing yet that it would have to open."""
    from tallystick.server import config

    if not settings.encryption_key and not (Path(settings.data_dir) / "sandbox.key").exists():
        return Found("encryption key", "ok", "will be made")
    try:
        config.encryption_keys(settings)
    except (ConfigurationError, OSError, UnicodeDecodeError) as error:
        return Found("encryption key", "fail", _told(error))
    return Found("encryption key", "ok", "nothing is sealed yet")


async def _boxes(settings: Settings, db: Database) -> Found:
    """Whether the key unwraps every data key, and a box that is sealed opens."""
    from tallystick.clock import SystemClock
    from tallystick.ids import SystemEntropy
    from tallystick.server import config
    from tallystick.store.db import Statement
    from tallystick.store.vault import CannotOpen, KeyEncryptionKey, Vault

    if await db.one(Statement("SELECT number FROM data_key")) is None:
        return _key(settings)
    if not settings.encryption_key and not (Path(settings.data_dir) / "sandbox.key").exists():
        said = f"the database was sealed with a key that is not in {settings.data_dir}"
        return Found("encryption key", "fail", said)
    try:
        keys = [KeyEncryptionKey.of(key) for key in config.encryption_keys(settings)]
        vault = Vault(keys, SystemClock(), SystemEntropy())
        await vault.open(db)
        vault.check()
    except (ConfigurationError, OSError, UnicodeDecodeError) as error:
        return Found("encryption key", "fail", _told(error))
    except CannotOpen as error:
        return Found("encryption key", "fail", f"does not fit the database: {error}")
    return Found("encryption key", "ok", "opens what is sealed")


def _told(error: Exception) -> str:
    """Without what was read: it may be part of a key."""
    return str(error) if isinstance(error, ConfigurationError) else type(error).__name__
