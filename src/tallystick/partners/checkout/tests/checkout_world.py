"""The simulator on a socket, and everything that it and its server write down."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tallystick.clock import VirtualClock
from tallystick.ids import SystemEntropy
from tallystick.partners.checkout import PARTNER
from tallystick.partners.checkout.connector import Connector
from tallystick.partners.checkout.settings import CheckoutSettings
from tallystick.partners.checkout.simulator.app import create
from tallystick.partners.http import PartnerHttp
from tallystick.partners.registry import GuardedPartner
from tallystick.sandbox.kit import ASSETS, ASSETS_URL, Kit, Shelf, open_shelves

T = TypeVar("T")

PREFIX = "/_partners/checkout"
PERSON = "0193c7a0-0000-7000-8000-00000000000a"

VISA_DEBIT = "4024764449971519"
MASTERCARD_DEBIT = "5318773012490080"
BRITISH_DEBIT = "4659105569051157"
CREDIT = "4000020000000000"
NO_FUNDS = "4544249167673670"
WRONG_CODE = "4734868958733862"
EXPIRED = "4532446037926437"

SESSION: dict[str, Any] = {
    "amount": 0,
    "currency": "USD",
    "reference": f"tallystick:{PERSON}",
    "billing": {"address": {"country": "US"}},
    "payment_method_configuration": {"card": {"store_payment_details": "enabled"}},
    "success_url": "https://example.com/ok",
    "failure_url": "https://example.com/no",
}


class World:
    """The simulator behind a socket, with a clock that a test can move.

    `host` is the page of an integrator, at `/host`; `posted` is what the simulator would post.
    """

    def __init__(self, database: str, host: str = "", log_level: str = "error") -> None:
        self.clock = VirtualClock()
        self.host = host
        self.posted: list[tuple[str, bytes, dict[str, str]]] = []
        self.db = open_shelves(database)
        self.kit = Kit(
            partner="checkout",
            prefix=PREFIX,
            shelf=Shelf(self.db, "checkout"),
            clock=self.clock,
            entropy=SystemEntropy(),
            send=lambda url, body, headers: self.posted.append((url, body, dict(headers))),
        )
        app = Starlette(
            routes=[
                Mount(ASSETS_URL, StaticFiles(directory=ASSETS)),
                Mount(PREFIX, create(self.kit)),
                Route("/host", self._show_host),
            ]
        )
        settings = uvicorn.Config(app, port=0, log_level=log_level, lifespan="off", ws="none")
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    async def _show_host(self, _request: Request) -> HTMLResponse:
        return HTMLResponse(self.host)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.origin = f"http://127.0.0.1:{port}"
        self.base_url = self.origin + PREFIX
        self._client = httpx2.Client(trust_env=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._server.should_exit = True
        self._thread.join(10)
        self.db.close()

    def call(self, method: str, path: str, json: Any = None, *, key: str = "sandbox", **more: Any) -> httpx2.Response:  # fmt: skip
        headers = {"Authorization": f"Bearer {key}"}
        url = self.base_url + path
        return self._client.request(method, url, json=json, headers=headers, **more)

    def session(self, **members: Any) -> dict[str, Any]:
        answer = self.call("POST", "/payment-sessions", {**SESSION, **members})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def token(self, number: str = VISA_DEBIT, **members: Any) -> httpx2.Response:
        card = {
            "type": "card",
            "number": number,
            "expiry_month": 12,
            "expiry_year": 2035,
            "cvv": "100",
        }
        return self.call("POST", "/tokens", {**card, **members})

    def pay(self, session: dict[str, Any], token: str) -> httpx2.Response:
        asked = {
            "payment_session_secret": session["payment_session_secret"],
            "type": "card",
            "token": token,
        }
        return self.call("POST", f"/payment-sessions/{session['id']}/pay", asked)

    def paid(self, number: str = VISA_DEBIT, **members: Any) -> dict[str, Any]:
        """The payment of a new session, by whatever card."""
        answer = self.pay(self.session(**members), self.token(number).json()["token"])
        assert answer.status_code == 201, answer.text
        return answer.json()

    def complete(self, session: dict[str, Any], **choices: Any) -> httpx2.Response:
        return self.call("POST", "/_control/complete", {"handle": session["id"], **choices})

    @contextlib.asynccontextmanager
    async def partner(self, **settings: Any) -> AsyncIterator[GuardedPartner]:
        """The connector, as the gateway has it."""
        own = CheckoutSettings(**{"base_url": self.base_url, "secret_key": "sandbox", **settings})
        http = PartnerHttp(self.base_url)
        try:
            yield GuardedPartner(PARTNER, Connector(own, http, self.clock))
        finally:
            await http.close()

    def ask(self, use: Callable[[GuardedPartner], Awaitable[T]]) -> T:
        """What the connector says, in a thread of its own: a browser's test has a loop already."""

        async def work() -> T:
            async with self.partner() as partner:
                return await use(partner)

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, work()).result()


def codes(answer: httpx2.Response) -> list[str]:
    """The codes of a refusal, whose whole shape is checked."""
    body = answer.json()
    assert set(body) == {"request_id", "error_type", "error_codes"}
    assert body["request_id"] == answer.headers["cko-request-id"]
    assert answer.status_code == 422
    return body["error_codes"]


@contextlib.contextmanager
def world_at(folder: Path, **options: Any) -> Iterator[World]:
    with World(str(folder / "sandbox.db"), **options) as world:
        yield world


def token_of(session: dict[str, Any]) -> dict[str, Any]:
    """What is in a session's token."""
    scheme, _, encoded = session["payment_session_token"].partition(":")
    assert base64.b64decode(scheme) == b"base64"
    return json.loads(base64.b64decode(encoded, validate=True))
