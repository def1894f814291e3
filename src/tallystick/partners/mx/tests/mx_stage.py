"""What the connector's tests stand on: the transcripts, played in order to the connector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2

from tallystick.clock import VirtualClock, from_iso
from tallystick.partners.http import PartnerHttp
from tallystick.partners.mx import PARTNER
from tallystick.partners.mx.connector import Connector
from tallystick.partners.mx.proof import MxAccount
from tallystick.partners.mx.settings import MxSettings
from tallystick.partners.registry import GuardedPartner

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
USER = "USR-11141024-90b3-1bce-cac9-c06ced52ab4c"
MEMBER = "MBR-7c6f361b-e582-15b6-60c0-358f12466b4b"
CHECKING = "ACT-06d7f44b-caae-0f6e-1384-01f52e75dcb1"
PROOF = MxAccount(USER, MEMBER, CHECKING)
BASE = "https://int-api.mx.com"
# Twenty minutes after the last aggregation of the transcripts: fresh.
NOW_MS = from_iso("2026-02-03T17:00:00Z")


def transcript(name: str) -> dict[str, Any]:
    return json.loads((TRANSCRIPTS / f"{name}.json").read_text())


class Stage:
    """Answers with transcripts, in order; each request must be the transcript's."""

    def __init__(self, *names: str, **changes: Any) -> None:
        self.script: list[dict[str, Any]] = [transcript(name) for name in names]
        for number, answer in changes.items():
            self.script[int(number[1:])]["response"] = answer
        self.requests: list[httpx2.Request] = []
        self.clock = VirtualClock()
        self.clock.set(NOW_MS)
        http = PartnerHttp(BASE, transport=httpx2.MockTransport(self.answer))
        settings = MxSettings(base_url=BASE, client_id="client", api_key="key", webhook_secret="s")
        self.connector = Connector(settings, http, self.clock)
        self.partner = GuardedPartner(PARTNER, self.connector)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        expected = self.script.pop(0)
        asked, answer = expected["request"], expected["response"]
        assert (request.method, request.url.path) == (asked["method"], asked["path"])
        assert dict(request.url.params) == asked["query"]
        assert (json.loads(request.content) if request.content else None) == asked["json"]
        assert request.headers["accept"] == "application/vnd.mx.api.v1+json"
        raw = answer.get("raw", json.dumps(answer.get("json")).encode())
        return httpx2.Response(answer["status"], stream=httpx2.ByteStream(raw))
