"""From Flinks Connect to a verified funding source, through the gateway's API.

The integrator is Dwolla's example for Flinks: loginId, RequestId, accounts, AuthSecret, AccessToken,
and base64 of the last two as `token` (contract 7.6).
"""

from __future__ import annotations

import base64
import hmac
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.gateway import Api, InProcess, in_process
from tests.notices import assert_heard_as_signed

API = "/_partners/flinks/v3/sandbox"
BEARER = {"Authorization": "Bearer sandbox"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def as_token(auth_secret: str, access_token: str) -> str:
    return base64.b64encode(f"{auth_secret}:{access_token}".encode()).decode()


class Shop:
    """The integrator's server, at Flinks and at the gateway."""

    def __init__(self, gateway: InProcess, api: Api) -> None:
        self.api = api
        self.flinks = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=gateway.process), base_url=str(api.base_url)
        )

    async def call(self, method: str, path: str, **options: Any) -> Any:
        answer = await self.flinks.request(method, path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def connect(self, **signs_in: Any) -> tuple[str, str]:
        path = "/_partners/flinks/_control/complete"
        done = await self.call("POST", path, json=signs_in)
        return done["loginId"], done["accountIds"][0]

    async def token(self, login: str, account: str) -> str:
        partner = await self.call("GET", f"{API}/partnerdata/authsecret/dwolla", headers=BEARER)
        shared = await self.call("GET", f"{API}/partnerdata/{login}/{account}", headers=BEARER)
        return as_token(partner["AuthSecret"], shared["AccessToken"])

    async def body(self, token: object) -> dict[str, Any]:
        href = await self.api.partner_href("Flinks")
        return {"_links": {"exchange-partner": {"href": href}}, "token": token}

    async def refused(self, customer: str, token: object, status: int, code: str) -> None:
        answer = await self.api.post(f"{customer}/exchanges", json=await self.body(token))
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


@pytest.fixture
async def shop(gateway: InProcess) -> Any:
    made = Shop(gateway, await gateway.application())
    yield made
    await made.flinks.aclose()


@pytest.mark.anyio
async def test_an_account_is_linked_and_its_balance_read(shop: Shop) -> None:
    api, customer = shop.api, await shop.api.customer()
    login, account = await shop.connect(accounts=["savings"])
    body = await shop.body(await shop.token(login, account))
    exchange = await api.create(f"{customer}/exchanges", body)
    source = await api.funding_source(customer, exchange, "savings")
    shown = (await api.get(source)).json()
    assert (shown["status"], shown["bankName"]) == ("verified", "FlinksCapital")
    balance = (await api.get(f"{source}/balance")).json()
    assert balance["available"] == {"value": "7800.00", "currency": "USD"}
    await shop.call("DELETE", f"{API}/BankingServices/DeleteCard/{login}")
    lost = await api.get(f"{source}/balance")
    assert lost.json()["code"] == "UpdateCredentials"


@pytest.mark.anyio
async def test_notices(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {"flinks": {"webhook_secret": "a key"}}
    async with in_process(tmp_path, database_url, partners=secret) as gateway:
        shop = Shop(gateway, await gateway.application())
        login, account = await shop.connect()
        body = await shop.body(await shop.token(login, account))
        await shop.api.create(f"{await shop.api.customer()}/exchanges", body)

        def sign(content: bytes, key: bytes = b"a key", digest: str = "sha256") -> dict[str, str]:
            mac = hmac.digest(key, content, digest)
            return {"flinks-authenticity-key": base64.b64encode(mac).decode()}

        said = json.dumps({"ResponseType": "GetAccountsDetail", "LoginId": login}).encode()
        forged = {
            "another key": sign(said, key=b"another"),
            "another algorithm": sign(said, digest="sha512"),
        }
        await assert_heard_as_signed(
            gateway, shop.api, monkeypatch, key="flinks", body=said, sign=sign, forged=forged,
            lose=lambda: shop.call("DELETE", f"{API}/BankingServices/DeleteCard/{login}"),
            doorbell=True,
        )  # fmt: skip
        await shop.flinks.aclose()


@pytest.mark.anyio
async def test_tokens_that_link_nothing(shop: Shop) -> None:
    customer = await shop.api.customer()
    used = await shop.token(*await shop.connect())
    canadian = await shop.token(*await shop.connect(user="greatday_nomfa"))
    unauthorized = (401, "InvalidExchangeToken")
    for token in ("junk", as_token("nobody", "nothing"), as_token("a", "../.."), canadian):
        await shop.refused(customer, token, *unauthorized)
    await shop.refused(customer, 7, 400, "ValidationError")
    await shop.api.create(f"{customer}/exchanges", await shop.body(used))
    await shop.refused(customer, used, *unauthorized)


@pytest.mark.anyio
async def test_a_login_that_flinks_still_reads_can_be_linked_later(
    shop: Shop, gateway: InProcess
) -> None:
    customer = await shop.api.customer()
    token = await shop.token(*await shop.connect(user="test_dispatched"))
    await shop.refused(customer, token, 500, "RequestTimeout")
    gateway.clock.advance(10_000)
    assert await shop.api.create(f"{customer}/exchanges", await shop.body(token))


@pytest.mark.anyio
async def test_flinks_has_no_sessions(shop: Shop) -> None:
    customer = await shop.api.customer()
    href = await shop.api.partner_href("Flinks")
    body = {"_links": {"exchange-partner": {"href": href}}}
    answer = await shop.api.post(f"{customer}/exchange-sessions", json=body)
    assert answer.status_code == 403
