"""Where a webhook may go: an address that was checked, and the connection goes to that address.

A tenant chooses the URL and reads the answer (threats T4, T5), so in live a host's every address
must be a public one. The name is resolved once; a second look-up could give another answer.
`ipaddress.is_global` is not the filter: it lets at least five kinds of address through that are
embedded in others or lead inside.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

# A name server that does not answer holds a thread for as long as the C library waits for it.
RESOLVERS_MAX = 32

_REFUSED_V4 = {
    "unspecified": ("0.0.0.0/8",),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
    "loopback": ("127.0.0.0/8",),
    "link-local": ("169.254.0.0/16",),
    "metadata": ("168.63.129.16/32", "192.0.0.0/24"),
    "documentation": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    "benchmark": ("198.18.0.0/15",),
    "6to4": ("192.88.99.0/24",),
    "multicast": ("224.0.0.0/4",),
    "reserved": ("240.0.0.0/4",),
}
# Of IPv6 only 2000::/3 is public; of that these are not.
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = {
    "teredo": ("2001::/32",),
    "reserved": ("2001::/23", "3ffe::/16", "3fff::/20"),
    "documentation": ("2001:db8::/32",),
    "6to4": ("2002::/16",),
}
# Told apart for the log's sake: none of them is in 2000::/3.
_NAMED_V6 = {
    "unspecified": ("::/128",),
    "loopback": ("::1/128",),
    "ipv4-mapped": ("::ffff:0:0/96",),
    "nat64": ("64:ff9b::/96", "64:ff9b:1::/48"),
    "private": ("fc00::/7", "fec0::/10"),
    "link-local": ("fe80::/10",),
    "multicast": ("ff00::/8",),
}

_V4 = [(kind, ipaddress.IPv4Network(net)) for kind, nets in _REFUSED_V4.items() for net in nets]
_V6 = [
    (kind, ipaddress.IPv6Network(net))
    for table in (_NAMED_V6, _REFUSED_V6)
    for kind, nets in table.items()
    for net in nets
]

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class Refused(Exception):
    """The host has an address that webhooks must not go to, or its port is not one of theirs. Says
    which kind, not which.
    """


class Unresolved(Exception):
    """The host has no address."""


def refusal(address: str) -> str | None:
    """Why an address is not to be spoken to; None if it is a public one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "malformed"
    if isinstance(found, ipaddress.IPv4Address):
        return next((kind for kind, net in _V4 if found in net), None)
    if found.scope_id is not None:
        return "link-local"
    kind = next((kind for kind, net in _V6 if found in net), None)
    return kind or (None if found in _PUBLIC_V6 else "reserved")


class Egress:
    """The rule for one process. Everything is allowed in sandbox, and to hosts that are listed.

    `resolve` may replace the look-up in tests.
    """

    def __init__(
        self,
        *,
        live: bool,
        hosts: Collection[str] = (),
        ports: Collection[int] = (443, 8443),
        resolve: Resolve | None = None,
    ) -> None:
        self._live = live
        self._hosts = frozenset(hosts)
        self._ports = frozenset(ports)
        self._threads = ThreadPoolExecutor(RESOLVERS_MAX, "tallystick-resolve")
        self._resolve = resolve or self._look_up
        self._asked: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def addresses(self, host: str, port: int, *, secure: bool) -> Sequence[str]:
        """The addresses to connect to, all of them checked, in the order to try them.

        Raises Refused and Unresolved.
        """
        guarded = self._live and host not in self._hosts
        if guarded and not secure:
            raise Refused("not https")
        if guarded and port not in self._ports:
            raise Refused("port")
        found = [host] if _is_address(host) else await self._resolved(host, port)
        if not found:
            raise Unresolved
        if guarded:
            for address in found:
                if (kind := refusal(address)) is not None:
                    raise Refused(kind)
        return found

    async def _resolved(self, host: str, port: int) -> Sequence[str]:
        """Callers who ask for the same name at the same time share one look-up."""
        key = (host, port)
        if key not in self._asked:
            asked = asyncio.ensure_future(self._resolve(host, port))
            self._asked[key] = asked
            asked.add_done_callback(lambda _done: self._asked.pop(key, None))
        try:
            return await asyncio.shield(self._asked[key])
        except (OSError, UnicodeError):
            raise Unresolved from None

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        # Not the loop's own getaddrinfo: its few threads serve others, who must not wait.
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
