"""The connector on a stage where transcripts answer; every request is held against the document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from tallystick.clock import VirtualClock, from_iso
from tallystick.partners.contract import Grant
from tallystick.partners.finicity import PARTNER
from tallystick.partners.finicity.connector import Connector
from tallystick.partners.finicity.proof import FinicityReceipt
from tallystick.partners.finicity.settings import FinicitySettings
from tallystick.partners.finicity.tests import finicity_document
from tallystick.partners.http import PartnerHttp
from tallystick.partners.registry import GuardedPartner

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
BASE = "https://api.finicity.com"
SECRET = "aqJ5Ic4SEVx2IgDQ6oR4"
ACCOUNT = "1015199035827334916"
NOW = from_iso("2026-02-01T00:00:00Z")
# Contract 5.7 (d), with the balance that Mastercard's own Dwolla example asks for as well.
RECEIPT: dict[str, Any] = {
    "profile": 3,
    "version": "1",
    "receiptId": "cr_8Zk1TestReceipt",
    "receiptVersion": "1",
    "customerId": "5454874858510164117",
    "partnerId": 2445583946651,
    "products": [
        {
            "product": name,
            "accountId": ACCOUNT,
            "payorId": "2445581559892",
            "maxCalls": 10,
            "accessPeriod": {
                "type": "timeframe",
                "startTime": "2026-01-01",
                "endTime": "2026-04-01T00:00:00Z",
            },
        }
        for name in ("moneyTransferDetails", "availableBalance")
    ],
    "timestamp": "2026-01-01T06:06:23Z",
}


def receipt(**changes: Any) -> FinicityReceipt:
    return msgspec.convert({**RECEIPT, **changes}, FinicityReceipt)


def transcript(name: str) -> dict[str, Any]:
    return json.loads((TRANSCRIPTS / f"{name}.json").read_text())


class Stage:
    """Answers with transcripts, in order; each request must be the transcript's.

    `answers` replaces what a transcript answers: `{2: {"status": 500}}`, or an exception to raise.
    """

    def __init__(self, *names: str, answers: dict[int, Any] | None = None) -> None:
        self.script = [transcript(name) for name in names]
        for number, answer in (answers or {}).items():
            self.script[number]["response"] = answer
        self.requests: list[httpx2.Request] = []
        self.clock = VirtualClock()
        self.clock.freeze()
        self.clock.set(NOW)
        http = PartnerHttp(BASE, transport=httpx2.MockTransport(self.answer))
        settings = FinicitySettings(
            base_url=BASE, partner_id="2445583946651", partner_secret=SECRET, app_key="key"
        )
        self.connector = Connector(settings, http, self.clock)
        self.partner = GuardedPartner(PARTNER, self.connector)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        expected = self.script.pop(0)
        asked, answer = expected["request"], expected["response"]
        assert (request.method, request.url.path) == (asked["method"], asked["path"])
        assert (json.loads(request.content) if request.content else None) == asked["json"]
        finicity_document.check_request(
            request.method,
            request.url.path,
            request.headers,
            dict(request.url.params),
            request.content,
        )
        if isinstance(answer, Exception):
            raise answer
        raw = answer.get("raw", json.dumps(answer.get("json")).encode())
        return httpx2.Response(answer["status"], stream=httpx2.ByteStream(raw))

    @property
    def asked(self) -> list[str]:
        return [request.url.path.rpartition("/")[2] for request in self.requests]


async def held(*more: str, **options: Any) -> tuple[Stage, Grant]:
    """A redeemed receipt, on a stage where `more` is still to come."""
    stage = Stage("authenticate", "read_details", *more, **options)
    return stage, await stage.partner.redeem(receipt())
