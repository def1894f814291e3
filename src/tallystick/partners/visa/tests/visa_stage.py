"""A Tink that answers with transcripts, in order; each request must be the transcript's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx2

from tallystick.clock import VirtualClock, from_iso
from tallystick.partners.contract import Grant, SessionRequest
from tallystick.partners.http import PartnerHttp
from tallystick.partners.registry import GuardedPartner
from tallystick.partners.visa import PARTNER
from tallystick.partners.visa.connector import Connector
from tallystick.partners.visa.proof import VisaReport
from tallystick.partners.visa.settings import VisaSettings

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
BASE = "https://api.us.tink.com"
CLIENT_SECRET = "c0ffee5ec2e74a5bb6c7d8e9f0a1b2c3"
PERSON = "person-5f2a"
RETURN = "https://api.example.com/redirect/visa"
REPORT = "ff8ae53bc46e45fe9a37c4fd1353e60d"
ACCOUNT = "a6bb87e57a8c4dd4874b241471a2b9e8"
CREDENTIALS = "2a0f6c41d3b84e0b9d3c1f1ab3a7d6e5"
PROOF = VisaReport(REPORT, CREDENTIALS, PERSON)
REQUEST = SessionRequest(PERSON, return_url=RETURN, state="sealed")

USER_ACCOUNTS = ("token_grant", "grant_accounts", "token_user")
USER_BALANCE = ("token_grant", "grant_balance", "token_user")
SESSION = ("token_session", "create_user", "delegate")
REDEEM = ("token_report", "read_report", *USER_ACCOUNTS, "list_accounts", "list_consents")
LIST = (*USER_ACCOUNTS, "list_consents", "list_accounts")
BALANCE = (
    *USER_BALANCE,
    "list_consents",
    "read_balances",
    "start_refresh",
    "refresh_busy",
    "refresh_finished",
    "read_balances_fresh",
)
REVOKE = ("token_grant", "grant_revoke", "token_user", "delete_credentials")


def transcript(name: str) -> dict[str, Any]:
    return json.loads((TRANSCRIPTS / f"{name}.json").read_text())


class Stage:
    """`_3={...}` replaces the answer of the fourth call; `raw` in it is sent as it is."""

    def __init__(self, *names: str, **changes: Any) -> None:
        self.script = [transcript(name) for name in names]
        for number, answer in changes.items():
            self.script[int(number[1:])]["response"] = answer
        self.requests: list[httpx2.Request] = []
        self.clock = VirtualClock()
        self.clock.freeze()
        self.clock.set(from_iso("2024-11-21T12:00:00Z"))
        http = PartnerHttp(BASE, transport=httpx2.MockTransport(self._answer), deadline_s=5.0)
        settings = VisaSettings(
            base_url=BASE, client_id="8f1c0a2b4d6e4f708192a3b4c5d6e7f8", client_secret=CLIENT_SECRET
        )
        self.connector = Connector(settings, http, self.clock)
        self.partner = GuardedPartner(PARTNER, self.connector)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        assert self.script, "one call too many"
        told = self.script.pop(0)
        asked, answer = told["request"], told["response"]
        assert (request.method, request.url.path) == (asked["method"], asked["path"])
        assert dict(request.url.params) == asked["query"]
        assert request.headers.get("authorization") == (
            asked["token"] and f"Bearer {asked['token']}"
        )
        self._check_body(request, asked)
        if "error" in answer:
            raise answer["error"]
        raw = answer.get("raw")
        if raw is None:
            raw = b"" if answer.get("json") is None else json.dumps(answer["json"]).encode()
        headers = {"X-Tink-Request-Id": "1f2e3d4c5b6a"} | answer.get("headers", {})
        return httpx2.Response(answer["status"], headers=headers, stream=httpx2.ByteStream(raw))

    def _check_body(self, request: httpx2.Request, asked: dict[str, Any]) -> None:
        media = request.headers.get("content-type")
        if asked["form"] is not None:
            assert media == "application/x-www-form-urlencoded"
            assert dict(parse_qsl(request.content.decode())) == asked["form"]
        elif asked["json"] is not None:
            assert media == "application/json"
            assert json.loads(request.content) == asked["json"]
        else:
            assert not request.content


async def held() -> Grant:
    return await Stage(*REDEEM).partner.redeem(PROOF)


def refused(status: int, **more: Any) -> dict[str, Any]:
    return {"status": status, "json": {"errorMessage": "no", "errorCode": "no"}, **more}


def changed(name: str, **members: Any) -> dict[str, Any]:
    answer = transcript(name)["response"]
    answer["json"] |= members
    return answer
