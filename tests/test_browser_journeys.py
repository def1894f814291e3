"""The same journeys by a person: real Chromium, the connect pages, unmodified front-ends.

The integrator's page is made of `react-plaid-link` or `@mxenabled/web-widget-sdk` as they come from
their registry; the integrator's server is the test, speaking the API.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx2
import pytest
from playwright.sync_api import Browser, Page, Route

from .browser import visit
from .gateway import Served, served
from .requirements import NODE_MODULES, ROOT, node

pytestmark = [pytest.mark.browser, pytest.mark.node]

PAGES = ROOT / "tests" / "node" / "pages"
PLAID_SCRIPT = "https://cdn.plaid.com/link/v2/stable/link-initialize.js"
HTML = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"></head>
<body><div id="root" style="height: 600px"></div><script src="{name}.js"></script></body></html>"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The integrator's pages, bundled and served."""
    node()
    folder = tmp_path_factory.mktemp("shop")
    (folder / "src").mkdir()
    for source in PAGES.glob("*.jsx"):
        (folder / f"{source.stem}.html").write_text(HTML.format(name=source.stem))
        subprocess.run(
            [str(NODE_MODULES / ".bin" / "esbuild"), str(source), "--bundle",
             '--define:process.env.NODE_ENV="production"',
             f"--outfile={folder / source.stem}.js", "--log-level=error"],
            cwd=PAGES, check=True,
        )  # fmt: skip
    shutil.rmtree(folder / "src")
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    with served(folder, f"sqlite:///{folder}/t.db") as running:
        yield running


class Integrator:
    """A shop: its server speaks the API, its page is in the browser."""

    def __init__(self, gateway: Served, shop: str, page: Page) -> None:
        self.gateway, self.shop, self.page = gateway, shop, page
        made = gateway.application()
        self.api = httpx2.Client(
            base_url=gateway.url,
            headers={"Accept": "application/vnd.dwolla.v1.hal+json"},
            timeout=20,
        )
        token = self.api.post(
            "/token",
            auth=(made["client_id"], made["client_secret"]),
            data={"grant_type": "client_credentials"},
        ).json()["access_token"]
        self.api.headers["Authorization"] = f"Bearer {token}"
        body = {"firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"}
        self.customer = self.create("/customers", body)

    def create(self, path: str, body: Any) -> str:
        answer = self.api.post(path, json=body)
        assert answer.status_code == 201, answer.text
        return answer.headers["location"]

    def session(self, name: str) -> dict[str, Any]:
        listed = self.api.get("/exchange-partners").json()["_embedded"]["exchange-partners"]
        href = next(each for each in listed if each["name"] == name)["_links"]["self"]["href"]
        self.links = {"_links": {"exchange-partner": {"href": href}}}
        return self.api.get(self.create(f"{self.customer}/exchange-sessions", self.links)).json()

    def exchanges(self) -> list[dict[str, Any]]:
        listed = self.api.get(f"{self.customer}/exchanges").json()
        return listed["_embedded"]["exchanges"]

    def finish(self, proof: dict[str, Any], kind: str = "checking") -> str:
        """Redeem the proof and make a funding source: it is verified, and the events say so."""
        exchange = self.create(f"{self.customer}/exchanges", {**self.links, **proof})
        source = self.create(
            f"{self.customer}/funding-sources",
            {"_links": {"exchange": {"href": exchange}}, "bankAccountType": kind, "name": "Main"},
        )
        assert self.api.get(source).json()["status"] == "verified"
        events = self.api.get("/events?limit=2").json()["_embedded"]["events"]
        assert [each["topic"] for each in events] == [
            "customer_funding_source_verified",
            "customer_funding_source_added",
        ]
        return source

    def nothing_was_linked(self) -> None:
        assert self.api.get(f"{self.customer}/exchanges").json()["total"] == 0
        events = self.api.get("/events").json()["_embedded"]["events"]
        assert [each["topic"] for each in events] == ["customer_created"]

    def told(self, name: str) -> dict[str, Any]:
        self.page.wait_for_function(f"told.some((each) => each.name === '{name}')")
        return next(each for each in self.page.evaluate("told") if each["name"] == name)

    # ── Plaid ─────────────────────────────────────────────────────────────────────────────────

    def open_plaid(self) -> None:
        """The page asks for Plaid's own address, and is answered by the simulator's script."""
        here = f"{self.gateway.url}/_partners/plaid/link/v2/stable/link-initialize.js"
        script = httpx2.get(here).text
        self.page.route(
            PLAID_SCRIPT,
            lambda route: route.fulfill(body=script, content_type="text/javascript"),
        )
        self.enter_plaid(self.session("Plaid"))

    def enter_plaid(self, session: dict[str, Any]) -> None:
        token = session["externalProviderSessionToken"]
        self.page.goto(f"{self.shop}/plaid.html?token={token}")
        self.page.click("#link:enabled")
        self.frame = self.page.frame_locator("iframe[title='Plaid Link']")

    # ── MX ────────────────────────────────────────────────────────────────────────────────────

    def open_mx(self) -> None:
        url = self.session("MX")["_links"]["external-provider-session"]["href"]
        self.page.goto(f"{self.shop}/mx.html?url={quote(url, safe='')}")
        self.frame = self.page.frame_locator("#root iframe")
        self.told("loaded")

    def offered(self) -> list[dict[str, Any]]:
        listed = self.api.get(f"{self.customer}/available-exchange-connections").json()
        return listed["_embedded"]["available-exchange-connections"]

    # ── both ──────────────────────────────────────────────────────────────────────────────────

    def see(self, name: str) -> Any:
        part = self.frame.get_by_test_id(name)
        part.wait_for(state="visible")
        return part

    def click(self, *names: str) -> None:
        for name in names:
            self.see(name).click()

    def log_in(self, username: str, password: str) -> None:
        self.see("username").fill(username)
        self.see("password").fill(password)
        self.click("submit-credentials")

    def scrolls_sideways(self) -> bool:
        widths = "[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]"
        wide, shown = self.page.frames[-1].evaluate(widths)
        return wide > shown


