"""No secret in what is written: store, backup, logs, answers, whatever partners say (T3, T34)."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import structlog

from tallystick.partners import http, registry
from tallystick.partners.breaker import Breaker
from tallystick.partners.plaid import refusals
from tallystick.sandbox.partner_faults import FaultyTransport
from tallystick.secret import Secret
from tallystick.server import logs, operate
from tallystick.store.vault import Vault

from . import gateway as gateways
from .canaries import Sealed, forms, hits, names_of_partners, stored
from .gateway import Api, InProcess, in_process
from .isolation import NUMBERS

pytestmark = pytest.mark.anyio

HOOK_SECRET = 'cañary/+="secret of a hook'
ACCOUNT = "90817263544"
SSN = "739-20-4815"
PERSONAL = {
    "firstName": "Ada", "lastName": "Byron", "email": "seen@example.com", "type": "personal",
    "address1": "1 Main St", "city": "Iowa", "state": "IA", "postalCode": "50309",
    "dateOfBirth": "1980-01-02", "ssn": SSN,
}  # fmt: skip


class Answers:
    """Every answer that any client got, for the search."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.raw = b""
        real = Api.request

        async def request(client: Api, *args: Any, **kwargs: Any) -> httpx2.Response:
            answer = await real(client, *args, **kwargs)
            if not answer.request.url.path.startswith(("/_partners", "/_tallystick/control/s")):
                self.raw += repr(dict(answer.headers)).encode() + answer.content + b"\n"
            return answer

        monkeypatch.setattr(gateways.Api, "request", request)


async def journey(gateway: InProcess, own: dict[str, str]) -> Api:
    """Something of everything that is secret. `own` is filled with what no sealing shows."""
    client = await gateway.application()
    own["client secret"] = client.made["client_secret"]
    own["access token"] = client.headers["Authorization"].removeprefix("Bearer ")
    own["webhook secret"], own["account number"], own["ssn"] = HOOK_SECRET, ACCOUNT, SSN
    hook = {"url": "http://127.0.0.1:1/hook", "secret": HOOK_SECRET}
    subscription = await client.create("/webhook-subscriptions", hook)
    await client.post(subscription, json={"paused": True})
    await client.create("/customers", PERSONAL)
    for manifest in registry.manifests():
        if manifest.opt_in:
            continue
        customer = await client.customer()
        keyed = {"headers": {"Idempotency-Key": f"key of {manifest.key}"}}
        proof = await client.proof(customer, manifest.name)
        exchange = await client.create(f"{customer}/exchanges", proof, **keyed)
        again = await client.post(f"{customer}/exchanges", json=proof)
        assert again.status_code in (400, 401)
        if manifest.name != "Checkout.com":
            await client.funding_source(customer, exchange)
    source = await client.create(
        f"{customer}/funding-sources", {**NUMBERS, "accountNumber": ACCOUNT}
    )
    await client.post(source, json={"accountNumber": ACCOUNT + "1"})
    wrong = {
        "auth": ("sandbox-key", "wrong-secret-9"),
        "data": {"grant_type": "client_credentials"},
    }
    await client.post("/token", **wrong)
    own["wrong secret"] = "wrong-secret-9"
    return client


def never_shown(sealed: dict[str, str], own: dict[str, str]) -> dict[str, str]:
    """Without what its owner gets to see: tokens of sessions and connections, cards' faces."""
    mine = {
        name: text for name, text in own.items() if name not in ("client secret", "access token")
    }
    seen = ("exchange_session.", "available_connection.", "funding_source.card")
    return mine | {
        name: text
        for name, text in sealed.items()
        if not name.startswith(seen) and not text.startswith("ts1.")
    }


async def search(gateway: InProcess, secrets: dict[str, str], shown: dict[str, str], answers: Answers, said: bytes) -> list[str]:  # fmt: skip
    found = []
    for name, raw in stored(gateway).items():
        found += hits(name, raw, secrets)
    found += hits("backup", await operate.copy(gateway.core), secrets)
    found += hits("log", said, secrets)
    return found + hits("answers", answers.raw, shown)


@pytest.fixture
def debug_log(capfd):
    logs.configure("debug")
    yield lambda: "".join(capfd.readouterr()).encode()
    logs.configure("error")


