"""Hosts and the switches between them: network namespaces, bridges, and cables that can be pulled.

Nothing of it is seen by the machine's own network, and two of them do not see each other. A pulled
cable loses what is sent, silently, as a partition does: neither end is told.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

_NAMED = Path("/run/netns")
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_libc = ctypes.CDLL(None, use_errno=True)


def why_not() -> str | None:
    """Why namespaces cannot be made here; None if they can."""
    if shutil.which("ip") is None:
        return "iproute2 is not here"
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"tallystick{os.getpid()}-probe"
    try:
        _ip("netns", "add", name)
        _ip("-n", name, "link", "add", "one", "type", "veth", "peer", "name", "two")
        _ip("-n", name, "link", "add", "switch", "type", "bridge")
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made here: {error.stderr.strip()}"
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    return None


def enter(path: str | Path) -> None:
    """This thread, and what it starts, is on that host from now on."""
    with Path(path).open() as namespace:
        if _libc.setns(namespace.fileno(), _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), f"setns {path}")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


_numbers = itertools.count()


class Network:
    """`switches`: name → the first three numbers of the addresses on it, `10.77.1`."""

    def __init__(self, switches: Mapping[str, str]) -> None:
        self._prefix = f"tallystick{os.getpid()}n{next(_numbers)}"
        self._switches = switches
        self._hosts: list[str] = []
        self._cables: dict[tuple[str, str], str] = {}
        self.pulled: set[tuple[str, str]] = set()
        self.add_host("hub")
        for each in switches:
            self._hub("link", "add", each, "type", "bridge")
            self._hub("link", "set", each, "up")

    def path(self, host: str) -> Path:
        """The namespace, as `enter` takes it."""
        return _NAMED / f"{self._prefix}-{host}"

    def add_host(self, host: str) -> None:
        _ip("netns", "add", f"{self._prefix}-{host}")
        self._hosts.append(host)
        self._on(host, "link", "set", "lo", "up")

    def connect(self, host: str, switch: str, number: int, card: str | None = None) -> str:
        """A cable from a new network card of `host` to the switch; the card's address."""
        card = card or switch
        port = f"p{len(self._cables)}"
        there = f"{self._prefix}-{host}"
        self._hub("link", "add", port, "type", "veth", "peer", "name", card, "netns", there)
        self._hub("link", "set", port, "master", switch, "up")
        self._cables[host, card] = port
        address = f"{self._switches[switch]}.{number}"
        self._use(host, card, address)
        return address

    def _use(self, host: str, card: str, address: str) -> None:
        self._on(host, "address", "add", f"{address}/24", "dev", card)
        self._on(host, "link", "set", card, "up")

    def pull(self, host: str, card: str) -> None:
        self._hub("link", "set", self._cables[host, card], "nomaster")
        self.pulled.add((host, card))

    def plug(self, host: str, card: str, switch: str | None = None) -> None:
        self._hub("link", "set", self._cables[host, card], "master", switch or card)
        self.pulled.discard((host, card))

    def move(self, card: str, old: str, new: str, address: str) -> None:
        """Take a card out of one host and put it into another, cable and address and all."""
        self._on(old, "link", "set", card, "netns", f"{self._prefix}-{new}")
        self._cables[new, card] = self._cables.pop((old, card))
        if (old, card) in self.pulled:
            self.pulled.remove((old, card))
            self.pulled.add((new, card))
        self._use(new, card, address)

    @contextlib.contextmanager
    def at(self, host: str) -> Iterator[None]:
        """The block, in this thread, runs on that host."""
        home = f"/proc/self/task/{ctypes.CDLL(None).gettid()}/ns/net"
        with Path(home).open() as back:
            enter(self.path(host))
            try:
                yield
            finally:
                if _libc.setns(back.fileno(), _NEW_NETWORK):
                    raise OSError(ctypes.get_errno(), "setns")

    def _hub(self, *arguments: str) -> None:
        self._on("hub", *arguments)

    def _on(self, host: str, *arguments: str) -> None:
        _ip("-n", f"{self._prefix}-{host}", *arguments)

    def close(self) -> None:
        for host in self._hosts:
            _ip("netns", "del", f"{self._prefix}-{host}")
        self._hosts.clear()
