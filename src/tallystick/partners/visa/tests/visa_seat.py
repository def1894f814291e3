"""A person in a browser, between an integrator's shop, our callback and Tink Link.

The callback does what the gateway's does: it reads the return, redeems, and sends the browser on
to the integrator, who is another origin (`localhost` instead of `127.0.0.1`).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import uvicorn
from playwright.sync_api import Page, expect
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from tallystick.partners.contract import Grant
from tallystick.partners.errors import ProofRejected
from tallystick.partners.visa.proof import VisaReport
from tallystick.partners.visa.tests.visa_world import PERSON, World
from tallystick.secret import Secret

STATE = "c2VhbGVk.b3BhcXVl_~-"
SHOP = '<!doctype html><html lang="en"><title>Shop</title><h1>Back in the shop</h1>'


class Street:
    """World, callback and shop on one port."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        port = self._socket.getsockname()[1]
        self.world = World(path, origin=f"http://127.0.0.1:{port}")
        self.shop = f"http://localhost:{port}/shop"
        self.grants: list[Grant] = []
        self.queries: list[dict[str, str]] = []
        self.world.app.router.routes += [
            Route("/start", self._start),
            Route("/repair", self._repair),
            Route("/redirect/visa", self._callback),
            Route("/shop", lambda _request: HTMLResponse(SHOP)),
        ]
        config = uvicorn.Config(self.world.app, log_level="error", lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    def address(self, path: str) -> str:
        return self.world.return_url.replace("/redirect/visa", path)

    async def _start(self, _request: Request) -> Response:
        started = await self.world.partner.start_session(self.world.request(state=STATE))
        return RedirectResponse(started.href.reveal())

    async def _repair(self, _request: Request) -> Response:
        grant = self.grants[-1]
        await self.world.degrade(grant, "SESSION_EXPIRED")
        request = self.world.request(state=STATE, grant=grant)
        started = await self.world.partner.start_reauth(request)
        return RedirectResponse(started.href.reveal())

    async def _callback(self, request: Request) -> Response:
        self.queries.append(dict(request.query_params))
        returned = self.world.partner.read_return(request.query_params)
        assert returned.state == STATE
        if returned.error:
            return self._send_on(error=returned.error)
        if not isinstance(returned.proof, VisaReport):
            return self._send_on(exchange=self.grants[-1].external_id)
        try:
            grant = await self.world.partner.redeem(returned.proof.opened(Secret(PERSON)))
        except ProofRejected:
            return self._send_on(error="AUTHENTICATION_ERROR")
        self.grants.append(grant)
        return self._send_on(exchange=grant.external_id)

    def _send_on(self, **query: str) -> Response:
        return RedirectResponse(f"{self.shop}?{urlencode(query)}")


class Seat:
    """With TALLYSTICK_PICTURES set to a folder, `picture` leaves one there."""

    def __init__(self, street: Street, page: Page) -> None:
        self.street = street
        self.page = page

    def open(self, path: str = "/start") -> None:
        self.page.goto(self.street.address(path))

    def see(self, test_id: str) -> Any:
        return self.page.get_by_test_id(test_id)

    def press(self, test_id: str) -> None:
        self.see(test_id).click()

    def at(self, step: str) -> None:
        expect(self.see(f"step-{step}")).to_be_visible()
        self.picture(step)
        width = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, f"{step} is {width} px too wide"

    def log_in(self, username: str, password: str) -> None:
        self.press("bank-us-demobank")
        self.at("login")
        self.see("username").fill(username)
        self.see("password").fill(password)
        self.press("log-in")

    def in_shop(self, query: str) -> None:
        self.page.wait_for_url(f"{self.street.shop}?{query}")
        expect(self.page.get_by_role("heading")).to_have_text("Back in the shop")

    def picture(self, name: str) -> None:
        folder = os.environ.get("TALLYSTICK_PICTURES")
        if folder:
            width = (self.page.viewport_size or {"width": 0})["width"]
            self.page.screenshot(path=Path(folder) / f"visa-{name}-{width}.png", full_page=True)
