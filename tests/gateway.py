"""A whole sandbox gateway for tests: in this process, or behind a real socket."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from tallystick.cli.sandbox import Additions
from tallystick.cli.serve import build, server_config
from tallystick.clock import VirtualClock
from tallystick.core import Core
from tallystick.hal import MEDIA_TYPE
from tallystick.partners import registry
from tallystick.server import config
from tallystick.server.process import Process

from . import openapi

BASE = "http://127.0.0.1:7420"


class Api(httpx2.AsyncClient):
    """A client of the API that speaks its media type; `sign_in` gives it an access token.

    Every answer it gets is held against Dwolla's OpenAPI document.
    """

    made: dict[str, Any]

    async def request(self, *args: Any, **kwargs: Any) -> httpx2.Response:
        response = await super().request(*args, **kwargs)
        openapi.check(response, response.content)
        return response

    async def sign_in(self, client_id: str = "sandbox-key", secret: str = "sandbox-secret") -> None:
        answer = await self.post(
            "/token", auth=(client_id, secret), data={"grant_type": "client_credentials"}
        )
        answer.raise_for_status()
        self.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    async def partner_href(self, name: str) -> str:
        listed = (await self.get("/exchange-partners")).json()
        for each in listed["_embedded"]["exchange-partners"]:
            if each["name"] == name:
                return each["_links"]["self"]["href"]
        pytest.skip(f"{name} is not in this tree (see test_delete.py)")

    async def create(self, path: str, body: Any, **options: Any) -> str:
        answer = await self.post(path, json=body, **options)
        assert answer.status_code == 201, (answer.status_code, answer.text)
        return answer.headers["location"]

    async def customer(self, email: str | None = None, **fields: Any) -> str:
        number = next(_customers)
        return await self.create(
            "/customers",
            {
                "firstName": "Ada",
                "lastName": "Byron",
                "email": email or f"ada{number}@example.com",
                **fields,
            },
        )

    async def session(self, customer: str, partner: str) -> str:
        href = await self.partner_href(partner)
        body = {"_links": {"exchange-partner": {"href": href}}}
        return await self.create(f"{customer}/exchange-sessions", body)

    async def complete(self, session: str, **signs_in: Any) -> dict[str, Any]:
        session_id = session.rpartition("/")[2]
        answer = await self.post(
            f"/_tallystick/control/sessions/{session_id}/complete", json=signs_in
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def plaid_proof(self, customer: str, **signs_in: Any) -> dict[str, Any]:
        """The body of POST …/exchanges after somebody went through Plaid Link."""
        session = await self.session(customer, "Plaid")
        done = await self.complete(
            session,
            **{
                "institution": "ins_109508",
                "user": "user_good",
                "password": "pass_good",
                **signs_in,
            },
        )
        href = await self.partner_href("Plaid")
        return {
            "_links": {"exchange-partner": {"href": href}},
            "plaid": {"publicToken": done["publicToken"]},
        }

    async def mx_proof(self, customer: str, **signs_in: Any) -> dict[str, Any]:
        """The body of POST …/exchanges after somebody went through MX Connect."""
        session = await self.session(customer, "MX")
        await self.complete(
            session,
            **{"institution": "mxbank", "user": "mxuser", "password": "any", **signs_in},
        )
        listed = (await self.get(f"{customer}/available-exchange-connections")).json()
        token = listed["_embedded"]["available-exchange-connections"][0]["availableConnectionToken"]
        href = await self.partner_href("MX")
        return {
            "_links": {"exchange-partner": {"href": href}},
            "mx": {"availableConnectionToken": token},
        }

    async def proof(self, customer: str, partner: str) -> dict[str, Any]:
        """The body of POST …/exchanges after somebody went through this partner's page."""
        if partner == "MX":
            return await self.mx_proof(customer)
        href = await self.partner_href(partner)
        links = {"_links": {"exchange-partner": {"href": href}}}
        started = await self.post(f"{customer}/exchange-sessions", json=links)
        if started.status_code == 201:
            done = await self.complete(started.headers["location"])
        else:  # the integrator has a contract of its own with this partner
            key = next(each.key for each in registry.manifests() if each.name == partner)
            answer = await self.post(f"/_partners/{key}/_control/complete", json={})
            assert answer.status_code == 200, answer.text
            done = answer.json()
        return {**links, **done["proof"]}

    async def exchange(self, customer: str, partner: str = "Plaid") -> str:
        return await self.create(f"{customer}/exchanges", await self.proof(customer, partner))

    async def funding_source(self, customer: str, exchange: str, kind: str = "checking") -> str:
        return await self.create(
            f"{customer}/funding-sources",
            {
                "_links": {"exchange": {"href": exchange}},
                "bankAccountType": kind,
                "name": f"Ada - {kind}",
            },
        )


