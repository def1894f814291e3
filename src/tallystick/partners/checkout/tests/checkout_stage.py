"""What the connector's tests stand on: the transcripts, played in order to the connector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2

from tallystick.clock import VirtualClock, from_iso
from tallystick.partners.checkout import PARTNER
from tallystick.partners.checkout.connector import Connector
from tallystick.partners.checkout.settings import CheckoutSettings
from tallystick.partners.contract import Grant
from tallystick.partners.http import PartnerHttp
from tallystick.partners.registry import GuardedPartner
from tallystick.secret import Secret

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
BASE = "https://api.sandbox.checkout.com"
NOW = "2026-11-20T10:00:00.000Z"
PERSON = "fcd15e5f-8d13-4570-a9b7-7fb49e55941d"
PAYMENT = "pay_mbabizu24mvu3mela5njyhpit4"
INSTRUMENT = "src_nwd3m4in3hkuddfpjsaevunhdy"
HELD = {"payment_id": PAYMENT, "instrument_id": INSTRUMENT}
GRANT = Grant(Secret(json.dumps(HELD)), external_id=PAYMENT)
REQUEST_ID = "2f4a1c0e-8f5d-4c1d-9a77-0f2a4d1f2b33"


def transcript(name: str) -> dict[str, Any]:
    return json.loads((TRANSCRIPTS / f"{name}.json").read_text())


def changed(name: str, **members: Any) -> dict[str, Any]:
    """A transcript's answer with other members; `...` leaves one out."""
    answer = transcript(name)["response"]
    whole = {**answer["json"], **members}
    return {**answer, "json": {k: v for k, v in whole.items() if v is not ...}}


def source(**members: Any) -> dict[str, Any]:
    whole = {**transcript("read_payment")["response"]["json"]["source"], **members}
    return changed("read_payment", source={k: v for k, v in whole.items() if v is not ...})


class Stage:
    """Answers with transcripts, in order; each request must be the transcript's."""

    def __init__(self, *names: str, **changes: Any) -> None:
        self.script = [transcript(name) for name in names]
        for number, answer in changes.items():
            self.script[int(number[1:])]["response"] = answer
        self.requests: list[httpx2.Request] = []
        self.clock = VirtualClock()
        self.clock.freeze()
        self.clock.set(from_iso(NOW))
        http = PartnerHttp(BASE, transport=httpx2.MockTransport(self.answer))
        settings = CheckoutSettings(
            base_url=BASE,
            secret_key="sk_sbox_key",
            processing_channel_id="pc_" + "a" * 26,
            webhook_secret="a key",
        )
        self.partner = GuardedPartner(PARTNER, Connector(settings, http, self.clock))

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        expected = self.script.pop(0)
        asked, answer = expected["request"], expected["response"]
        assert (request.method, request.url.path) == (asked["method"], asked["path"])
        assert (json.loads(request.content) if request.content else None) == asked["json"]
        assert request.headers["authorization"] == "Bearer sk_sbox_key"
        assert request.headers["accept"] == "application/json"
        body = answer.get("json")
        raw = answer.get("raw", b"" if body is None else json.dumps(body).encode())
        headers = {"Cko-Request-Id": answer.get("request_id", REQUEST_ID)}
        return httpx2.Response(answer["status"], stream=httpx2.ByteStream(raw), headers=headers)
