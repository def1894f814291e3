"""Who may use the controls: programs on this machine, and pages that it serves itself.

A browser on this machine carries out what any page tells it to; a call that needs no leave of ours
reaches us whatever we answer. So its `Origin` must be ours. And a page whose name was led to this
machine after it was loaded (DNS rebinding) counts as ours, by its own name: so the name in `Host`
must be one of ours as well. An address in numbers cannot be led elsewhere.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Mapping
from urllib.parse import urlsplit


def why_not(headers: Mapping[str, str], names: Container[str]) -> str | None:
    """Why a call is not to be answered; None if it is. `names` are the gateway's, in lower case."""
    host, origin = headers.get("host"), headers.get("origin")
    if host is not None and not _is_ours(_name(f"//{host}"), names):
        return f"{host!r} is no name of this gateway: use an address, localhost or its public_url"
    own = (f"http://{host}", f"https://{host}")
    if origin is not None and origin not in own and not _is_loopback(_name(origin)):
        return "the control API does not answer: it comes from a web page of another origin"
    return None


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_ours(name: str, names: Container[str]) -> bool:
    return _is_loopback(name) or name in names or _address(name) is not None


def _is_loopback(name: str) -> bool:
    address = _address(name)
    if address is None:
        return name == "localhost" or name.endswith(".localhost")
    return address.is_loopback


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
