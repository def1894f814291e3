"""The simulator in this process, with a connector that speaks to it and a clock to turn."""

from __future__ import annotations

import hashlib
import re
import weakref
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tallystick.clock import VirtualClock
from tallystick.ids import SeededEntropy
from tallystick.partners.contract import Grant, Returned, SessionRequest
from tallystick.partners.http import PartnerHttp
from tallystick.partners.registry import GuardedPartner
from tallystick.partners.visa import PARTNER
from tallystick.partners.visa.connector import Connector
from tallystick.partners.visa.settings import VisaSettings
from tallystick.partners.visa.simulator.app import create
from tallystick.sandbox.kit import ASSETS, ASSETS_URL, Kit, Shelf, open_shelves
from tallystick.secret import Secret

PREFIX = "/_partners/visa"
ORIGIN = "http://127.0.0.1:7420"
RETURN = f"{ORIGIN}/redirect/visa"
PERSON = "person-5f2a"
HEX = re.compile(r"[0-9a-f]{32}")


class World:
    """`sent` has every notice: address, body, headers."""

    def __init__(
        self, path: str = ":memory:", *, origin: str = ORIGIN, webhook_secret: str | None = None
    ) -> None:
        base = f"{origin}{PREFIX}"
        self.return_url = f"{origin}/redirect/visa"
        self.clock = VirtualClock()
        self.sent: list[tuple[str, bytes, dict[str, str]]] = []
        db = open_shelves(path)
        weakref.finalize(self, db.close)
        kit = Kit(
            "visa",
            PREFIX,
            Shelf(db, "visa"),
            self.clock,
            SeededEntropy(int(hashlib.sha256(path.encode()).hexdigest()[:8], 16)),
            lambda url, body, headers: self.sent.append((url, body, dict(headers))),
        )
        self.shelf = kit.shelf
        self.app = Starlette(
            routes=[
                Mount(ASSETS_URL, StaticFiles(directory=ASSETS)),
                Mount(PREFIX, create(kit)),
            ]
        )
        transport = httpx2.ASGITransport(app=self.app)
        self.client = httpx2.AsyncClient(transport=transport, base_url=base)
        settings = VisaSettings(
            base_url=base,
            client_id="sandbox",
            client_secret="sandbox",
            webhook_secret=webhook_secret,
        )
        http = PartnerHttp(base, transport=httpx2.ASGITransport(app=self.app))
        self.partner = GuardedPartner(PARTNER, Connector(settings, http, self.clock))

    def request(self, **more: Any) -> SessionRequest:
        return SessionRequest(
            PERSON, **{"return_url": self.return_url, "state": "opaque-state", **more}
        )

    async def complete(self, href: str, **how: Any) -> str:
        """Where the browser goes after the page at `href`."""
        answer = await self.client.post("/_control/complete", json={"handle": href, **how})
        assert answer.status_code == 200, answer.text
        return answer.json()["redirectUrl"]

    async def returned(self, request: SessionRequest | None = None, **how: Any) -> Returned:
        started = await self.partner.start_session(request or self.request())
        return self.read(await self.complete(started.href.reveal(), **how))

    def read(self, address: str) -> Returned:
        assert address.startswith(self.return_url)
        return self.partner.read_return(dict(parse_qsl(urlsplit(address).query)))

    async def linked(self, person: str = PERSON, **how: Any) -> Grant:
        request = SessionRequest(person, return_url=self.return_url, state="s")
        started = await self.partner.start_session(request)
        returned = self.read(await self.complete(started.href.reveal(), **how))
        return await self.partner.redeem(returned.proof.opened(Secret(person)))

    async def degrade(self, grant: Grant, status: str) -> None:
        path = f"/_control/credentials/{grant.external_id}/degrade"
        answer = await self.client.post(path, json={"status": status})
        assert answer.status_code == 200, answer.text

    async def token(self, *scopes: str) -> dict[str, str]:
        """Headers with a client token."""
        form = {
            "client_id": "sandbox",
            "client_secret": "sandbox",
            "grant_type": "client_credentials",
            "scope": ",".join(scopes),
        }
        answer = await self.client.post("/api/v1/oauth/token", data=form)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def user_token(self, person: str, *scopes: str) -> dict[str, str]:
        headers = await self.token("authorization:grant")
        form = {"external_user_id": person, "scope": ",".join(scopes)}
        path = "/api/v1/oauth/authorization-grant"
        granted = await self.client.post(path, data=form, headers=headers)
        form = {
            "client_id": "sandbox",
            "client_secret": "sandbox",
            "grant_type": "authorization_code",
            "code": granted.json()["code"],
        }
        answer = await self.client.post("/api/v1/oauth/token", data=form)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def is_refusal(answer: httpx2.Response, status: int) -> bool:
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"errorMessage", "errorCode"}
    return HEX.fullmatch(answer.headers["x-tink-request-id"]) is not None
