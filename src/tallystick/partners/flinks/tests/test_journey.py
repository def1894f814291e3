"""From Flinks Connect to a verified funding source, through the gateway's API.

The integrator is Dwolla's example for Flinks: loginId, RequestId, accounts, AuthSecret, AccessToken,
and base64 of the last two as `token` (contract 7.6).
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, Route, sync_playwright
from tests.gateway import Api, InProcess, Served
from tests.requirements import CHROMIUM_ARGS, chromium

from tallystick.partners.flinks.tests.test_connect_page import HOST

API = "/_partners/flinks/v3/sandbox"
BEARER = {"Authorization": "Bearer sandbox"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def as_token(auth_secret: str, access_token: str) -> str:
    return base64.b64encode(f"{auth_secret}:{access_token}".encode()).decode()


# ── without a browser ─────────────────────────────────────────────────────────────────────────


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


# ── with one ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=[1280, 360])
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        page = browser.new_page(viewport={"width": request.param, "height": 800})
        page.set_default_timeout(30_000)
        if request.param == 360:
            page.route(re.compile(r"\.js(\?|$)"), _late)  # a phone on a bad line
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if "Security Policy" in m.text else None)
        yield page
        browser.close()
        assert wrong == []


def _late(route: Route) -> None:
    time.sleep(0.6)
    route.continue_()


class ShopPage(BaseHTTPRequestHandler):
    """The shop's one page, at an origin of its own."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(HOST.encode())

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def shop_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), ShopPage) as shop:
        thread = threading.Thread(target=shop.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{shop.server_address[1]}"
        shop.shutdown()
        thread.join()


def frame_connect(page: Page, shop_url: str, server: Served) -> str:
    """A person links jane's bank in the shop's iframe; the loginId that the shop is told."""
    page.goto(shop_url)
    address = f"{server.url}/_partners/flinks/v2/?demo=true"
    page.evaluate("(url) => { document.querySelector('iframe').src = url; }", address)
    frame = page.frame_locator("iframe")
    frame.get_by_test_id("accept").click()
    frame.get_by_test_id("institution-FlinksCapital").click()
    frame.get_by_test_id("username").fill("jane_doe_2_accounts")
    frame.get_by_test_id("password").fill("Everyday")
    frame.get_by_test_id("submit-credential").click()
    page.wait_for_function("() => messages.some((message) => message.step === 'REDIRECT')")
    return str(page.evaluate("() => messages.at(-1).loginId"))


@pytest.mark.browser
def test_a_person_links_an_account_in_the_shop(page: Page, shop_url: str, server: Served) -> None:
    login = frame_connect(page, shop_url, server)
    with httpx2.Client(base_url=f"{server.url}{API}", timeout=20) as flinks:
        body = {"LoginId": login, "MostRecentCached": True}
        request_id = flinks.post("/BankingServices/Authorize", json=body).json()["RequestId"]
        summary = flinks.post("/BankingServices/GetAccountsSummary", json={"RequestId": request_id})
        account = summary.json()["Accounts"][0]["Id"]
        partner = flinks.get("/partnerdata/authsecret/dwolla", headers=BEARER).json()
        shared = flinks.get(f"/partnerdata/{login}/{account}", headers=BEARER).json()
    made = server.application()
    accept = {"Accept": "application/vnd.dwolla.v1.hal+json"}
    with httpx2.Client(base_url=server.url, headers=accept, timeout=20) as api:
        credentials = (made["client_id"], made["client_secret"])
        grant = {"grant_type": "client_credentials"}
        signed_in = api.post("/token", auth=credentials, data=grant).json()
        api.headers["Authorization"] = f"Bearer {signed_in['access_token']}"

        def create(path: str, body: Any) -> str:
            answer = api.post(path, json=body)
            assert answer.status_code == 201, answer.text
            return answer.headers["location"]

        person = {"firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"}
        customer = create("/customers", person)
        listed = api.get("/exchange-partners").json()["_embedded"]["exchange-partners"]
        links = next(each["_links"] for each in listed if each["name"] == "Flinks")
        token = as_token(partner["AuthSecret"], shared["AccessToken"])
        proof = {"_links": {"exchange-partner": links["self"]}, "token": token}
        exchange = create(f"{customer}/exchanges", proof)
        source = create(
            f"{customer}/funding-sources",
            {
                "_links": {"exchange": {"href": exchange}},
                "bankAccountType": "checking",
                "name": "Everyday",
            },
        )
        assert api.get(source).json()["status"] == "verified"
