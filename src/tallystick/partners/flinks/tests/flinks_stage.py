"""What the connector's tests stand on: a Flinks that plays a transcript, or lies."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx2

from tallystick.partners.contract import Grant
from tallystick.partners.flinks import PARTNER
from tallystick.partners.flinks.connector import Connector
from tallystick.partners.flinks.proof import FlinksPair
from tallystick.partners.flinks.settings import FlinksSettings
from tallystick.partners.http import PartnerHttp
from tallystick.partners.registry import GuardedPartner
from tallystick.secret import Secret

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
BASE = "https://toolbox-api.private.fin.ag"
AUTH_SECRET = "f1c7de0a-partner-auth-secret"
ACCESS_TOKEN = "6087f84c-15ba-4113-82aa-a9d22ea6caac"
NUMBER, ROUTING = "1111007", "222222226"
ACCOUNT = "c1314dee-fc77-4912-9f74-91f5925ee3af"
LOGIN = "eceae0c0-1ed3-468f-ae30-08d6decf1675"
SECRETS = (AUTH_SECRET, ACCESS_TOKEN, NUMBER)


def pair(auth_secret: str = AUTH_SECRET, access_token: str = ACCESS_TOKEN) -> FlinksPair:
    return FlinksPair(base64.b64encode(f"{auth_secret}:{access_token}".encode()).decode())


PROOF = pair()
GRANT = Grant(
    Secret(f'{{"authSecret":"{AUTH_SECRET}","accessToken":"{ACCESS_TOKEN}"}}'), LOGIN, None
)


def transcript(name: str) -> dict[str, Any]:
    return json.loads((TRANSCRIPTS / f"{name}.json").read_text())


def answer_of(name: str) -> Any:
    return transcript(name)["response"]["json"]


class Stage:
    """Answers every request with one transcript, or with the `status`, `body` or `raw` given."""

    def __init__(
        self,
        name: str = "partner_access",
        *,
        status: int | None = None,
        body: Any = None,
        raw: bytes | None = None,
        error: Exception | None = None,
    ) -> None:
        played = transcript(name)
        self.expected = played["request"]
        self.status = status or played["response"]["status"]
        shown = played["response"]["json"] if body is None else body
        self.raw = json.dumps(shown).encode() if raw is None else raw
        self.error = error
        self.requests: list[httpx2.Request] = []
        http = PartnerHttp(BASE, transport=httpx2.MockTransport(self.answer))
        settings = FlinksSettings(base_url=BASE, webhook_secret="hook")
        self.connector = Connector(settings, http)
        self.partner = GuardedPartner(PARTNER, self.connector)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        assert (request.method, request.url.path) == (
            self.expected["method"],
            self.expected["path"],
        )
        assert request.headers["authorization"] == self.expected["authorization"]
        assert not request.url.query
        assert request.content == b""
        if self.error:
            raise self.error
        return httpx2.Response(self.status, stream=httpx2.ByteStream(self.raw))


def leaks(error: BaseException | None) -> list[str]:
    """Secrets that an exception, or what it would show below itself, tells."""
    shown = ""
    while error is not None:
        shown += f"{error!r} {error}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return [secret for secret in SECRETS if secret in shown]
