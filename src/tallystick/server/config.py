"""Settings: one frozen struct from flags, environment and `tallystick.toml`, in that order.

Unknown keys are refused with a suggestion. A partner's settings are `TALLYSTICK_PLAID_CLIENT_ID` in
the environment, `[partners.plaid]` in the file. Live mode refuses what only a sandbox may have.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import ipaddress
import os
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from urllib.parse import SplitResult, urlsplit

import msgspec

from tallystick.errors import ConfigurationError
from tallystick.partners import registry
from tallystick.partners.contract import Manifest, Settings as PartnerSettings

Mode = Literal["sandbox", "live"]

PREFIX = "TALLYSTICK_"
FILE = "tallystick.toml"
PORTS_END = 65_536
STORES = ("sqlite:///", "postgresql://", "postgres://")
SANDBOX = "sandbox"
SANDBOX_CLIENT = ("sandbox-key", "sandbox-secret")
SANDBOX_ALIASES = ("https://api.dwolla.com", "https://api-sandbox.dwolla.com")

# Read by the SDK and the tests, not by the server.
_NOT_OURS = frozenset({"url", "log", "config", "tests_strict", "tests_long", "tests_postgres"})


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Its repr shows names only.

    - `database_url`: `sqlite:///PATH` or `postgresql://…`. `data_dir` holds what is not in the
      database: the sandbox's key file and the simulators' state.
    - `public_url`: base of every link in answers; None takes the request's scheme and Host.
    - `encryption_key`: 64 hex digits; the key over all keys. `encryption_keys_old`: those it
      replaced, comma-separated, until `tallystick keys rewrap` has run.
    - `alias_urls`: base URLs that clients' links may carry besides ours, comma-separated.
    - `codes`: `seed` spells error codes as the specification does, `pascal` as the prose does.
    - `compat`: partners that are only listed on demand: `compat.visa = true` in the file,
      `TALLYSTICK_COMPAT_VISA=true` in the environment (decision 17).
    - `seed`: makes ids, tokens and secrets the same from run to run; sandbox only.
    - `cors_origins`: comma-separated; None is every origin in sandbox and none in live.
    - `deliver_webhooks`: whether `serve` delivers; else only `tallystick worker` does.
    - `webhook_hosts`: host names, comma-separated, that webhooks may go to in live although their
      address is private, their scheme http or their port another.
    - `webhook_ports`: the ports, comma-separated, that webhooks may go to in live.
    """

    mode: Mode = "sandbox"
    host: str = "127.0.0.1"
    port: int = 7420
    workers: int = 1
    data_dir: str = ".tallystick"
    database_url: str | None = None
    public_url: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    encryption_key: str | None = None
    encryption_keys_old: str = ""
    alias_urls: str | None = None
    codes: Literal["seed", "pascal"] = "seed"
    seed: int | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    cors_origins: str | None = None
    compat: Mapping[str, bool] = {}
    deliver_webhooks: bool = True
    webhook_hosts: str = ""
    webhook_ports: str = "443,8443"
    partners: Mapping[str, Mapping[str, str]] = {}

    def __repr__(self) -> str:
        return f"Settings(mode={self.mode!r}, port={self.port})"

    @property
    def live(self) -> bool:
        return self.mode == "live"

    @property
    def store_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir}/tallystick.db"

    @property
    def base_url(self) -> str:
        """The base of links where there is no request to take it from."""
        return self.public_url or f"http://{self.reachable_host}:{self.port}"

    @property
    def reachable_host(self) -> str:
        """Where this machine reaches the gateway, as an address spells it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"[{host}]" if ":" in host else host

    @property
    def aliases(self) -> Sequence[str]:
        if self.alias_urls is None:
            return () if self.live else SANDBOX_ALIASES
        return [url.strip().rstrip("/") for url in self.alias_urls.split(",") if url.strip()]

    @property
    def webhook_host_names(self) -> Sequence[str]:
        return [name.strip().lower() for name in self.webhook_hosts.split(",") if name.strip()]

    @property
    def webhook_port_numbers(self) -> Sequence[int]:
        """Those that are no number are 0, which `load` refuses."""
        texts = [text.strip() for text in self.webhook_ports.split(",") if text.strip()]
        return [int(text) if text.isdecimal() else 0 for text in texts]

    @property
    def client(self) -> tuple[str, str] | None:
        """The application that exists from the start, if there is one."""
        if self.client_id and self.client_secret:
            return self.client_id, self.client_secret
        return None if self.live else SANDBOX_CLIENT


def load(
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """The settings in force. Raises ConfigurationError naming everything that is wrong."""
    manifests = registry.manifests()
    values: dict[str, Any] = {"partners": {}}
    path = file or Path(FILE)
    if path.exists():
        values |= _read_file(path)
    environment = os.environ if environ is None else environ
    for name, text in environment.items():
        if name.startswith(PREFIX):
            _place(values, name.removeprefix(PREFIX).lower(), text, name, manifests)
    values |= {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_explained(str(error), values)) from None
    _check(settings)
    return settings


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return {"partners": {}} | tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _place(
    values: dict[str, Any], key: str, text: str, name: str, manifests: Sequence[Manifest]
) -> None:
    """Put one environment variable where it belongs."""
    if key in Settings.__struct_fields__ and key not in ("partners", "compat"):
        values[key] = text
        return
    for manifest in manifests:
        if manifest.opt_in and key == f"compat_{manifest.key}":
            values["compat"] = {**values.get("compat", {}), manifest.key: text}
            return
        own = key.removeprefix(f"{manifest.key}_")
        if own != key and own in manifest.settings.__struct_fields__:
            values["partners"] = {
                **values["partners"],
                manifest.key: {**values["partners"].get(manifest.key, {}), own: text},
            }
            return
    if key not in _NOT_OURS:
        raise ConfigurationError(f"{name} is not a setting{_suggest(key)}")


def _explained(error: str, values: Mapping[str, Any]) -> str:
    """What msgspec refused, in words of settings. Texts are not repeated: they may be secrets."""
    if "unknown field `" in error:
        name = error.split("`")[1]
        return f"{name} is not a setting{_suggest(name)}"
    reason, _, place = error.partition(" - at `$.")
    name = place.rstrip("`")
    wanted = {each.name: each.type for each in msgspec.structs.fields(Settings)}.get(name)
    if wanted is bool:
        return f"{name} is true or false, not {values[name]!r}"
    if wanted in (int, int | None):
        return f"{name} is a whole number, not {values[name]!r}"
    if get_origin(wanted) is Literal:
        return f"{name} is {' or '.join(get_args(wanted))}, not {values[name]!r}"
    return f"{name}: {reason}" if name else reason


def _suggest(word: str) -> str:
    close = difflib.get_close_matches(word, Settings.__struct_fields__, 1)
    return f" (did you mean {close[0]}?)" if close else ""


def _check(settings: Settings) -> None:
    keys = {manifest.key for manifest in registry.manifests()}
    on_demand = {manifest.key for manifest in registry.manifests() if manifest.opt_in}
    wrong = [f"compat.{key} is not a setting" for key in sorted(settings.compat.keys() - on_demand)]
    wrong += [f"there is no partner {key!r}" for key in sorted(settings.partners.keys() - keys)]
    wrong += _wrong_about_serving(settings)
    if settings.live:
        if not settings.encryption_key:
            wrong.append("live mode needs an encryption key: encryption_key, 64 hex digits")
        if not settings.public_url:
            wrong.append("live mode needs a public_url")
        if settings.seed is not None:
            wrong.append("seed makes secrets predictable and is refused in live mode")
        if settings.client and set(settings.client) & set(SANDBOX_CLIENT):
            wrong.append("the sandbox's client credentials are refused in live mode")
    wrong.extend(
        f"{url!r} must be an http(s) URL without a trailing slash"
        for url in (settings.public_url, *settings.aliases)
        if url is not None and (_split(url).scheme not in ("http", "https") or url.endswith("/"))
    )
    if wrong:
        raise ConfigurationError("; ".join(wrong))


def _wrong_about_serving(settings: Settings) -> Iterator[str]:
    if not 0 < settings.port < PORTS_END:
        yield f"port is a number from 1 to {PORTS_END - 1}"
    if settings.workers < 1:
        yield "workers is a number from 1"
    if not settings.store_url.startswith(STORES):
        yield "database_url begins with sqlite:/// or postgresql://"
    elif not _is_readable(settings.store_url):
        yield (
            "database_url is postgresql://USER:PASSWORD@HOST:PORT/NAME, and in a password / is"
            " written %2F"
        )
    elif settings.workers > 1 and settings.store_url.startswith("sqlite:///"):
        yield "several workers need PostgreSQL: give a postgresql:// database_url"
    elif settings.store_url.startswith("postgres") and importlib.util.find_spec("asyncpg") is None:
        yield "PostgreSQL needs asyncpg: pip install 'tallystick[server,postgres]'"
    if not all(0 < port < PORTS_END for port in settings.webhook_port_numbers):
        yield "webhook_ports are numbers such as 443,8443"


def _split(url: str) -> SplitResult:
    """Its parts; none when it cannot be read."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _is_readable(url: str) -> bool:
    """Whoever opens the address would tell what is no port in it, say a part of a password."""
    if url.startswith("sqlite:///"):
        return True
    try:
        hosts = urlsplit(url).netloc.rpartition("@")[2].split(",")
        return 0 not in [urlsplit(f"//{host}").port for host in hosts]
    except ValueError:
        return False


