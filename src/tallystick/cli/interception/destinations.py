"""Which of the command's connections go where: to the gateway, to where they were meant, nowhere.

The hosts of Dwolla's API are contract 0.3; a partner's are in its manifest, and each lands on the
partner's simulator. Everything else that is not this machine must have been allowed by name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tallystick.errors import ConfigurationError
from tallystick.partners import registry

DWOLLA = (
    "api-sandbox.dwolla.com",
    "api.dwolla.com",
    "accounts-sandbox.dwolla.com",
    "accounts.dwolla.com",
)
# Where a partner's pages come from. Simulators serve them beside the API, under the same paths.
PAGES = {
    "cdn.plaid.com": "plaid",
    "int-widgets.moneydesktop.com": "mx",
    "widgets.moneydesktop.com": "mx",
}
# Dwolla's domains and those of every partner it names: not even `--allow` opens them.
NEVER = (
    "dwolla.com",
    "plaid.com",
    "mx.com",
    "moneydesktop.com",
    "flinks.com",
    "flinks.io",
    "fin.ag",
    "finicity.com",
    "mastercard.com",
    "checkout.com",
    "visa.com",
    "tink.com",
)
_NAME = re.compile(r"\A[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\Z")


@dataclass(frozen=True)
class Gateway:
    """Where the gateway listens. `tls` for one behind https."""

    host: str
    port: int
    tls: bool = False

    @property
    def authority(self) -> str:
        """What a Host header says of it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}"


def read_gateway(url: str) -> Gateway:
    """The gateway at `url`, which has no path. Raises ConfigurationError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = normal(parts.hostname or "")
    if parts.scheme not in ("http", "https") or host is None or parts.path not in ("", "/"):
        raise ConfigurationError("the URL of a gateway looks like http://127.0.0.1:7420")
    if is_real(host):
        raise ConfigurationError(f"{host} is not a gateway of yours")
    tls = parts.scheme == "https"
    return Gateway(host, port or (443 if tls else 80), tls)


@dataclass(frozen=True)
class Destinations:
    """What may be reached. `routes`: path prefix on the gateway by host; `allowed`: other hosts."""

    routes: Mapping[str, str]
    allowed: frozenset[str]

    def prefix(self, host: str) -> str | None:
        """The path prefix under which the gateway plays this host, or None if it does not."""
        return self.routes.get(host)

    def permits(self, host: str) -> bool:
        """Whether a connection may go where it wanted to: this machine, or an allowed host."""
        return is_loopback(host) or host in self.allowed


def destinations(allow: Iterable[str], gateway: Gateway) -> Destinations:
    """The table for one command. Raises ConfigurationError for what cannot be allowed."""
    allowed = set()
    for given in allow:
        host = normal(given)
        if host is None:
            raise ConfigurationError(f"--allow takes the name of a host, not {given!r}")
        if is_real(host):
            raise ConfigurationError(f"--allow {host}: a command here never reaches the real one")
        allowed.add(host)
    # The gateway's own links lead to it, wherever it is.
    return Destinations(_routes(), frozenset(allowed | {gateway.host}))


def _routes() -> dict[str, str]:
    routes: dict[str, str] = dict.fromkeys(DWOLLA, "")
    keys = set()
    for manifest in registry.manifests():
        if manifest.simulator is None:
            continue
        keys.add(manifest.key)
        for url in manifest.live_hosts:
            host = normal(urlsplit(url).hostname or "")
            if host is not None:
                routes[host] = f"/_partners/{manifest.key}"
    pages = {host: f"/_partners/{key}" for host, key in PAGES.items() if key in keys}
    return routes | pages


def normal(host: str) -> str | None:
    """The host in one spelling, without the brackets of IPv6; None if it is no host at all."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host if _NAME.match(host) else None


def is_loopback(host: str) -> bool:
    """Whether the host is this machine; 0.0.0.0 and :: connect to it too."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def is_real(host: str) -> bool:
    """Whether the host belongs to Dwolla or to a partner."""
    return any(host == domain or host.endswith(f".{domain}") for domain in NEVER)