_customers = itertools.count(1)


@dataclass
class InProcess:
    """A gateway without a socket: its core, its clock, and clients of it."""

    process: Process
    core: Core
    clock: VirtualClock
    settings: config.Settings
    _clients: list[Api] = field(default_factory=list)

    def client(self) -> Api:
        client = Api(
            transport=httpx2.ASGITransport(app=self.process),
            base_url=BASE,
            headers={"Accept": MEDIA_TYPE},
        )
        self._clients.append(client)
        return client

    async def application(self, **body: Any) -> Api:
        """A client of a new, isolated application."""
        client = self.client()
        made = await client.post("/_tallystick/control/applications", json=body)
        assert made.status_code == 201, made.text
        await client.sign_in(made.json()["client_id"], made.json()["client_secret"])
        client.made = made.json()
        return client


@contextlib.asynccontextmanager
async def in_process(folder: Path, database_url: str, **flags: Any) -> AsyncIterator[InProcess]:
    """A sandbox gateway in this event loop; its connectors reach the simulators without a socket."""
    settings = config.load(
        {"data_dir": str(folder), "database_url": database_url, "log_level": "error", **flags},
        environ={},
        file=folder / "none.toml",
    )
    clock = VirtualClock()
    process: Process | None = None

    def transport(_key: str) -> httpx2.AsyncBaseTransport:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await process(scope, receive, send)

        return httpx2.ASGITransport(app=app)

    added = Additions(settings, transport)
    process = Process(
        settings,
        clock=clock,
        mounts=added.mounts,
        around=added.around,
        transport=added.transport,
        chaos=added.chaos,
    )
    added.process = process
    async with process.running() as core:
        gateway = InProcess(process, core, clock, settings)
        try:
            yield gateway
        finally:
            for client in gateway._clients:
                await client.aclose()


@dataclass
class Served:
    """A gateway behind a real socket."""

    url: str

    def application(self, **body: Any) -> dict[str, Any]:
        """The credentials of a new, isolated application."""
        answer = httpx2.post(f"{self.url}/_tallystick/control/applications", json=body, timeout=30)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def complete(self, session_id: str, **signs_in: Any) -> dict[str, Any]:
        url = f"{self.url}/_tallystick/control/sessions/{session_id}/complete"
        answer = httpx2.post(url, json=signs_in, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def simulate(self, key: str) -> dict[str, Any]:
        """Go through the page of a partner with which the integrator has its own contract."""
        answer = httpx2.post(f"{self.url}/_partners/{key}/_control/complete", json={}, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def served(folder: Path, database_url: str, **flags: Any) -> Iterator[Served]:
    """A sandbox gateway in a thread of its own, on a free port."""
    port = free_port()
    settings = config.load(
        {
            "data_dir": str(folder),
            "database_url": database_url,
            "port": port,
            "log_level": "error",
            **flags,
        },
        environ={},
        file=folder / "none.toml",
    )
    server = uvicorn.Server(server_config(settings, build(settings)))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive(), "the gateway did not start"
        assert time.monotonic() < deadline, "the gateway did not start in time"
        time.sleep(0.01)
    try:
        yield Served(f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join(20)