# ── partners ──────────────────────────────────────────────────────────────────────────────────


def partner_settings(settings: Settings) -> Mapping[str, PartnerSettings]:
    """Settings of every partner in use, by key.

    In sandbox every partner is in use and speaks to its simulator on our own port unless told
    otherwise. In live those that have settings are. Raises ConfigurationError.
    """
    found = {}
    for manifest in registry.manifests():
        if manifest.opt_in and not settings.compat.get(manifest.key):
            continue
        given = dict(settings.partners.get(manifest.key, {}))
        if settings.live and not given:
            continue
        if not settings.live:
            given = _sandbox_defaults(settings, manifest) | given
        try:
            found[manifest.key] = registry.read_settings(manifest, given)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"partners.{manifest.key}: {error}") from None
        if settings.live:
            _check_live(manifest.key, given)
    return found


def _sandbox_defaults(settings: Settings, manifest: Manifest) -> dict[str, str]:
    required = [field.name for field in msgspec.structs.fields(manifest.settings) if field.required]
    base_url = f"http://{settings.reachable_host}:{settings.port}/_partners/{manifest.key}"
    return dict.fromkeys(required, SANDBOX) | {"base_url": base_url}


def _check_live(key: str, given: Mapping[str, str]) -> None:
    url = _split(given.get("base_url", ""))
    host = url.hostname or ""
    if url.scheme != "https" or host == "localhost" or _is_private(host):
        raise ConfigurationError(f"partners.{key}.base_url must be a public https URL in live mode")
    if SANDBOX in {value for name, value in given.items() if name != "base_url"}:
        raise ConfigurationError(f"partners.{key} has sandbox credentials, refused in live mode")


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


