"""Flinks Connect in a real browser: in an integrator's iframe, and alone.

With TALLYSTICK_PICTURES set to a folder, each step leaves a picture there.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import pytest
import uvicorn
from playwright.sync_api import Browser, Frame, Page, expect
from starlette.responses import HTMLResponse
from starlette.routing import Route
from tests.browser import visit

from tallystick.partners.flinks.tests.simulator_stage import ANSWERS, BANKING, PREFIX, Stage

pytestmark = pytest.mark.browser

HOST = """<!doctype html><title>Shop</title><link rel="icon" href="data:,">
<style>body{margin:0}iframe{border:0;width:100%;height:760px}</style>
<script>
  window.messages = [];
  addEventListener("message", (event) => messages.push(event.data));
</script><iframe class="flinksconnect" title="Connect"></iframe>"""
RECORD = "window.messages=[];addEventListener('message',(event)=>messages.push(event.data));"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Stage, str]]:
    """The simulator behind a socket, with the page of an integrator at `/shop`."""
    stage = Stage()
    stage.app.router.routes.append(Route("/shop", lambda _request: HTMLResponse(HOST)))
    config = uvicorn.Config(stage.app, host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield stage, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with visit(browser) as page:
        yield page


class Seat:
    """A person in front of Connect, and the shop that listens."""

    def __init__(self, page: Page, url: str, *, framed: bool = True) -> None:
        self.page = page
        self.url = url
        self.framed = framed
        self.inside: Page | Frame = page
        self.marks = 0

    def open(self, query: str = "demo=true", path: str = "/v2/") -> None:
        address = f"{self.url}{PREFIX}{path}?{query}"
        if not self.framed:
            self.page.add_init_script(RECORD)
            self.page.goto(address)
            return
        self.page.goto(f"{self.url}/shop")
        element = self.page.query_selector("iframe")
        assert element is not None
        element.evaluate("(frame, address) => { frame.src = address; }", address)
        inside = element.content_frame()
        assert inside is not None
        inside.wait_for_url(f"**{path}?**")
        self.inside = inside

    def see(self, name: str) -> Any:
        return self.inside.get_by_test_id(name)

    def log_in(self, username: str = "jane_doe_2_accounts", password: str = "Everyday") -> None:
        self.see("username").fill(username)
        self.see("password").fill(password)
        self.see("submit-credential").click()

    def walk(self, username: str = "jane_doe_2_accounts", password: str = "Everyday") -> None:
        self.see("accept").click()
        self.see("institution-FlinksCapital").click()
        self.log_in(username, password)

    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.evaluate("() => window.messages")
        return found

    def steps(self) -> list[str]:
        """All that Connect has said so far: the last to arrive is a mark of our own."""
        self.marks += 1
        self.inside.evaluate("(mark) => parent.postMessage({ mark }, '*')", self.marks)
        arrived = "(mark) => window.messages.some((message) => message.mark === mark)"
        self.page.wait_for_function(arrived, arg=self.marks)
        return [message["step"] for message in self.messages() if "step" in message]

    def wait(self, step: str) -> dict[str, Any]:
        self.page.wait_for_function(
            "(step) => window.messages.some((message) => message.step === step)", arg=step
        )
        return next(each for each in self.messages() if each.get("step") == step)

    def picture(self, name: str) -> None:
        folder = os.environ.get("TALLYSTICK_PICTURES")
        if folder:
            self.page.screenshot(path=Path(folder) / f"flinks-{name}.png")


@pytest.fixture(params=[True, False], ids=["framed", "alone"])
def seat(request: pytest.FixtureRequest, page: Page, served: tuple[Stage, str]) -> Seat:
    return Seat(page, served[1], framed=request.param)


@pytest.fixture
def framed(page: Page, served: tuple[Stage, str]) -> Seat:
    return Seat(page, served[1])


def accounts(url: str, login_id: str) -> list[dict[str, Any]]:
    """What the shop's server learns with the loginId."""
    with httpx2.Client(base_url=f"{url}{PREFIX}{BANKING}") as client:
        opened = client.post("/Authorize", json={"LoginId": login_id, "MostRecentCached": True})
        body = {"RequestId": opened.json()["RequestId"]}
        found: list[dict[str, Any]] = client.post("/GetAccountsSummary", json=body).json()[
            "Accounts"
        ]
        return found


def test_the_shop_gets_a_login_id(seat: Seat) -> None:
    seat.open()
    seat.picture(f"consent-{seat.framed}")
    seat.see("accept").click()
    seat.see("search").click()
    seat.see("search").press_sequentially("flin")
    seat.picture(f"institutions-{seat.framed}")
    seat.see("institution-FlinksCapital").click()
    seat.picture(f"credential-{seat.framed}")
    seat.log_in()
    redirect = seat.wait("REDIRECT")
    expect(seat.see("step-done")).to_be_visible()
    seat.picture(f"done-{seat.framed}")
    assert seat.steps() == [
        "APP_MOUNTED",
        "COMPONENT_LOAD_CONSENT",
        "COMPONENT_ACCEPT_CONSENT",
        "COMPONENT_LOAD_INSTITUTION_SELECTOR",
        "INSTITUTION_SELECTED",
        "COMPONENT_LOAD_CREDENTIAL",
        "SUBMIT_CREDENTIAL",
        "REDIRECT",
    ]
    assert redirect["institution"] == "FlinksCapital"
    query = parse_qs(urlsplit(redirect["url"]).query)
    assert query["loginId"] == [redirect["loginId"]]
    assert len(accounts(seat.url, redirect["loginId"])) == 2