class Screen(NamedTuple):
    """How wide it is, and how many seconds every script takes to come."""

    width: int = 1280
    script_s: float = 0


@pytest.fixture(params=[Screen(1280), Screen(360), Screen(360, 0.6)], ids=str)
def screen(request: pytest.FixtureRequest) -> Screen:
    return request.param


def _late(script_s: float) -> Any:
    def serve(route: Route) -> None:
        time.sleep(script_s)
        route.continue_()

    return serve


@pytest.fixture
def integrator(
    request: pytest.FixtureRequest, gateway: Served, shop: str, browser: Browser
) -> Iterator[Integrator]:
    asked = "screen" in request.fixturenames
    screen: Screen = request.getfixturevalue("screen") if asked else Screen()
    with visit(browser, viewport={"width": screen.width, "height": 780}) as page:
        if screen.script_s:
            page.route(re.compile(r"\.js(\?|$)"), _late(screen.script_s))
        made = Integrator(gateway, shop, page)
        yield made
        made.api.close()


# ── Plaid, through react-plaid-link ───────────────────────────────────────────────────────────


def test_plaid_links_an_account(integrator, screen):
    integrator.open_plaid()
    integrator.click("continue", "institution-ins_109508")
    integrator.log_in("user_good", "pass_good")
    integrator.see("step-accounts")
    assert not integrator.scrolls_sideways()
    integrator.frame.get_by_label("Plaid Checking").check()
    integrator.click("submit-accounts")
    integrator.click("finish")
    told = integrator.told("success")
    assert told["metadata"]["institution"] == {
        "name": "First Platypus Bank",
        "institution_id": "ins_109508",
    }
    assert [each["name"] for each in told["metadata"]["accounts"]] == ["Plaid Checking"]
    integrator.finish({"plaid": {"publicToken": told["publicToken"]}})


