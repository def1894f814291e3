"""What the tests stand on: an Acme that plays transcripts, and one that is the simulator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tallystick.clock import VirtualClock, from_iso
from tallystick.ids import SeededEntropy
from tallystick.partners.acme import PARTNER
from tallystick.partners.acme.connector import Connector
from tallystick.partners.acme.settings import AcmeSettings
from tallystick.partners.http import PartnerHttp
from tallystick.partners.registry import GuardedPartner, load
from tallystick.sandbox.kit import ASSETS, ASSETS_URL, Kit, Shelf, open_shelves

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
NOW_MS = from_iso("2026-11-21T09:00:00Z")
PREFIX = "/_partners/acme"
SIMULATOR = f"http://sim.test{PREFIX}"


def transcript(name: str) -> dict[str, Any]:
    return json.loads((TRANSCRIPTS / f"{name}.json").read_text())


def connector(base_url: str, clock: VirtualClock, transport: Any) -> Connector:
    keys = dict.fromkeys(("client_id", "client_secret", "webhook_secret"), "sandbox")
    settings = AcmeSettings(base_url=base_url, **keys)
    return Connector(settings, PartnerHttp(base_url, transport=transport), clock)


class Stage:
    """Answers with one transcript, or with the `status` and `body` (or `raw`) given."""

    def __init__(self, name: str, status: int = 0, body: Any = None, raw: bytes = b"") -> None:
        self.expected = transcript(name)["request"]
        answer = transcript(name)["response"]
        said = json.dumps(body if status else answer["json"]).encode()
        self.status, self.raw = status or answer["status"], raw or said
        self.clock = VirtualClock()
        self.clock.set(NOW_MS)
        base_url = PARTNER.live_hosts[0]
        # Bare, for the guard would hide an error that the connector lets through.
        self.connector = connector(base_url, self.clock, httpx2.MockTransport(self.answer))

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        asked: dict[str, Any] = {"method": request.method, "path": request.url.path}
        if request.content:
            asked["json"] = json.loads(request.content)
        if "authorization" in request.headers:
            asked["authorization"] = request.headers["authorization"]
        assert asked == self.expected
        assert request.headers["x-client-secret"] == "sandbox"
        raw = b"" if self.status == 204 else self.raw
        return httpx2.Response(self.status, stream=httpx2.ByteStream(raw))


class Seat:
    """The simulator without a socket, the connector that speaks to it, and what it posted."""

    def __init__(self, path: str = ":memory:") -> None:
        self.clock = VirtualClock()
        self.posted: list[tuple[bytes, dict[str, str]]] = []
        kit = Kit(
            partner="acme",
            prefix=PREFIX,
            shelf=Shelf(open_shelves(path), "acme"),
            clock=self.clock,
            entropy=SeededEntropy(1),
            send=lambda _url, body, headers: self.posted.append((body, dict(headers))),
        )
        simulator = load(PARTNER.simulator or "")(kit)
        assets = Mount(ASSETS_URL, StaticFiles(directory=ASSETS))
        self.app = Starlette(routes=[assets, Mount(PREFIX, simulator)])
        transport = httpx2.ASGITransport(app=self.app)
        self.partner = GuardedPartner(PARTNER, connector(SIMULATOR, self.clock, transport))
        self.http = httpx2.AsyncClient(transport=transport, base_url=SIMULATOR)

    async def control(self, verb: str, status: int = 200, **body: Any) -> Any:
        answer = await self.http.post(f"/_control/{verb}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None