# ── the key over all keys ─────────────────────────────────────────────────────────────────────


def encryption_keys(settings: Settings) -> list[bytes]:
    """The key in use first, then those it replaced. In sandbox a key file is made when needed.

    Raises ConfigurationError.
    """
    texts = [settings.encryption_key or _sandbox_key(settings)]
    texts += [text.strip() for text in settings.encryption_keys_old.split(",") if text.strip()]
    try:
        keys = [bytes.fromhex(text) for text in texts]
    except ValueError:
        raise ConfigurationError("an encryption key is 64 hex digits") from None
    if any(len(key) != 32 for key in keys):
        raise ConfigurationError("an encryption key is 64 hex digits")
    return keys


def _sandbox_key(settings: Settings) -> str:
    path = Path(settings.data_dir) / "sandbox.key"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        _keep(path, os.urandom(32).hex() + "\n")
    return path.read_text(encoding="ascii").strip()


def _keep(path: Path, text: str) -> None:
    """Write a file that is whole from the moment it has its name, and outlives a power cut.

    Without it nothing that was sealed opens again. Of several processes the first one's stays.
    """
    handle, beside = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
    finally:
        Path(beside).unlink()
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def prepare_data_dir(settings: Settings) -> None:
    """Make the folders that SQLite's file and the sandbox's state live in, readable to us alone.

    Raises ConfigurationError.
    """
    folders = [Path(settings.data_dir)]
    if settings.store_url.startswith("sqlite:///"):
        folders.append(Path(settings.store_url.removeprefix("sqlite:///")).parent)
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigurationError(f"{folder} cannot be made: {error.strerror}") from None
