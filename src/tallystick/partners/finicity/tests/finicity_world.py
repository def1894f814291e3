"""The simulator on a port of its own; every answer is held against Mastercard's document."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tallystick.clock import DAY_MS, Clock, VirtualClock, to_iso
from tallystick.ids import SystemEntropy
from tallystick.partners.finicity import PARTNER
from tallystick.partners.finicity.connector import Connector
from tallystick.partners.finicity.proof import FinicityReceipt
from tallystick.partners.finicity.settings import FinicitySettings
from tallystick.partners.finicity.simulator.access import DWOLLA
from tallystick.partners.finicity.simulator.app import create
from tallystick.partners.finicity.tests import finicity_document
from tallystick.partners.http import PartnerHttp
from tallystick.partners.registry import GuardedPartner
from tallystick.sandbox.kit import ASSETS, ASSETS_URL, Kit, Shelf, open_shelves

PREFIX = "/_partners/finicity"
INTEGRATOR = "integrator"
CREDENTIALS = {"partnerId": INTEGRATOR, "partnerSecret": INTEGRATOR}


class Inspector:
    """ASGI: reads every answer on its way out and notes what the document does not promise."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.complaints: list[str] = []
        self.checked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        start: dict[str, Any] = {}
        body = bytearray()

        async def pass_on(message: Any) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    self._note(scope, start, bytes(body))
            await send(message)

        await self.app(scope, receive, pass_on)

    def _note(self, scope: Any, start: dict[str, Any], body: bytes) -> None:
        path = scope["path"].removeprefix(PREFIX)
        media = dict(start["headers"]).get(b"content-type", b"").decode().split(";")[0]
        self.checked += finicity_document.operation(scope["method"], path) is not None
        wrong = finicity_document.complaint(scope["method"], path, start["status"], media, body)
        if wrong:
            self.complaints.append(wrong)


class World:
    """A simulator, its clock and what it posted. `host` is an integrator's page, at `/host`."""

    def __init__(self, database: str, host: str = "") -> None:
        finicity_document.document()  # skips here, where a test can
        self.clock = VirtualClock()
        self.db = open_shelves(database)
        self.posted: list[tuple[str, bytes, dict[str, str]]] = []
        self.kit = Kit(
            partner="finicity",
            prefix=PREFIX,
            shelf=Shelf(self.db, "finicity"),
            clock=self.clock,
            entropy=SystemEntropy(),
            send=lambda url, body, headers: self.posted.append((url, body, dict(headers))),
        )
        self.inspector = Inspector(
            Starlette(
                routes=[
                    Mount(ASSETS_URL, StaticFiles(directory=ASSETS)),
                    Mount(PREFIX, create(self.kit)),
                    Route("/host", lambda _request: HTMLResponse(host)),
                ]
            )
        )
        self.base_url = f"http://simulator.test{PREFIX}"
        self.origin = "http://simulator.test"

    def transport(self) -> httpx2.ASGITransport:
        return httpx2.ASGITransport(app=self.inspector)

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        """Behind a socket, for a browser."""
        settings = uvicorn.Config(
            self.inspector, port=0, log_level="error", lifespan="off", ws="none"
        )
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        self.origin = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        self.base_url = self.origin + PREFIX
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(10)

    def connector(self, **settings: str) -> GuardedPartner:
        """The gateway's connector, speaking to this simulator."""
        own = {"partner_id": "sandbox", "partner_secret": "sandbox", "app_key": "sandbox"}
        http = PartnerHttp(self.base_url, transport=self.transport())
        made = FinicitySettings(base_url=self.base_url, **{**own, **settings})
        return GuardedPartner(PARTNER, Connector(made, http, self.clock))

    def integrator(self) -> Integrator:
        return Integrator(self.base_url, self.transport(), self.clock)


class Integrator:
    """A shop's server with its own contract at Finicity; `async with` signs it in."""

    def __init__(
        self, base_url: str, transport: httpx2.AsyncBaseTransport | None, clock: Clock
    ) -> None:
        self._clock = clock
        self.client = httpx2.AsyncClient(
            transport=transport,
            base_url=base_url,
            headers={"Finicity-App-Key": INTEGRATOR, "Accept": "application/json"},
        )

    async def __aenter__(self) -> Self:
        await self.sign_in()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def sign_in(self) -> None:
        answer = await self.client.post("/aggregation/v2/partners/authentication", json=CREDENTIALS)
        assert answer.status_code == 200, answer.text
        self.client.headers["Finicity-App-Token"] = answer.json()["token"]

    async def get(self, path: str, **params: Any) -> httpx2.Response:
        return await self.client.get(path, params=params)

    async def post(self, path: str, body: Any = None) -> httpx2.Response:
        return await self.client.post(path, json=body)

    async def customer(self, username: str = "customer-1", **fields: Any) -> str:
        body = {"username": username, **fields}
        answer = await self.post("/aggregation/v2/customers/testing", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def link(self, customer: str, path: str = "/connect/v2/generate", **more: Any) -> str:
        body = {"partnerId": INTEGRATOR, "customerId": customer, **more}
        answer = await self.post(path, body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["link"])

    async def complete(self, link: str, **signs_in: Any) -> httpx2.Response:
        return await self.post("/_control/complete", {"handle": link, **signs_in})

    async def accounts(self, customer: str, **signs_in: Any) -> list[dict[str, Any]]:
        """The accounts after somebody went through Connect."""
        done = await self.complete(await self.link(customer), **signs_in)
        assert done.status_code == 200, done.text
        listed = await self.post(f"/aggregation/v1/customers/{customer}/accounts")
        return listed.json()["accounts"]

    def key(self, customer: str, account: str, **changes: Any) -> dict[str, Any]:
        """The body that asks for an access key, as Mastercard's Dwolla example does."""
        now_ms = self._clock.now_ms()
        period = {
            "type": "timeframe",
            "startTime": to_iso(now_ms - 1_000),
            "endTime": to_iso(now_ms + 90 * DAY_MS),
        }
        names = changes.pop("names", ("moneyTransferDetails", "availableBalance"))
        products = [
            {"product": name, "accountId": account, "accessPeriod": period, **changes}
            for name in names
        ]
        return {
            "customerId": customer,
            "partnerId": INTEGRATOR,
            "thirdPartyPartnerId": DWOLLA,
            "products": products,
        }

    async def receipt(self, customer: str, account: str, **changes: Any) -> dict[str, Any]:
        body = self.key(customer, account, **changes)
        answer = await self.post("/aggregation/v1/partners/accessKey", body)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"][0]["receipt"]


def proof(receipt: dict[str, Any]) -> FinicityReceipt:
    """A receipt as a caller posts it."""
    return msgspec.convert(receipt, FinicityReceipt)


def made_up() -> dict[str, Any]:
    """A receipt that nobody has issued."""
    return {
        "receiptId": "cr_none",
        "customerId": "1234567890123456789",
        "products": [{"product": "moneyTransferDetails", "accountId": "1"}],
    }


def answered(answer: httpx2.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def query_of(link: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


def shelf_path(tmp_path: Path) -> str:
    return str(tmp_path / "shelves.db")
