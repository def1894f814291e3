"""What a command finds in its environment: the proxy, whom to trust, and the preloads."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallystick.cli.interception import jvm
from tallystick.cli.interception.destinations import Destinations, Gateway

SOURCES = Path(__file__).parent
# Settings of bundles in which other programs look first. They keep what was trusted before.
BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
NODE_BUNDLE = "NODE_EXTRA_CA_CERTS"
DIRECT = "localhost,127.0.0.1,::1"
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/cert.pem",
)


@dataclass(frozen=True)
class Ports:
    """Where the proxy listens, as a proxy and with TLS."""

    proxy: int
    tls: int


def write_files(
    folder: Path,
    authority: bytes,
    destinations: Destinations,
    ports: Ports,
    base: Mapping[str, str],
) -> None:
    """Everything that `variables` points to, in a folder that is ours and goes with the command."""
    plan: dict[str, Any] = {
        "routes": sorted(destinations.routes),
        "allowed": sorted(destinations.allowed),
        "port": ports.proxy,
        "tlsPort": ports.tls,
    }
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    for source, name in (("preload.cjs", "preload.cjs"), ("preload.py", "sitecustomize.py")):
        (folder / name).write_bytes((SOURCES / source).read_bytes())
    trusted = _trusted(base)
    (folder / "bundle.pem").write_bytes(authority + b"\n" + trusted)
    (folder / "trust.p12").write_bytes(jvm.trust_store(authority, trusted))
    (folder / "node.pem").write_bytes(authority + b"\n" + _read(base.get(NODE_BUNDLE)))


def variables(
    folder: Path, gateway: Gateway, ports: Ports, base: Mapping[str, str]
) -> dict[str, str]:
    """The environment of the command: `base`, led to us. Programs read either spelling."""
    proxy = f"http://127.0.0.1:{ports.proxy}"
    led = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "ALL_PROXY": proxy, "NO_PROXY": DIRECT}
    found = {name: value for name, value in base.items() if name.upper() not in led}
    found |= led | {name.lower(): value for name, value in led.items()}
    found |= dict.fromkeys(BUNDLES, str(folder / "bundle.pem"))
    found[NODE_BUNDLE] = str(folder / "node.pem")
    preload = f"--require {json.dumps(str(folder / 'preload.cjs'))}"
    found["NODE_OPTIONS"] = " ".join(filter(None, (preload, base.get("NODE_OPTIONS"))))
    java = jvm.options(str(folder / "trust.p12"), ports.proxy)
    found[jvm.VARIABLE] = " ".join(filter(None, (java, base.get(jvm.VARIABLE))))
    path = (str(folder), base.get("PYTHONPATH"))
    found["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    found["TALLYSTICK_URL"] = gateway.url
    return found


def _trusted(base: Mapping[str, str]) -> bytes:
    """The authorities that the command would trust without us: those set, or the system's."""
    named = [base.get(name) for name in BUNDLES]
    system = [ssl.get_default_verify_paths().cafile, *SYSTEM_BUNDLES]
    return next((found for path in (*named, *system) if (found := _read(path))), b"")


def _read(path: str | None) -> bytes:
    """A file that somebody else named: empty if it is not one that can be read."""
    try:
        return Path(path).read_bytes() if path else b""
    except OSError:
        return b""