async def test_no_secret_anywhere(gateway, monkeypatch, debug_log):
    sealed, answers, own = Sealed(monkeypatch), Answers(monkeypatch), {}
    gateway.process._gateway._access = logs.AccessLog("debug").add
    await journey(gateway, own)
    said = debug_log()
    for name in await names_of_partners(gateway):
        sealed.secrets = {key: text for key, text in sealed.secrets.items() if text != name}
    secrets = sealed.secrets | own
    assert len(secrets) >= 30, sorted(secrets)
    # The controls of the search itself: it reads what is there to be read.
    assert any(b"seen@example.com" in raw for raw in stored(gateway).values())
    assert b'"event":"request"' in said
    assert b"seen@example.com" in await operate.copy(gateway.core)
    found = await search(gateway, secrets, never_shown(sealed.secrets, own), answers, said)
    assert found == []
    print(f"{len(secrets)} secrets in {len(forms('x' * 9))} forms: {len(found)} found")


# ── partners that repeat what they were sent ──────────────────────────────────────────────────


class Stream(httpx2.AsyncByteStream):
    """A body as a network brings it: a connector reads it as it comes."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._text.encode()


class Echo:
    """Answers every call to a partner with an error that repeats the call's secrets, once armed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.status: int | None = None
        self.sent: dict[str, str] = {}
        self.calls = 0
        real = FaultyTransport.handle_async_request

        async def handle(way: Any, request: httpx2.Request) -> httpx2.Response:
            if self.status is None:
                return await real(way, request)
            return self._answer(way._partner, request)

        monkeypatch.setattr(FaultyTransport, "handle_async_request", handle)

    def _answer(self, partner: str, request: httpx2.Request) -> httpx2.Response:
        self.calls += 1
        found = self._secrets(request)
        self.sent |= {f"sent to {partner}, {name}": text for name, text in found.items()}
        all_of_it = " ".join(found.values()) + request.content.decode() + str(request.url)
        word = list(found.values())[self.calls % len(found)] if found else "X"
        text = " ".join(
            (all_of_it, all_of_it[::-1], quote(all_of_it), all_of_it.encode().hex(),
             base64.b64encode(all_of_it.encode()).decode())
        )  # fmt: skip
        told = {
            **dict.fromkeys(("error_code", "error_type", "FlinksCode", "code", "error", "request_id", "RequestId", "id", "status", "type"), word),
            **dict.fromkeys(("error_message", "display_message", "message", "Message", "errorMessage"), text),
            "error_codes": [word, text],
            "errors": [{"code": word, "message": text}],
        }  # fmt: skip
        headers = {"cko-request-id": word, "x-request-id": word}
        return httpx2.Response(self.status or 500, headers=headers, stream=Stream(json.dumps(told)))

    @staticmethod
    def _secrets(request: httpx2.Request) -> dict[str, str]:
        """What of a call is secret: credentials in headers, and every long text in the body."""
        found = {}
        for name, text in request.headers.items():
            if name in ("plaid-secret", "finicity-app-key", "finicity-app-token", "authorization"):
                value = text.partition(" ")[2] or text
                if value != "sandbox":
                    found[name] = value
        for match in _LONG.findall(request.content.decode()):
            if not _MEMBER.fullmatch(match):
                found[f"body {match[:6]}"] = match
        return found


_LONG = re.compile(r"[A-Za-z0-9_.~-]{20,}")
_MEMBER = re.compile(r"[a-z_]+|[a-z]+([A-Z][a-z]+)+")  # the name of a member, not its value


async def work_for(client: Api) -> list[tuple[str, str, Any]]:
    """(method, address, body) of calls that ask each partner for something."""
    found: list[tuple[str, str, Any]] = []
    for manifest in registry.manifests():
        if manifest.opt_in:
            continue
        customer = await client.customer()
        exchange = await client.exchange(customer, manifest.name)
        account = {
            "_links": {"exchange": {"href": exchange}},
            "bankAccountType": "checking",
            "name": "M",
        }
        card = {**account, "cardDetails": {"firstName": "A", "lastName": "B", "billingAddress": {
            "address1": "1 Main St", "city": "Iowa", "stateProvinceRegion": "IA", "country": "US", "postalCode": "50309"}}}  # fmt: skip
        del card["bankAccountType"]
        partner = {
            "_links": {"exchange-partner": {"href": await client.partner_href(manifest.name)}}
        }
        found += [
            ("POST", f"{customer}/funding-sources", account),
            ("POST", f"{customer}/funding-sources", card),
            ("POST", f"{customer}/exchange-sessions", partner),
            ("POST", f"{exchange}/exchange-sessions", {}),
            ("GET", f"{customer}/available-exchange-connections", None),
        ]
        fresh = await client.customer()
        found.append(("POST", f"{fresh}/exchanges", await client.proof(fresh, manifest.name)))
    source = await client.funding_source(*await linked_account(client))
    return [*found, ("GET", f"{source}/balance", None)]


