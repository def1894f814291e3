"""Flow in a real browser as a person meets it, from the first digit to the card that we read."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.sync_api import Frame, Page, expect

from tallystick.clock import HOUR_MS
from tallystick.partners.checkout.tests.checkout_world import (
    BRITISH_DEBIT,
    CREDIT,
    MASTERCARD_DEBIT,
    NO_FUNDS,
    PERSON,
    VISA_DEBIT,
    WRONG_CODE,
)
from tallystick.partners.checkout.tests.flow_visit import Gate, Shop
from tallystick.partners.errors import ProofRejected

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("number", "brand", "kind", "country"),
    [
        (VISA_DEBIT, "Visa", "debit", "US"),
        (MASTERCARD_DEBIT, "Mastercard", "debit", "US"),
        (CREDIT, "Visa", "credit", "US"),
        (BRITISH_DEBIT, "Visa", "debit", "GB"),
    ],
)
def test_a_card_is_captured_and_read(shop, number, brand, kind, country):
    shop.open()
    expect(shop.see("pay-button")).to_have_text("Save debit card")
    expect(shop.see("card-name")).to_be_hidden()
    shop.picture("empty")
    shop.enter(number)
    shop.picture("filled")
    shop.press()
    completed = shop.wait("completed")
    assert completed == {"id": completed["id"], "status": "Approved", "type": "card"}
    expect(shop.see("complete")).to_have_text("Your card is saved.")
    expect(shop.see("card-number")).to_be_hidden()
    shop.picture("done")
    grant, card = shop.redeem(completed["id"])
    assert grant.person == PERSON
    assert (card.brand, card.kind, card.country) == (brand, kind, country)
    assert (card.first_six, card.last_four) == (number[:6], number[-4:])
    assert (card.expiration_month, card.expiration_year) == (12, 2035)
    names = [name for name in shop.names() if name != "change"]
    assert names == ["ready", "bin", "submit", "tokenized", "completed"]
    assert shop.wait("bin") == {"bin": number[:8], "scheme": brand.lower()}
    assert shop.wait("tokenized")["data"]["last4"] == number[-4:]
    expect(shop.see("card-number")).to_have_value("")
    expect(shop.see("pay-button")).to_be_disabled()


def test_the_number_is_never_in_the_page_and_goes_to_the_simulator_only(shop, page):
    sent: list[tuple[str, str]] = []
    page.on("request", lambda request: sent.append((request.url, request.post_data or "")))
    shop.open()
    shop.enter(NO_FUNDS)
    shop.press()
    shop.wait("error")
    host = page.frames[0].evaluate(
        "() => document.documentElement.outerHTML + JSON.stringify(told)"
    )
    assert NO_FUNDS not in host.replace(" ", "")
    with_number = [url for url, body in sent if NO_FUNDS in url + body]
    assert with_number == [shop.world.base_url + "/tokens"]
    stored = page.evaluate("() => JSON.stringify([localStorage, sessionStorage, document.cookie])")
    assert NO_FUNDS not in stored


@pytest.mark.parametrize(
    ("number", "reason", "words"),
    [(NO_FUNDS, "not_enough_funds", "enough funds"), (WRONG_CODE, "invalid_customer_data", "declined")],
)  # fmt: skip
def test_a_declined_card_is_told_and_another_may_be_tried(shop, number, reason, words):
    shop.open()
    shop.enter(number)
    shop.press()
    error = shop.wait("error")
    expect(shop.see("alert")).to_contain_text(words)
    expect(shop.see("pay-button")).to_have_text("Try another")
    shop.picture(f"declined-{reason}")
    assert (error["name"], error["type"]) == ("CheckoutError", "Request")
    assert error["code"] == "payment_request_declined"
    assert error["details"]["requestErrorCodes"] == [reason]
    assert error["details"]["paymentSessionId"] == shop.session["id"]
    with pytest.raises(ProofRejected, match="PAYMENT_NOT_APPROVED"):
        shop.redeem(error["details"]["paymentId"])
    assert "completed" not in shop.names()
    shop.enter(VISA_DEBIT)
    shop.press()
    assert shop.redeem(shop.wait("completed")["id"])[1].last_four == "1519"
    expect(shop.see("alert")).to_be_hidden()


def test_a_card_is_captured_with_the_keyboard_alone(shop):
    shop.open()
    expect(shop.see("card-number")).to_be_visible()
    keys = shop.page.keyboard
    keys.press("Tab")
    expect(shop.see("card-number")).to_be_focused()
    keys.type(VISA_DEBIT)
    expect(shop.see("card-number")).to_have_value("4024 7644 4997 1519")
    keys.press("Tab")
    keys.type("1235")
    expect(shop.see("card-expiry")).to_have_value("12/35")
    keys.press("Tab")
    keys.type("100")
    keys.press("Enter")
    assert shop.wait("completed")["id"].startswith("pay_")


def test_digits_are_grouped_where_they_are_typed(shop):
    shop.open()
    field = shop.see("card-number")
    field.click()  # which waits until it can be typed into; to press keys does not
    field.press_sequentially("4024 76444997-1519")
    for _ in range(14):
        field.press("ArrowLeft")
    field.press("Backspace")  # the gap
    field.press("Backspace")  # the digit before it
    expect(field).to_have_value("4027 6444 9971 519")
    field.press_sequentially("4")
    expect(field).to_have_value("4024 7644 4997 1519")
    field.press("Delete")
    expect(field).to_have_value("4024 6444 9971 519")
    field.press_sequentially("7")
    expect(field).to_have_value("4024 7644 4997 1519")
    expiry = shop.see("card-expiry")
    expiry.press_sequentially("1235")
    for _ in range(3):
        expiry.press("Backspace")
    expect(expiry).to_have_value("1")


@pytest.mark.parametrize(
    ("number", "expiry", "code", "field", "words"),
    [
        ("", "12/35", "100", "number", "Enter the card number"),
        ("4024764449971518", "12/35", "100", "number", "no card number"),
        ("4539578763621486", "12/35", "100", "number", "test cards"),
        (VISA_DEBIT, "13/35", "100", "expiry", "month and year"),
        (VISA_DEBIT, "12/20", "100", "expiry", "has expired"),
        (VISA_DEBIT, "12/2035", "10", "code", "3 digits"),
        (VISA_DEBIT, "12/35", "1000", "code", "3 digits"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(shop, number, expiry, code, field, words):
    shop.open()
    shop.enter(number, expiry, code)
    shop.press()
    expect(shop.see(f"{field}-problem")).to_contain_text(words)
    shop.picture(f"problem-{field}")
    element = shop.fields.locator(f"#{field}")
    expect(element).to_have_attribute("aria-invalid", "true")
    expect(element).to_be_focused()
    assert "completed" not in shop.names()
    assert shop.wait("error")["code"] in {"component_invalid", "tokenize_request_failed"}
    shop.enter(VISA_DEBIT)
    expect(shop.see(f"{field}-problem")).to_be_hidden()
    shop.press()
    shop.wait("completed")


def test_a_session_that_ended_is_told(shop):
    shop.open()
    shop.enter(VISA_DEBIT)
    shop.world.clock.advance(HOUR_MS)
    shop.press()
    error = shop.wait("error")
    assert (error["code"], error["details"]["requestErrorCodes"]) == (
        "payment_request_failed",
        ["payment_session_expired"],
    )
    expect(shop.see("alert")).to_contain_text("too long")


def test_a_wrong_public_key_is_told(shop):
    shop.open(key="pk_other")
    shop.enter(VISA_DEBIT)
    shop.press()
    assert shop.wait("error")["details"]["status"] == 401
    expect(shop.see("alert")).to_contain_text("public key")


def test_a_network_that_fails_is_told_and_the_card_can_be_sent_again(shop, page):
    page.route("**/tokens", lambda route: route.abort())
    shop.open()
    shop.enter(VISA_DEBIT)
    shop.press()
    assert shop.wait("error")["code"] == "network_error"
    page.unroute("**/tokens")
    shop.press()
    shop.wait("completed")


def test_scripts_that_come_late_lose_nothing(shop, page):
    gate = Gate(page, "**/_pages/*.js")
    shop.open()
    expect(shop.see("loading")).to_be_visible()
    expect(shop.see("card-form")).to_be_hidden()  # nothing can be typed that would be lost
    page.keyboard.press("Tab")
    page.keyboard.type(VISA_DEBIT + "\n")
    assert shop.names() == []
    gate.open()
    expect(shop.see("loading")).to_be_hidden()
    shop.enter(VISA_DEBIT)
    shop.press()
    shop.wait("completed")


def test_the_pay_button_is_pressed_once(shop, page):
    gate = Gate(page, "**/pay")
    shop.open()
    shop.enter(VISA_DEBIT)
    shop.press()
    expect(shop.see("pay-button")).to_be_disabled()
    expect(shop.see("pay-button")).to_have_text("Processing…")
    page.evaluate("() => { component.submit(); component.submit(); }")
    page.wait_for_timeout(300)
    gate.open()
    shop.wait("completed")
    assert gate.count == 1
    assert shop.names().count("submit") == 1


def height(place: Page | Frame, selector: str) -> float:
    return place.locator(selector).evaluate("(element) => element.offsetHeight")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_small_screen_never_scrolls_sideways(world, browser, scheme):
    size: Any = {"width": 360, "height": 640}
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    shop = Shop(world, page)
    shop.open()

    def look(name: str) -> None:
        for frame in page.frames:
            root = "document.documentElement"
            assert frame.evaluate(f"() => {root}.scrollWidth <= {root}.clientWidth"), name
        deadline = time.monotonic() + 30
        while abs(height(page, "iframe") - height(page.frames[1], "body")) >= 2:
            assert time.monotonic() < deadline, name
            page.wait_for_timeout(20)
        shop.picture(f"small-{scheme}-{name}")

    expect(shop.see("pay-button")).to_be_visible()
    look("empty")
    shop.press()
    expect(shop.see("number-problem")).to_be_visible()
    look("problems")
    shop.enter(NO_FUNDS)
    shop.press()
    expect(shop.see("alert")).to_be_visible()
    look("declined")
    shop.enter(VISA_DEBIT)
    shop.press()
    shop.wait("completed")
    look("done")
    context.close()
