"""The same journey by a person: Connect in the shop's iframe, on a desk and on a phone."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, Route
from tests.browser import visit
from tests.gateway import Served

from tallystick.partners.flinks.tests.test_connect_page import HOST
from tallystick.partners.flinks.tests.test_journey import API, BEARER, as_token

pytestmark = pytest.mark.browser


@pytest.fixture(params=[1280, 360])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    with visit(browser, viewport={"width": request.param, "height": 800}) as page:
        if request.param == 360:
            page.route(re.compile(r"\.js(\?|$)"), _late)  # a phone on a bad line
        yield page


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
    return str(page.evaluate("() => messages.find(({ step }) => step === 'REDIRECT').loginId"))


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
