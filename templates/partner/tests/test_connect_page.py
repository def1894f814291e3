"""The page in a real browser, with the keyboard alone, on a telephone.

REPLACE: the steps. The page must be usable at a width of 360 px, in light and in dark.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx2
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect
from starlette.responses import HTMLResponse
from starlette.routing import Route
from tests.browser import visit

from tallystick.partners.acme.tests.stage import PREFIX, Seat

pytestmark = pytest.mark.browser

KEYS = {"X-Client-Id": "sandbox", "X-Client-Secret": "sandbox"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The simulator behind a socket, with the page of an integrator at `/shop`."""
    app = Seat().app
    app.router.routes.append(Route("/shop", lambda _request: HTMLResponse("<h1>Shop</h1>")))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    phone = {"width": 360, "height": 640}
    with visit(browser, viewport=phone, color_scheme=request.param) as page:
        yield page


def open_page(page: Page, url: str, **asked: str) -> None:
    body = {"user": "customer-1", **asked}
    made = httpx2.post(f"{url}{PREFIX}/link-sessions", json=body, headers=KEYS)
    page.goto(made.json()["url"])
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 360


def log_in(page: Page, password: str) -> None:
    expect(page.get_by_test_id("username")).to_be_focused()
    page.keyboard.type("acme_user")
    page.keyboard.press("Tab")
    expect(page.get_by_test_id("password")).to_be_focused()
    page.keyboard.type(password)
    page.keyboard.press("Enter")


def test_account_is_shared_with_the_keyboard_alone(page: Page, url: str) -> None:
    open_page(page, url, redirectUrl=f"{url}/shop?step=2")
    log_in(page, "a typo")
    expect(page.get_by_test_id("refused")).to_be_visible()
    log_in(page, "acme_pass")
    expect(page.get_by_test_id("return")).to_be_focused()
    page.reload()
    expect(page.get_by_test_id("return")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/shop?step=2&code=*")


def test_without_an_address_the_code_is_shown(page: Page, url: str) -> None:
    open_page(page, url)
    log_in(page, "acme_pass")
    assert len(page.get_by_test_id("code").inner_text()) == 43
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_a_page_that_is_over_says_so(page: Page, url: str) -> None:
    page.goto(f"{url}{PREFIX}/link/nothing")
    expect(page.get_by_test_id("gone")).to_be_visible()