def test_the_keyboard_alone_is_enough(seat: Seat) -> None:
    seat.open("demo=true&accountSelectorEnable=true")
    keys = seat.page.keyboard
    if seat.framed:  # the page leaves the focus to its host until the person comes in
        seat.see("accept").focus()
    expect(seat.see("accept")).to_be_focused()
    keys.press("Enter")
    expect(seat.see("search")).to_be_focused()
    keys.type("capital")
    keys.press("Tab")
    expect(seat.see("institution-FlinksCapital")).to_be_focused()
    keys.press("Enter")
    expect(seat.see("username")).to_be_focused()
    keys.type("Greatday")
    keys.press("Tab")
    keys.type("Everyday")
    keys.press("Enter")
    expect(seat.see("answer")).to_be_focused()
    keys.type(ANSWERS[seat.see("prompt").inner_text()])
    keys.press("Enter")
    expect(seat.see("step-accounts")).to_be_visible()
    keys.press("Tab")
    keys.press("Space")
    keys.press("Enter")
    redirect = seat.wait("REDIRECT")
    assert seat.wait("ACCOUNT_SELECTED")["accountId"] == redirect["accountId"]


def test_a_question_is_asked_again_after_a_wrong_answer(framed: Seat) -> None:
    framed.open()
    framed.walk("Greatday")
    expect(framed.see("step-mfa")).to_be_visible()
    framed.picture("mfa")
    framed.see("submit-mfa").click()
    expect(framed.see("mfa-alert")).to_contain_text("answer is needed")
    framed.see("answer").fill("Atlantis")
    framed.see("submit-mfa").click()
    expect(framed.see("mfa-alert")).to_contain_text("not the one the bank expects")
    framed.picture("mfa-wrong")
    framed.see("answer").fill(ANSWERS[framed.see("prompt").inner_text()])
    framed.see("submit-mfa").click()
    framed.wait("REDIRECT")
    assert framed.steps()[6:] == [
        "SUBMIT_CREDENTIAL",
        "COMPONENT_LOAD_MFA",
        "SUBMIT_MFA",
        "INVALID_SECURITY_RESPONSE",
        "COMPONENT_LOAD_MFA_RETRY",
        "SUBMIT_MFA",
        "REDIRECT",
    ]


def test_three_wrong_answers_lead_back_to_the_login(framed: Seat) -> None:
    framed.open()
    framed.walk("Greatday")
    for _ in range(3):
        framed.see("answer").fill("Atlantis")
        framed.see("submit-mfa").click()
    expect(framed.see("failure")).to_contain_text("Log in again")
    framed.see("try-again").click()
    expect(framed.see("username")).to_be_visible()


def test_a_wrong_password_can_be_corrected(seat: Seat) -> None:
    seat.open()
    seat.see("accept").click()
    seat.see("institution-FlinksCapital").click()
    seat.see("submit-credential").click()
    expect(seat.see("alert")).to_contain_text("username and password")
    seat.log_in(password="Someday")
    expect(seat.see("alert")).to_contain_text("password is not the one")
    expect(seat.see("password")).to_have_value("")
    seat.picture(f"wrong-password-{seat.framed}")
    seat.log_in("nobody")
    expect(seat.see("alert")).to_contain_text("username is not the one")
    seat.log_in()
    seat.wait("REDIRECT")
    assert seat.wait("INVALID_PASSWORD")["flinksCode"] == "INVALID_PASSWORD"
    assert seat.steps().count("COMPONENT_LOAD_CREDENTIAL_RETRY") == 2


@pytest.mark.parametrize(
    ("username", "code", "words"),
    [
        ("test_disabled_account", "DISABLED_LOGIN", "disabled this login"),
        ("test_service_unavailable", "RETRY_LATER", "Try again later"),
    ],
)
def test_a_failure_is_told_and_can_be_tried_again(
    framed: Seat, username: str, code: str, words: str
) -> None:
    framed.open()
    framed.walk(username)
    expect(framed.see("failure")).to_contain_text(words)
    framed.picture(f"failed-{code}")
    assert framed.wait(code)["flinksCode"] == code
    framed.see("try-again").click()
    framed.log_in()
    framed.wait("REDIRECT")


def test_consent_can_be_refused_and_given_after_all(framed: Seat) -> None:
    framed.open("demo=true&customerName=%3Cb%3EShop%3C/b%3E")
    expect(framed.see("step-consent")).to_contain_text("<b>Shop</b> would like")
    framed.see("decline").click()
    expect(framed.see("step-denied")).to_be_visible()
    framed.see("reconsider").click()
    framed.see("accept").click()
    expect(framed.see("step-institutions")).to_be_visible()
    assert framed.steps()[2:4] == ["COMPONENT_DENY_CONSENT", "COMPONENT_ACCEPT_CONSENT"]