def test_plaid_wrong_password_and_exit(integrator):
    integrator.open_plaid()
    integrator.click("continue", "institution-ins_109508")
    integrator.log_in("user_good", "wrong")
    integrator.frame.locator("[data-testid=error]:not([hidden])").wait_for()
    integrator.click("close", "confirm-yes")
    told = integrator.told("exit")
    assert told["error"]["error_code"] == "INVALID_CREDENTIALS"
    integrator.nothing_was_linked()


@pytest.mark.parametrize(
    ("password", "code"),
    [("error_INSTITUTION_DOWN", "INSTITUTION_DOWN"), ("error_ITEM_LOCKED", "ITEM_LOCKED")],
)
def test_plaid_trouble_at_the_institution(integrator, password, code):
    integrator.open_plaid()
    integrator.click("continue", "institution-ins_109508")
    integrator.log_in("user_good", password)
    integrator.see("step-failed")
    integrator.click("failed-exit")
    assert integrator.told("exit")["error"]["error_code"] == code
    integrator.nothing_was_linked()


def test_plaid_update_mode_and_the_wrong_account(integrator, gateway):
    """The person repairs what works, takes the linked account away, and brings it back."""
    integrator.open_plaid()
    integrator.click("continue", "institution-ins_127287", "oauth-allow")
    integrator.see("step-accounts")
    integrator.frame.get_by_label("Plaid Checking").check()
    integrator.frame.get_by_label("Plaid Saving").check()
    integrator.click("submit-accounts", "finish")
    source = integrator.finish(
        {"plaid": {"publicToken": integrator.told("success")["publicToken"]}}
    )
    (exchange,) = integrator.exchanges()
    for shares_it, code in ((False, "UpdateCredentials"), (True, None)):
        session = integrator.create(f"/exchanges/{exchange['id']}/exchange-sessions", {})
        integrator.enter_plaid(integrator.api.get(session).json())
        integrator.click("oauth-allow")
        integrator.see("step-accounts")
        integrator.frame.get_by_label("Plaid Checking").set_checked(shares_it)
        integrator.click("submit-accounts", "finish")
        token = integrator.told("success")["publicToken"]
        assert integrator.api.get(f"{source}/balance").json().get("code") == code
    # A page that sends on every token it is told is answered with the exchange that there is.
    again = integrator.create(
        f"{integrator.customer}/exchanges", {**integrator.links, "plaid": {"publicToken": token}}
    )
    assert again.rpartition("/")[2] == exchange["id"]
    assert integrator.exchanges() == [exchange]


# ── MX, through the web widget SDK ────────────────────────────────────────────────────────────


def test_mx_links_an_account(integrator, screen):
    integrator.open_mx()
    integrator.click("institution-mxbank")
    integrator.log_in("mxuser", "any")
    integrator.see("step-accounts")
    assert not integrator.scrolls_sideways()
    integrator.see("account-checking").check()
    integrator.click("submit-accounts", "done")
    integrator.told("primaryAction")
    assert integrator.told("memberConnected")["member_guid"].startswith("MBR-")
    (offered,) = integrator.offered()
    assert offered["name"] == "MX Bank Checking"
    integrator.finish({"mx": {"availableConnectionToken": offered["availableConnectionToken"]}})
    assert not [each for each in integrator.page.evaluate("told") if each["name"] == "invalid"]


@pytest.mark.parametrize(
    ("password", "status"), [("INVALID", 2), ("LOCKED", 5), ("UNAVAILABLE", 14)]
)
def test_mx_refused(integrator, password, status):
    """DENIED lets the person try again; LOCKED and FAILED end there. Nothing is offered."""
    integrator.open_mx()
    integrator.click("institution-mxbank")
    integrator.log_in("mxuser", password)
    integrator.page.wait_for_function(f"told.some((each) => each.connection_status === {status})")
    assert integrator.offered() == []
    integrator.nothing_was_linked()
