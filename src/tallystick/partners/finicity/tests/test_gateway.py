"""From Connect to a verified funding source: Finicity behind the gateway's own API.

The shop has its contract with Finicity; the gateway only sees the receipt, posted as it came.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from playwright.async_api import Page, Route, async_playwright
from tests.browser import ARGS, chromium
from tests.gateway import BASE, Api, InProcess, Served

from tallystick.clock import DAY_MS, from_iso
from tallystick.partners.finicity.tests.finicity_world import PREFIX, Integrator
from tallystick.partners.finicity.tests.test_connect_page import HOST, SCRIPT

pytestmark = pytest.mark.anyio


@pytest.fixture
async def shop(gateway: InProcess):
    transport = httpx2.ASGITransport(app=gateway.process)
    async with Integrator(BASE + PREFIX, transport, gateway.clock) as shop:
        yield shop


@pytest.fixture
async def api(gateway: InProcess) -> Api:
    return await gateway.application()


async def post_receipt(api: Api, owner: str, receipt: Any) -> httpx2.Response:
    href = await api.partner_href("Finicity")
    body = {"_links": {"exchange-partner": {"href": href}}, "finicity": receipt}
    return await api.post(f"{owner}/exchanges", json=body)


async def connected(shop: Integrator, **changes: Any) -> dict[str, Any]:
    """The receipt for the checking account of somebody who went through Connect."""
    customer = await shop.customer()
    account = (await shop.accounts(customer))[0]
    return await shop.receipt(customer, account["id"], **changes)


@pytest.mark.parametrize("kind", ["checking", "savings"])
async def test_a_receipt_becomes_a_verified_funding_source(api: Api, shop: Integrator, kind: str):
    customer = await api.customer()
    made = await post_receipt(api, customer, await connected(shop))
    assert (made.status_code, made.content) == (201, b"")
    exchange = made.headers["location"]
    assert (await api.get(exchange)).json()["status"] == "active"
    source = await api.funding_source(customer, exchange, kind)
    shown = (await api.get(source)).json()
    assert (shown["status"], shown["bankAccountType"]) == ("verified", kind)
    balance = (await api.get(f"{source}/balance")).json()
    assert balance["closing"] == {"value": "2510.33", "currency": "USD"}
    assert balance["available"] == {"value": "2480.12", "currency": "USD"}


async def test_a_receipt_for_the_main_account(api: Api, shop: Integrator):
    made = await post_receipt(api, "", await connected(shop))
    assert (made.status_code, made.content) == (201, b"{}")


async def test_a_receipt_works_once(api: Api, shop: Integrator):
    customer = await api.customer()
    receipt = await connected(shop)
    assert (await post_receipt(api, customer, receipt)).status_code == 201
    again = await post_receipt(api, customer, {**receipt, "receiptVersion": 2})
    assert (again.status_code, again.json()["code"]) == (401, "InvalidExchangeToken")


@pytest.mark.parametrize(
    ("receipt", "status", "code"),
    [
        ({}, 401, "InvalidExchangeToken"),
        ({"receiptId": "cr_1", "customerId": "1", "products": []}, 401, "InvalidExchangeToken"),
        ({"receiptId": "cr_1", "customerId": "1",
          "products": [{"product": "moneyTransferDetails", "accountId": "2"}]},
         401, "InvalidExchangeToken"),
        ({"receiptId": "cr_1", "customerId": "1",
          "products": [{"product": "moneyTransferDetails", "accountId": "2",
                        "accessPeriod": {"endTime": "2020-01-01T00:00:00Z"}}]},
         400, "InvalidExchangeToken"),
        ({"receiptId": {}}, 400, "ValidationError"),
        ({"products": {}}, 400, "ValidationError"),
        ({"partnerId": 2**63}, 400, "ValidationError"),
        ({"products": [{"accessPeriod": {"startTime": [1]}}]}, 400, "ValidationError"),
        ("cr_1", 400, "ValidationError"),
        ([], 400, "ValidationError"),
    ],
)  # fmt: skip
async def test_a_receipt_that_is_none(api: Api, receipt: Any, status: int, code: str):
    answer = await post_receipt(api, await api.customer(), receipt)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_balance_needs_a_product(api: Api, shop: Integrator):
    customer = await api.customer()
    receipt = await connected(shop, names=("moneyTransferDetails",))
    exchange = (await post_receipt(api, customer, receipt)).headers["location"]
    source = await api.funding_source(customer, exchange)
    answer = await api.get(f"{source}/balance")
    assert answer.json()["code"] == "UnsupportedOperation"


async def test_a_consent_that_ended(api: Api, shop: Integrator, gateway: InProcess):
    customer = await api.customer()
    exchange = (await post_receipt(api, customer, await connected(shop))).headers["location"]
    gateway.clock.advance(91 * DAY_MS)
    await api.sign_in(api.made["client_id"], api.made["client_secret"])
    body = {"_links": {"exchange": {"href": exchange}}, "bankAccountType": "checking", "name": "A"}
    answer = await api.post(f"{customer}/funding-sources", json=body)
    assert 400 <= answer.status_code < 500, answer.text


async def test_there_are_no_sessions_with_finicity(api: Api):
    customer = await api.customer()
    href = await api.partner_href("Finicity")
    body = {"_links": {"exchange-partner": {"href": href}}}
    answer = await api.post(f"{customer}/exchange-sessions", json=body)
    assert (answer.status_code, answer.json()["message"]) == (
        403, "The exchange partner specified does not support this product",
    )  # fmt: skip


# ── the whole journey, with a person ──────────────────────────────────────────────────────────


class RunsHere:
    """The gateway's clock as the sandbox shows it: other tests may have moved it."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms


