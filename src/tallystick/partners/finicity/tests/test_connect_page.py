"""Connect in a real browser: an integrator's unmodified page, Finicity's script, our page.

The page loads the script from Finicity's address; the test answers for that address with the
simulator's. With TALLYSTICK_PICTURES set to a folder, each step leaves a picture there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect
from tests.browser import visit

from tallystick.partners.finicity.tests.finicity_world import (
    CREDENTIALS,
    INTEGRATOR,
    World,
    shelf_path,
)

SCRIPT = "https://connect2.finicity.com/assets/sdk/finicity-connect.min.js"

# As Mastercard's web example launches Connect; nothing in it knows of a simulator.
HOST = f"""<!doctype html><html lang="en"><head><title>Shop</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<script src="{SCRIPT}"></script></head><body><h1>Shop</h1><div id="place"></div><script>
  window.heard = [];
  const note = (name) => (event) => heard.push({{ name, event }});
  window.launch = (url, more = {{}}) => window.finicityConnect.launch(url, {{
    success: note("success"), cancel: note("cancel"), error: note("error"),
    loaded: note("loaded"), route: note("route"), user: note("user"), ...more,
  }});
</script></body></html>"""

pytestmark = pytest.mark.browser


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(shelf_path(tmp_path), host=HOST)
    with world.served():
        yield world
    assert world.inspector.complaints == []
    world.db.close()


class Shop:
    """An integrator: its server calls the API, its page is in front of a person."""

    def __init__(self, world: World, page: Page) -> None:
        self.world = world
        self.page = page
        self.client = httpx2.Client(
            base_url=world.base_url, headers={"Finicity-App-Key": INTEGRATOR}
        )
        token = self.post("/aggregation/v2/partners/authentication", CREDENTIALS)["token"]
        self.client.headers["Finicity-App-Token"] = token
        self.customer = self.post("/aggregation/v2/customers/testing", {"username": "customer-1"})[
            "id"
        ]
        script = self.client.get("/assets/sdk/finicity-connect.min.js")
        assert script.headers["content-type"].startswith("text/javascript")
        page.route(SCRIPT, lambda route: route.fulfill(
            body=script.content, content_type="text/javascript"
        ))  # fmt: skip

    def post(self, path: str, body: Any) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def link(self, path: str = "/connect/v2/generate", **more: Any) -> str:
        body = {"partnerId": INTEGRATOR, "customerId": self.customer, **more}
        return str(self.post(path, body)["link"])

    def accounts(self) -> list[dict[str, Any]]:
        path = f"/aggregation/v1/customers/{self.customer}/accounts"
        return self.client.get(path).json()["accounts"]

    def launch(self, link: str | None = None, **more: Any) -> FrameLocator:
        if not self.page.url.endswith("/host"):
            self.page.goto(f"{self.world.origin}/host")
        self.page.evaluate("([url, more]) => launch(url, more)", [link or self.link(), more])
        frame = self.page.frame_locator("#finicityConnectIframe")
        expect(
            frame.get_by_test_id("step-share").or_(frame.get_by_test_id("step-over"))
        ).to_be_visible()
        return frame

    def heard(self, name: str) -> list[Any]:
        told = self.page.evaluate("() => heard")
        return [each.get("event") for each in told if each["name"] == name]

    def wait(self, name: str) -> Any:
        self.page.wait_for_function("(name) => heard.some((h) => h.name === name)", arg=name)
        return self.heard(name)[-1]

    def close(self) -> None:
        self.client.close()

    def picture(self, name: str) -> None:
        folder = os.environ.get("TALLYSTICK_PICTURES")
        if folder:
            self.page.screenshot(path=f"{folder}/finicity-{name}.png")


@pytest.fixture
def shop(browser: Browser, world: World) -> Iterator[Shop]:
    with visit(browser) as page, closing(Shop(world, page)) as shop:
        yield shop


@pytest.fixture(params=["light", "dark"])
def small(request: pytest.FixtureRequest, browser: Browser, world: World) -> Iterator[Shop]:
    """A telephone of 360 by 640 points."""
    size = {"width": 360, "height": 640}
    looks = visit(browser, viewport=size, color_scheme=request.param)
    with looks as page, closing(Shop(world, page)) as shop:
        yield shop


def sign_in(frame: FrameLocator, username: str, password: str, bank: int = 102105) -> None:
    frame.get_by_test_id("agree").click()
    frame.get_by_test_id(f"institution-{bank}").click()
    frame.get_by_test_id("username").fill(username)
    frame.get_by_test_id("password").fill(password)
    frame.get_by_test_id("submit-login").click()


def share(frame: FrameLocator, *names: str) -> None:
    for name in names:
        frame.get_by_test_id(f"account-{name}").check()
    frame.get_by_test_id("submit-accounts").click()


def test_accounts_are_shared_with_the_mouse(shop: Shop) -> None:
    frame = shop.launch()
    assert shop.page.locator("#finicityConnectIframe").get_attribute("role") == "dialog"
    frame.get_by_test_id("agree").click()
    frame.get_by_test_id("search").fill("profiles a")
    expect(frame.get_by_test_id("institution-102106")).to_be_hidden()
    shop.page.wait_for_function("() => heard.some((h) => h.event?.data?.params?.query)")
    shop.picture("search")
    frame.get_by_test_id("institution-102105").click()
    frame.get_by_test_id("username").fill("profile_09")
    frame.get_by_test_id("password").fill("profile_09")
    shop.picture("login")
    frame.get_by_test_id("submit-login").click()
    frame.get_by_test_id("submit-accounts").click()
    expect(frame.get_by_test_id("account-alert")).to_be_visible()
    share(frame, "Checking", "Savings")
    shop.picture("review")
    frame.get_by_test_id("submit").click()
    assert shop.wait("success") == {"code": 200, "reason": "complete", "reportData": []}
    expect(shop.page.locator("#finicityConnectIframe")).to_have_count(0)
    assert [each["type"] for each in shop.accounts()] == ["checking", "savings"]
    assert len(shop.heard("loaded")) == 1
    screens = [each["data"]["screen"] for each in shop.heard("route")]
    assert [each for i, each in enumerate(screens) if each != screens[i - 1]] == [
        "Search", "Add-Institution", "Add-Accounts", "Done",
    ]  # fmt: skip
    users = shop.heard("user")
    assert [each["data"]["action"] for each in users] == [
        "SelectInstitution", "AddAccounts", "AddAccounts",
    ]  # fmt: skip
    assert users[-1]["data"]["accounts"] == [each["id"] for each in shop.accounts()]
    assert not shop.heard("cancel") + shop.heard("error")


def test_accounts_are_shared_with_the_keyboard_alone(shop: Shop) -> None:
    frame = shop.launch()
    keys = shop.page.keyboard
    shop.wait("loaded")  # the script has put the focus on the frame
    for button in ("exit", "agree"):
        keys.press("Tab")
        expect(frame.get_by_test_id(button)).to_be_focused()
    keys.press("Enter")
    expect(frame.get_by_test_id("search")).to_be_focused()
    expect(frame.get_by_test_id("institution-101732")).to_be_visible()
    keys.type("b")
    expect(frame.get_by_test_id("institution-101732")).to_be_hidden()
    keys.press("Tab")
    expect(frame.get_by_test_id("institution-102106")).to_be_focused()
    keys.press("Enter")
    expect(frame.get_by_test_id("username")).to_be_focused()
    keys.type("tfa_text")
    keys.press("Tab")
    keys.type("go")
    keys.press("Enter")
    expect(frame.get_by_test_id("answer")).to_be_focused()
    keys.type("Rex")
    keys.press("Enter")
    expect(frame.get_by_test_id("step-accounts")).to_be_visible()
    keys.press("Tab")
    expect(frame.get_by_test_id("account-Checking")).to_be_focused()
    keys.press("Space")
    keys.press("Enter")
    expect(frame.get_by_test_id("submit")).to_be_focused()
    keys.press("Enter")
    shop.wait("success")
    assert [each["institutionId"] for each in shop.accounts()] == ["102106"]


def test_it_fits_a_telephone(small: Shop) -> None:
    frame = small.launch()
    small.picture("small-share")
    frame.get_by_test_id("agree").click()
    for step in ("step-search", "step-login"):
        expect(frame.get_by_test_id(step)).to_be_visible()
        assert wide(frame) <= 360, step
        if step == "step-search":
            frame.get_by_test_id("institution-101732").click()
    small.picture("small-login")
    frame.get_by_test_id("username").fill("tfa_choice")
    frame.get_by_test_id("password").fill("go")
    frame.get_by_test_id("submit-login").click()
    expect(frame.get_by_test_id("step-mfa")).to_be_visible()
    assert wide(frame) <= 360
    small.picture("small-mfa")
    frame.get_by_test_id("option-Text").check()
    frame.get_by_test_id("submit-mfa").click()
    share(frame, "Checking")
    expect(frame.get_by_test_id("step-review")).to_be_visible()
    assert wide(frame) <= 360
    small.picture("small-review")
    frame.get_by_test_id("submit").click()
    small.wait("success")


def wide(frame: FrameLocator) -> int:
    return int(frame.locator("html").evaluate("(e) => e.scrollWidth"))


def test_a_person_leaves(shop: Shop) -> None:
    frame = shop.launch(selector="#place", overlay="rgb(1, 2, 3)")
    assert shop.page.locator("#place > iframe").count() == 1
    look = "(e) => e.style.background"
    assert shop.page.locator("#finicityConnectIframe").evaluate(look) == "rgb(1, 2, 3)"
    frame.get_by_test_id("exit").click()
    assert shop.wait("cancel") == {"code": 100, "reason": "exit"}
    expect(shop.page.locator("iframe")).to_have_count(0)
    frame = shop.launch()
    with pytest.raises(Exception, match="destroy the iframe"):
        shop.page.evaluate("() => launch('about:blank')")
    shop.page.evaluate("() => { finicityConnect.destroy(); finicityConnect.destroy(); }")
    expect(shop.page.locator("iframe")).to_have_count(0)
    assert shop.accounts() == []


def test_wrong_sign_ins_and_answers(shop: Shop) -> None:
    frame = shop.launch()
    sign_in(frame, "invalid_user", "go")
    expect(frame.get_by_test_id("alert")).to_contain_text("not right")
    shop.picture("refused")
    frame.get_by_test_id("submit-login").click()
    expect(frame.get_by_test_id("password")).to_have_attribute("aria-invalid", "true")
    frame.get_by_test_id("username").fill("tfa_choice")
    frame.get_by_test_id("password").fill("go")
    frame.get_by_test_id("submit-login").click()
    frame.get_by_test_id("submit-mfa").click()
    expect(frame.get_by_test_id("mfa-alert")).to_be_visible()
    frame.get_by_test_id("option-fail").check()
    frame.get_by_test_id("submit-mfa").click()
    expect(frame.get_by_test_id("alert")).to_contain_text("answer is not right")
    frame.get_by_test_id("username").fill("tfa_image")
    frame.get_by_test_id("password").fill("go")
    frame.get_by_test_id("submit-login").click()
    expect(frame.get_by_alt_text("A word to type")).to_be_visible()
    frame.get_by_test_id("back").click()
    expect(frame.get_by_test_id("step-login")).to_be_visible()
    expect(frame.get_by_test_id("alert")).to_be_hidden()
    frame.get_by_test_id("back").click()
    expect(frame.get_by_test_id("step-search")).to_be_visible()


def test_a_page_that_is_open_for_too_long(shop: Shop) -> None:
    frame = shop.launch()
    frame.get_by_test_id("agree").click()
    expect(frame.get_by_test_id("institution-102105")).to_be_visible()
    shop.world.clock.advance(2 * 60 * 60 * 1_000)
    frame.get_by_test_id("search").fill("fin")
    assert shop.wait("error") == {"code": 1440, "reason": "timeout"}


def test_a_simulator_that_has_forgotten_everything(shop: Shop) -> None:
    frame = shop.launch()
    shop.world.kit.shelf.clear()
    frame.get_by_test_id("agree").click()
    expect(frame.get_by_test_id("failure")).to_contain_text("not found")
    shop.picture("failed")
    frame.get_by_test_id("leave").click()
    assert shop.wait("error") == {"code": 500, "reason": "error"}


def test_a_link_that_is_over(shop: Shop) -> None:
    link = shop.link()
    shop.world.clock.advance(2 * 60 * 60 * 1_000)
    frame = shop.launch(link)
    expect(frame.get_by_test_id("step-over")).to_contain_text("no longer works")


def test_a_sign_in_is_repaired(shop: Shop) -> None:
    frame = shop.launch()
    sign_in(frame, "profile_09", "profile_09")
    share(frame, "Checking")
    frame.get_by_test_id("submit").click()
    shop.wait("success")
    login = shop.accounts()[0]["institutionLoginId"]
    shop.post(f"/_control/institutionLogins/{login}", {"aggregationStatusCode": 103})
    assert shop.accounts()[0]["aggregationStatusCode"] == 103
    frame = shop.launch(shop.link("/connect/v2/generate/fix", institutionLoginId=str(login)))
    frame.get_by_test_id("agree").click()
    expect(frame.get_by_test_id("step-login")).to_contain_text("FinBank Profiles - A")
    expect(frame.get_by_test_id("back")).to_be_hidden()
    frame.get_by_test_id("username").fill("profile_09")
    frame.get_by_test_id("password").fill("profile_09")
    frame.get_by_test_id("submit-login").click()
    expect(frame.get_by_test_id("summary")).to_contain_text("connected again")
    frame.get_by_test_id("submit").click()
    shop.page.wait_for_function("() => heard.filter((h) => h.name === 'success').length === 2")
    assert shop.accounts()[0]["aggregationStatusCode"] == 0


def test_alone_it_goes_back_to_the_integrator(shop: Shop) -> None:
    shop.page.goto(shop.link(redirectUri=f"{shop.world.origin}/host?from=connect"))
    sign_in(shop.page, "demo", "go", bank=101732)
    share(shop.page, "Savings")
    shop.page.get_by_test_id("submit").click()
    shop.page.wait_for_url("**/host?from=connect&code=200&reason=complete")


def test_alone_without_an_address_it_ends_here(shop: Shop) -> None:
    shop.page.goto(shop.link())
    sign_in(shop.page, "profile_09", "profile_09")
    share(shop.page, "Checking")
    shop.page.get_by_test_id("submit").click()
    expect(shop.page.get_by_test_id("closing")).to_be_visible()