def test_buttons_of_the_header(framed: Seat) -> None:
    framed.open("demo=true&consentEnable=false&closeEnable=true")
    framed.see("institution-FlinksCapital").click()
    framed.see("back").click()
    expect(framed.see("step-institutions")).to_be_visible()
    framed.see("close").click()
    framed.wait("COMPONENT_CLOSE_SESSION")
    expect(framed.see("step-institutions")).to_be_visible()
    framed.open("demo=true&consentEnable=false&backEnable=false&headerEnable=false&theme=dark")
    framed.see("institution-FlinksCapital").click()
    expect(framed.see("back")).to_be_hidden()
    expect(framed.see("close")).to_be_hidden()


def test_without_demo_there_is_no_test_bank(framed: Seat) -> None:
    framed.open("consentEnable=false")
    expect(framed.see("no-results")).to_be_visible()


def test_a_bank_can_be_chosen_by_the_address(framed: Seat) -> None:
    framed.open("consentEnable=false", path="/v2/Credential/FlinksCapital")
    framed.log_in()
    redirect = framed.wait("REDIRECT")
    assert redirect["institution"] == "FlinksCapital"


def test_accounts_of_one_currency_are_offered(framed: Seat) -> None:
    framed.open("demo=true&accountSelectorEnable=true&accountSelectorCurrency=usd&tag=cart-7")
    framed.walk("greatday_nomfa")
    loaded = framed.wait("COMPONENT_LOAD_ACCOUNT_SELECTION")
    assert (loaded["totalAccounts"], loaded["displayedAccounts"]) == (3, 1)
    framed.see("submit-account").click()
    expect(framed.see("account-alert")).to_be_visible()
    framed.picture("accounts")
    framed.see("account-list").locator("input").check()
    framed.see("submit-account").click()
    redirect = framed.wait("REDIRECT")
    assert redirect["tag"] == "cart-7"
    assert redirect["accountId"] in redirect["url"]


@pytest.mark.parametrize(
    ("query", "goes"),
    [("innerRedirect=true", "frame"), ("", "page"), ("jsRedirect=true", None)],
    ids=["inner", "top", "js"],
)
def test_where_the_person_lands(framed: Seat, query: str, goes: str | None) -> None:
    landing = f"{framed.url}{PREFIX}/v2/Result/FlinksCapital"
    framed.open(f"demo=true&redirectUrl={landing}?shop=7&{query}")
    framed.walk()
    if goes is None:
        assert framed.wait("REDIRECT")["url"].startswith(f"{landing}?shop=7&loginId=")
        expect(framed.see("step-done")).to_be_visible()
        return
    where = framed.page if goes == "page" else framed.inside
    where.wait_for_url(f"{landing}?shop=7&loginId=*")
    expect(where.get_by_text("You can close this page.")).to_be_visible()


@pytest.mark.parametrize("address", ["javascript:alert(1)", "http://", "https://[", "//shop"])
def test_only_web_addresses_are_gone_to(framed: Seat, address: str) -> None:
    framed.open(f"demo=true&redirectUrl={quote(address)}")
    framed.walk()
    assert framed.wait("REDIRECT")["url"].startswith(framed.url)
    expect(framed.see("step-done")).to_be_visible()


def test_an_authorize_token_opens_one_page(framed: Seat, served: tuple[Stage, str]) -> None:
    with httpx2.Client(base_url=f"{framed.url}{PREFIX}{BANKING}") as client:
        made = client.post("/GenerateAuthorizeToken", headers={"flinks-auth-key": "sandbox"})
    token = made.json()["AuthorizeToken"]
    httpx2.head(f"{framed.url}{PREFIX}/v2/?authorizeToken={token}").raise_for_status()
    framed.open(f"demo=true&authorizeToken={token}")
    expect(framed.see("step-consent")).to_be_visible()
    framed.open(f"demo=true&authorizeToken={token}")
    expect(framed.see("step-expired")).to_be_visible()
    framed.wait("TOKEN_INVALID")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_fits_a_narrow_phone(framed: Seat, scheme: Any) -> None:
    framed.page.set_viewport_size({"width": 360, "height": 740})
    framed.page.emulate_media(color_scheme=scheme)
    framed.open("demo=true&accountSelectorEnable=true&closeEnable=true")

    def fits(name: str) -> None:
        expect(framed.see(f"step-{name}")).to_be_visible()
        framed.picture(f"narrow-{scheme}-{name}")
        wide = framed.inside.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= 360, f"{name} is {wide} pixels wide"

    fits("consent")
    framed.see("accept").click()
    fits("institutions")
    framed.see("institution-FlinksCapital").click()
    fits("credential")
    framed.log_in("Greatday")
    fits("mfa")
    framed.see("answer").fill(ANSWERS[framed.see("prompt").inner_text()])
    framed.see("submit-mfa").click()
    fits("accounts")
    framed.see("account-list").locator("input").first.check()
    framed.see("submit-account").click()
    fits("done")
