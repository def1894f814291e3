"""The Connect page in a real browser, alone and in a host's iframe.

`Seat.messages` judges every message that the page posts; see `test_simulator_seat.py`. With
TALLYSTICK_PICTURES set to a folder, each step leaves a picture there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser import visit

from tallystick.partners.mx.tests.test_simulator_seat import HOST, Seat
from tallystick.partners.mx.tests.test_simulator_world import World, contract

pytestmark = pytest.mark.browser


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    contract("mx-v20111101.yml")
    with World(str(tmp_path / "shelves.db"), host=HOST) as world:
        yield world
        assert world.inspector.complaints == []


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with visit(browser) as page:
        yield page


@pytest.fixture(params=[True, False], ids=["framed", "alone"])
def seat(request: pytest.FixtureRequest, world: World, page: Page) -> Seat:
    return Seat(world, page, framed=request.param)


@pytest.fixture
def framed(world: World, page: Page) -> Seat:
    return Seat(world, page, framed=True)


def test_account_is_linked_with_the_mouse(seat: Seat) -> None:
    seat.open(ui_message_version=4)
    seat.see("search").click()
    seat.see("search").press_sequentially("mx")
    seat.page.wait_for_function(
        "() => messages.some((m) => m.type === 'mx/connect/institutionSearch')"
    )
    seat.picture(f"search-{seat.framed}")
    seat.pick_bank()
    seat.picture(f"credentials-{seat.framed}")
    seat.log_in()
    expect(seat.see("step-accounts")).to_be_visible()
    seat.picture(f"accounts-{seat.framed}")
    seat.choose("savings")
    seat.picture(f"connected-{seat.framed}")
    seat.finish()
    assert seat.types() == [
        "load",
        "connect/loaded",
        "connect/institutionSearch",
        "connect/selectedInstitution",
        "connect/stepChange",
        "connect/enterCredentials",
        "connect/stepChange",
        "connect/memberStatusUpdate",
        "connect/stepChange",
        "account/created",
        "connect/memberConnected",
        "connect/stepChange",
        "connect/connected/primaryAction",
    ]
    steps = [(m["previous"], m["current"]) for m in seat.metadata("mx/connect/stepChange")]
    assert steps[:2] == [("search", "enterCreds"), ("enterCreds", "connecting")]
    assert seat.metadata("mx/connect/memberStatusUpdate")[0]["connection_status"] == 6
    [numbers] = seat.numbers()
    assert numbers["account_guid"] == seat.metadata("mx/account/created")[0]["guid"]
    assert numbers["member_guid"] == seat.metadata("mx/connect/memberConnected")[0]["member_guid"]


def test_account_is_linked_with_the_keyboard_alone(seat: Seat) -> None:
    seat.open()
    keys = seat.page.keyboard
    expect(seat.see("institution-mxbank")).to_be_visible()
    if seat.framed:  # the page leaves the focus to its host until the person comes in
        keys.press("Tab")
    expect(seat.see("search")).to_be_focused()
    keys.type("bank")
    keys.press("Tab")
    expect(seat.see("institution-mxbank")).to_be_focused()
    seat.page.wait_for_function(
        "() => messages.some((m) => m.type === 'mx/connect/institutionSearch')"
    )
    expect(seat.see("institution-mxbank")).to_be_focused()  # what was found has left it alone
    keys.press("Enter")
    expect(seat.see("username")).to_be_focused()
    keys.type("mxuser")
    keys.press("Tab")
    keys.type("challenge")
    keys.press("Enter")
    expect(seat.see("answer")).to_be_focused()
    keys.type("correct")
    keys.press("Enter")
    expect(seat.see("step-accounts")).to_be_visible()
    keys.press("Tab")
    keys.press("Space")
    expect(seat.see("account-checking")).to_be_checked()
    keys.press("Enter")
    expect(seat.see("step-connected")).to_be_visible()
    keys.press("Tab")
    expect(seat.see("done")).to_be_focused()
    keys.press("Enter")
    seat.page.wait_for_function("() => messages.at(-1).type.endsWith('primaryAction')")
    assert len(seat.numbers()) == 1


@pytest.mark.parametrize("kind", ["challenge", "options", "image"])
def test_question_is_answered(framed: Seat, kind: str) -> None:
    framed.open()
    framed.pick_bank()
    framed.log_in(kind)
    expect(framed.see("step-mfa")).to_be_visible()
    framed.picture(f"mfa-{kind}")
    framed.see("submit-mfa").click()
    expect(framed.see("mfa-alert")).to_contain_text("answer")
    give(framed, kind, "incorrect")
    expect(framed.see("mfa-alert")).to_contain_text("incorrect")
    give(framed, kind, "correct")
    framed.choose()
    seen = [m["connection_status"] for m in framed.metadata("mx/connect/memberStatusUpdate")]
    assert seen == [3, 4, 6]
    assert framed.types().count("connect/submitMFA") == 2


def give(seat: Seat, kind: str, answer: str) -> None:
    if kind == "options":
        seat.see(f"option-{answer}").check()
    else:
        seat.see("answer").fill(answer)
    seat.see("submit-mfa").click()


def test_wrong_password_can_be_corrected(seat: Seat) -> None:
    seat.open()
    seat.pick_bank()
    seat.see("submit-credentials").click()
    expect(seat.see("alert")).to_contain_text("username and password")
    seat.log_in("INVALID", "someone")
    expect(seat.see("alert")).to_contain_text("do not match those at MX Bank")
    expect(seat.see("password")).to_have_value("")
    seat.picture(f"denied-{seat.framed}")
    seat.log_in("right")
    seat.choose()
    assert seat.types().count("connect/enterCredentials") == 2
    assert len(seat.numbers()) == 1  # the same member, not a second one


@pytest.mark.parametrize(
    ("password", "words"), [("LOCKED", "account is locked"), ("UNAVAILABLE", "try again later")]
)
def test_failure_is_told_and_there_is_a_way_on(framed: Seat, password: str, words: str) -> None:
    framed.open()
    framed.pick_bank()
    framed.log_in(password)
    expect(framed.see("failure")).to_contain_text(words)
    framed.picture(f"failed-{password}")
    framed.see("other-bank").click()
    framed.pick_bank()
    framed.log_in(password)
    framed.see("try-again").click()
    framed.log_in()
    framed.choose()
    assert framed.metadata("mx/connect/stepChange")[2]["current"] == "actionableError"
    assert "connect/backToSearch" in framed.types()


def test_search_that_was_not_answered_can_be_tried_again(framed: Seat) -> None:
    framed.page.route("**/_connect/search", lambda route: route.abort(), times=1)
    framed.open()
    expect(framed.see("failure")).not_to_be_empty()
    framed.see("try-again").click()
    framed.pick_bank()


def test_host_pings_and_goes_back(framed: Seat) -> None:
    framed.open()
    page = framed.page
    send = "(m) => frames[0].postMessage(JSON.stringify(m), '*')"
    back = {"mx": True, "type": "mx/navigation", "payload": {"action": "back"}}
    page.evaluate(send, {"type": "ping"})
    page.wait_for_function("() => messages.at(-1).type === 'mx/ping'")
    page.evaluate(send, back)
    page.wait_for_function("() => messages.at(-1).type === 'mx/navigation'")
    framed.pick_bank()
    page.evaluate(send, back)
    page.wait_for_function("() => messages.at(-1).metadata.did_go_back === true")
    expect(framed.see("step-search")).to_be_visible()
    page.evaluate("() => frames[0].postMessage('not json', '*')")
    page.evaluate("() => frames[0].postMessage(null, '*')")
    assert [m["did_go_back"] for m in framed.metadata("mx/navigation")] == [False, True]
    assert framed.place.evaluate("() => document.documentElement.dataset.sdk") == "web"


def test_nothing_is_found_for_nonsense(framed: Seat) -> None:
    framed.open()
    framed.see("search").fill("zzz")
    expect(framed.see("no-results")).to_be_visible()


def test_member_is_repaired(seat: Seat) -> None:
    member = seat.world.connect(seat.user, accounts=["checking"])
    where = f"{seat.world.base_url}/_control/members/{member}/degrade"
    httpx2.post(where, json={"connection_status": "DENIED"})
    seat.open(current_member_guid=member, update_credentials=True)
    expect(seat.see("step-credentials")).to_be_visible()
    expect(seat.see("back")).to_be_hidden()
    seat.log_in()
    expect(seat.see("step-connected")).to_be_visible()
    seat.finish()
    assert seat.metadata("mx/connect/loaded")[0]["initial_step"] == "enterCreds"
    [message] = seat.metadata("mx/connect/updateCredentials")
    assert message["member_guid"] == member
    assert "connect/enterCredentials" not in seat.types()
    assert len(seat.numbers()) == 1


@pytest.mark.parametrize(
    ("status", "step", "test_id"),
    [
        ("CHALLENGED", "mfa", "step-mfa"),
        ("LOCKED", "loginError", "step-failed"),
        ("CONNECTED", "connected", "step-connected"),
    ],
)
def test_page_opens_where_the_member_stands(
    framed: Seat, status: str, step: str, test_id: str
) -> None:
    member = framed.world.connect(framed.user)
    where = f"{framed.world.base_url}/_control/members/{member}/degrade"
    httpx2.post(where, json={"connection_status": status})
    framed.open(current_member_guid=member)
    expect(framed.see(test_id)).to_be_visible()
    assert framed.metadata("mx/connect/loaded")[0]["initial_step"] == step


def test_bank_is_given_and_search_is_off(framed: Seat) -> None:
    framed.open(current_institution_code="mxbank", disable_institution_search=True)
    expect(framed.see("step-credentials")).to_be_visible()
    framed.see("back").click()
    expect(framed.see("step-credentials")).to_be_visible()
    assert framed.types()[-1] == "connect/backToSearch"


def test_who_comes_back_to_the_login_finds_no_old_refusal(framed: Seat) -> None:
    framed.open()
    framed.pick_bank()
    framed.log_in("INVALID")
    expect(framed.see("alert")).to_be_visible()
    framed.log_in("challenge")
    expect(framed.see("step-mfa")).to_be_visible()
    framed.see("back").click()
    expect(framed.see("step-credentials")).to_be_visible()
    expect(framed.see("alert")).to_be_hidden()


def test_bank_with_a_page_of_its_own(seat: Seat) -> None:
    seat.open()
    seat.pick_bank("mx_bank_oauth")
    seat.picture(f"oauth-{seat.framed}")
    with seat.page.context.expect_page() as opened:
        seat.see("oauth-open").click()
    bank = opened.value
    if folder := os.environ.get("TALLYSTICK_PICTURES"):
        bank.screenshot(path=f"{folder}/oauth-bank.png")
    bank.get_by_test_id("deny").click()
    expect(bank.get_by_test_id("oauth-error")).to_be_visible()
    expect(seat.see("oauth-alert")).to_contain_text("has not shared")
    with seat.page.context.expect_page() as opened:
        seat.see("oauth-open").click()
    opened.value.get_by_test_id("share-savings").uncheck()
    opened.value.get_by_test_id("allow").click()
    expect(opened.value.get_by_test_id("oauth-success")).to_be_visible()
    expect(seat.see("step-accounts")).to_be_visible()
    expect(seat.see("account-savings")).to_have_count(0)
    seat.choose()
    assert {"connect/oauthRequested", "connect/oauthError"} <= set(seat.types())


def test_bank_that_shares_no_account_is_told(framed: Seat) -> None:
    framed.open(current_institution_code="mx_bank_oauth")
    with framed.page.context.expect_page() as opened:
        framed.see("oauth-open").click()
    for kind in ("checking", "savings"):
        opened.value.get_by_test_id(f"share-{kind}").uncheck()
    opened.value.get_by_test_id("allow").click()
    expect(framed.see("failure")).to_contain_text("no checking or savings")
    assert framed.metadata("mx/connect/invalidData")[0]["code"] == 1000


def test_member_that_cannot_be_made_is_told(framed: Seat) -> None:
    framed.open()
    framed.pick_bank()
    framed.world.kit.shelf.clear()
    framed.log_in()
    expect(framed.see("failure")).to_contain_text("start again")
    [message] = framed.metadata("mx/connect/createMemberError")
    assert message["institution_code"] == "mxbank"


def test_page_alone_sends_the_person_back(world: World, page: Page) -> None:
    seat = Seat(world, page, framed=False)
    target = "http://localhost:1/back"
    page.route(f"{target}*", lambda route: route.fulfill(body="back"))
    seat.open(client_redirect_url=f"{target}?state=7")
    seat.pick_bank()
    seat.log_in()
    seat.choose()
    seat.see("done").click()
    page.wait_for_url(f"{target}*")
    query = parse_qs(urlsplit(page.url).query)
    assert query["state"] == ["7"]
    assert query["status"] == ["success"]
    assert query["member_guid"][0].startswith("MBR-")


def test_page_in_a_webview_speaks_in_addresses(world: World, page: Page) -> None:
    asked: list[str] = []
    client = page.context.new_cdp_session(page)
    client.send("Network.enable")
    client.send("Page.enable")
    client.on("Page.frameRequestedNavigation", lambda event: asked.append(event["url"]))
    seat = Seat(world, page, framed=False)
    seat.open(is_mobile_webview=True, ui_message_webview_url_scheme="shopapp")
    expect(seat.see("step-search")).to_be_visible()
    # Not with the mouse: a press that meets one of the page's own navigations is lost.
    seat.see("institution-mxbank").evaluate("(button) => button.click()")
    expect(seat.see("step-credentials")).to_be_visible()
    deadline = time.monotonic() + 30
    while not any(url.startswith("shopapp://connect/") and "metadata=" in url for url in asked):
        assert time.monotonic() < deadline, asked
        page.wait_for_timeout(50)


def test_reloaded_page_says_that_it_is_over(framed: Seat) -> None:
    url = framed.world.new_url(framed.user)
    framed.show(url)
    framed.page.goto(url)
    expect(framed.page.get_by_test_id("expired")).to_be_visible()
    framed.picture("expired")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_small_screen_never_scrolls_sideways(world: World, browser: Browser, scheme: Any) -> None:
    size: Any = {"width": 360, "height": 640}
    context = browser.new_context(viewport=size, color_scheme=scheme)
    seat = Seat(world, context.new_page(), framed=False)

    def look(name: str) -> None:
        root = "document.documentElement"
        assert seat.page.evaluate(f"() => {root}.scrollWidth <= {root}.clientWidth"), name
        seat.picture(f"small-{scheme}-{name}")

    seat.open()
    expect(seat.see("institution-mxbank")).to_be_visible()
    look("search")
    seat.pick_bank()
    look("credentials")
    seat.log_in("INVALID")
    expect(seat.see("alert")).to_be_visible()
    look("denied")
    for kind in ("image", "options"):
        seat.log_in(kind)
        expect(seat.see("step-mfa")).to_be_visible()
        look(kind)
        seat.see("back").click()
    seat.log_in("LOCKED")
    expect(seat.see("failure")).to_be_visible()
    look("locked")
    seat.see("try-again").click()
    seat.log_in()
    expect(seat.see("step-accounts")).to_be_visible()
    look("accounts")
    seat.choose()
    look("connected")
    context.close()


def test_colour_scheme_may_be_asked_for(framed: Seat) -> None:
    framed.open(color_scheme="dark")
    ink = framed.place.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert ink == "rgb(20, 22, 26)"