async def walk(page: Page) -> None:
    """What a person does in Connect, as Mastercard's Dwolla example has it: profile_09."""
    frame = page.frame_locator("#finicityConnectIframe")
    await frame.get_by_test_id("agree").click()
    await frame.get_by_test_id("search").fill("FinBank Profiles - A")
    await frame.get_by_test_id("institution-102105").click()
    await frame.get_by_test_id("username").fill("profile_09")
    await frame.get_by_test_id("password").fill("profile_09")
    await frame.get_by_test_id("submit-login").click()
    await frame.get_by_test_id("account-Checking").check()
    await frame.get_by_test_id("submit-accounts").click()
    await frame.get_by_test_id("submit").click()
    await page.wait_for_function("() => heard.some((h) => h.name === 'success')")


class ShopPage(BaseHTTPRequestHandler):
    """The shop's one page. A page that the test made up would not be let into the local network."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(HOST.encode())

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def shop_page() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), ShopPage) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


async def _late(route: Route) -> None:
    """A phone on a bad line."""
    await asyncio.sleep(0.6)
    await route.continue_()


async def connect(shop: Integrator, address: str, link: str) -> None:
    """An unmodified page: it loads Finicity's script and launches Connect with the link."""
    script = (await shop.client.get("/assets/sdk/finicity-connect.min.js")).content
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=ARGS)
        page = await browser.new_page(viewport={"width": 360, "height": 780})
        await page.route(re.compile(r"\.js(\?|$)"), _late)
        await page.route(SCRIPT, lambda route: route.fulfill(
            body=script, content_type="text/javascript"
        ))  # fmt: skip
        await page.goto(address)
        await page.evaluate("(link) => launch(link)", link)
        await walk(page)
        await browser.close()


@pytest.mark.browser
async def test_a_person_connects_and_the_shop_gets_a_verified_funding_source(
    server: Served, shop_page: str
):
    made = await asyncio.to_thread(server.application)
    clock = (await asyncio.to_thread(httpx2.get, f"{server.url}/_tallystick/control/clock")).json()
    api = Api(base_url=server.url, headers={"Accept": "application/vnd.dwolla.v1.hal+json"})
    shop = Integrator(server.url + PREFIX, None, RunsHere(from_iso(clock["now"])))
    async with api, shop:
        await api.sign_in(made["client_id"], made["client_secret"])
        person = await shop.customer(f"shop-{made['client_id']}"[:60])
        await connect(shop, shop_page, await shop.link(person))
        path = f"/aggregation/v1/customers/{person}/accounts"
        (account,) = (await shop.post(path)).json()["accounts"]
        receipt = await shop.receipt(person, account["id"])
        customer = await api.customer()
        answer = await post_receipt(api, customer, receipt)
        assert answer.status_code == 201, answer.text
        source = await api.funding_source(customer, answer.headers["location"])
        assert (await api.get(source)).json()["status"] == "verified"
