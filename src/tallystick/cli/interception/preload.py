"""Imported by every Python of `tallystick exec`, as `sitecustomize`, from a folder of the command.

Many Python clients do not ask for a proxy (urllib3 alone, aiohttp, the generated ones of Plaid and
MX). Here the names of hosts that the gateway plays resolve to a stand-in address, and a connection
to it is led to the proxy, where TLS still checks the name. An audit hook refuses everything else
that is neither this machine nor allowed; nothing in the process can take it off again.

It stands alone and runs in the command's Python, which may be old: standard library only.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import ipaddress
import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

# A loopback address that nobody uses: code that resolves first and connects to the answer, with a
# port it remembered itself, is recognised by it.
STAND_IN = "127.84.65.76"
CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
RESOLVES = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})


class Guard:
    """What may be reached from this process, and the ways there. `plan`: see `environment.py`."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._routes = frozenset(plan["routes"])
        self._allowed = set(plan["allowed"])
        self._own_name = _normal(socket.gethostname())
        self._resolve = socket.getaddrinfo
        self._connect = socket.socket.connect
        self._connect_ex = socket.socket.connect_ex

    def install(self) -> None:
        """From now on."""

        def connect(sock: socket.socket, address: Any) -> None:
            self._connect(sock, self._led(address))

        def connect_ex(sock: socket.socket, address: Any) -> int:
            return self._connect_ex(sock, self._led(address))

        module: Any = socket  # which is not meant to be changed, nor are its methods
        module.getaddrinfo = self._getaddrinfo
        sockets: Any = socket.socket
        sockets.connect = connect
        sockets.connect_ex = connect_ex
        sys.addaudithook(self._check)
        sys.meta_path.insert(0, AfterImport("uvloop", self._install_in_uvloop))

    def _install_in_uvloop(self, uvloop: Any) -> None:
        """It resolves and connects in C, out of sight of `socket` and of audit hooks."""
        resolve, connect = uvloop.Loop.getaddrinfo, uvloop.Loop.create_connection

        async def getaddrinfo(loop: Any, host: Any, port: Any, **options: Any) -> Any:
            name = _normal(host)
            if name in self._routes:
                return await resolve(loop, STAND_IN, port, **options)
            self._refuse_other(name)
            return self._remember(name, await resolve(loop, host, port, **options))

        async def create_connection(
            loop: Any, factory: Any, host: Any = None, port: Any = None, **options: Any
        ) -> Any:
            if host is not None:
                if options.get("ssl") and options.get("server_hostname") is None:
                    options["server_hostname"] = host
                host, port = self._led((host, port))
            return await connect(loop, factory, host, port, **options)

        uvloop.Loop.getaddrinfo = getaddrinfo
        uvloop.Loop.create_connection = create_connection

    def _getaddrinfo(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = _normal(host)
        if name in self._routes:
            return self._resolve(STAND_IN, port, *args, **kwargs)
        return self._remember(name, self._resolve(host, port, *args, **kwargs))

    def _remember(self, name: str | None, found: Any) -> Any:
        """The addresses of an allowed name are allowed too."""
        if name in self._allowed:
            self._allowed.update(str(each[4][0]) for each in found)
        return found

    def _led(self, address: Any) -> Any:
        """The address to connect to in place of `address`. Raises PermissionError."""
        if not isinstance(address, tuple) or len(address) < 2:
            return address  # a socket of this machine
        name = _normal(address[0])
        if name != STAND_IN and name not in self._routes:
            self._refuse_other(name)  # here, before a name is looked up
            return address
        plain = str(address[1]) in ("80", "http")
        return "127.0.0.1", self._plan["port" if plain else "tlsPort"]

    def _check(self, event: str, args: tuple[Any, ...]) -> None:
        """The audit hook. Raises PermissionError."""
        if event in CONNECTS:
            address = args[1] if len(args) > 1 else None
            host = address[0] if isinstance(address, tuple) and len(address) > 1 else None
        elif event in RESOLVES and _normal(args[0]) != self._own_name:
            host = args[0]
        else:
            return
        self._refuse_other(_normal(host))

    def _refuse_other(self, name: str | None) -> None:
        if name is not None and not _is_loopback(name) and name not in self._allowed:
            raise PermissionError(f"tallystick exec refused a connection to {name}")


class AfterImport:
    """Finds one module as it always was found, and has something done when it has been imported."""

    def __init__(self, name: str, then: Callable[[Any], None]) -> None:
        self._name, self._then = name, then

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self._name:
            return None
        spec: Any = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                run(module)
                self._then(module)

            spec.loader.exec_module = exec_module
        return spec


def _normal(host: Any) -> str | None:
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii", "replace")
    return host.strip("[]").rstrip(".").lower() if isinstance(host, str) else None


def _is_loopback(name: str) -> bool:
    if name in ("", "localhost") or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _run_the_one_behind(folder: str) -> None:
    """A `sitecustomize` that was there before us is not lost."""
    others = [each for each in sys.path if os.path.abspath(each) != folder]  # noqa: PTH100
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if __name__ == "sitecustomize":
    _folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  # starts in a moment
    with open(os.path.join(_folder, "plan.json"), encoding="utf-8") as _file:  # noqa: PTH118, PTH123
        Guard(json.load(_file)).install()
    _run_the_one_behind(_folder)