async def linked_account(client: Api) -> tuple[str, str]:
    customer = await client.customer()
    return customer, await client.exchange(customer)


LONG = bool(os.environ.get("TALLYSTICK_TESTS_LONG"))
ECHO_STATUSES = (200, 302, 400, 401, 403, 404, 409, 422, 429, 500, 503) if LONG else (200, 400, 500)


async def echoed(gateway: InProcess, monkeypatch: pytest.MonkeyPatch, said: Any) -> list[str]:
    """Every call to a partner is answered by an echo; what of it was written or answered."""
    sealed, echo = Sealed(monkeypatch), Echo(monkeypatch)
    # A partner that fails five times in a row would be left alone, and echo nothing.
    monkeypatch.setattr(Breaker, "require_closed", lambda _breaker: None)
    client = await gateway.application()
    work = await work_for(client)
    answers = Answers(monkeypatch)
    for echo.status in ECHO_STATUSES:
        for method, path, body in work:
            answer = await client.request(method, path, json=body)
            assert answer.status_code < 500 or answer.json()["code"] in (
                "ServerError",
                "RequestTimeout",
            )
    assert echo.calls >= 15 * len(ECHO_STATUSES), echo.calls
    assert len(echo.sent) >= 8, sorted(echo.sent)
    names = await names_of_partners(gateway)
    secrets = {
        name: text
        for name, text in (sealed.secrets | echo.sent).items()
        if text not in names and not text.startswith("ts1.") and not is_public(text)
    }
    log = said()
    assert b'"event":"unexpected"' not in log
    return await search(gateway, secrets, secrets, answers, log)


def is_public(text: str) -> bool:
    """Ids of our own and addresses: a body to a partner has those as well."""
    return (
        re.fullmatch(r"[0-9a-f-]{36}|.*(127\.0\.0\.1|exchange-sessions|_inbound).*", text)
        is not None
    )


async def test_no_secret_when_partners_repeat_them(gateway, monkeypatch, debug_log):
    gateway.process._gateway._access = logs.AccessLog("debug").add
    assert await echoed(gateway, monkeypatch, debug_log) == []


# ── the controls ──────────────────────────────────────────────────────────────────────────────


def not_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be sealed is stored as it is."""
    monkeypatch.setattr(Vault, "seal", lambda _vault, _place, data: data)
    monkeypatch.setattr(Vault, "open_box", lambda _vault, _place, box: Secret(bytes(box)))


def answers_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partner's error is logged with what it said (control C14)."""
    real = http._decode_if_json

    def decode(raw: bytes) -> Any:
        structlog.get_logger().warning(raw.decode("latin-1"))
        return real(raw)

    monkeypatch.setattr(http, "_decode_if_json", decode)


def any_word_is_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partner's error code is passed on, whatever it looks like."""
    monkeypatch.setattr(refusals, "CODE", re.compile(".*", re.DOTALL))


async def test_the_search_sees_what_is_not_sealed(tmp_path, monkeypatch):
    sealed, own = Sealed(monkeypatch), {}
    async with in_process(tmp_path, f"sqlite:///{tmp_path}/t.db") as gateway:
        note = Vault.seal
        not_sealed(monkeypatch)
        plain = Vault.seal

        def seal(vault: Vault, place: Any, data: bytes) -> bytes:
            note(vault, place, data)
            return plain(vault, place, data)

        monkeypatch.setattr(Vault, "seal", seal)
        await journey(gateway, own)
        for name, raw in stored(gateway).items():
            if found := hits(name, raw, sealed.secrets | own):
                kinds = {each.split(": ")[1].split(" ")[0] for each in found}
                assert {"exchange.grant", "funding_source.numbers", "subscription.secret"} <= kinds
                return
    raise AssertionError("nothing was found")


@pytest.mark.parametrize(
    "bug", [answers_logged, any_word_is_a_code], ids=lambda each: each.__name__
)
async def test_the_search_sees_what_is_repeated(tmp_path, monkeypatch, debug_log, bug):
    async with in_process(tmp_path, f"sqlite:///{tmp_path}/t.db") as gateway:
        bug(monkeypatch)
        found = await echoed(gateway, monkeypatch, debug_log)
    places = {each.partition(":")[0] for each in found}
    assert ("log" if bug is answers_logged else "answers") in places, places
