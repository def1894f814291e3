"""Flow on an integrator's page in a real browser, from the first digit to the card that we read.

The page is plain HTML with the snippet of Checkout.com's documentation and the options of Dwolla's
example; only the script's address is the simulator's. With TALLYSTICK_PICTURES set to a folder,
each step leaves a picture there.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, FrameLocator, Page, Route, expect, sync_playwright

from tallystick.clock import HOUR_MS
from tallystick.partners.checkout.proof import CheckoutPayment
from tallystick.partners.checkout.tests.checkout_world import (
    BRITISH_DEBIT,
    CREDIT,
    MASTERCARD_DEBIT,
    NO_FUNDS,
    PERSON,
    VISA_DEBIT,
    WRONG_CODE,
    World,
    world_at,
)
from tallystick.partners.contract import Card, Grant, SessionRequest
from tallystick.partners.errors import ProofRejected
from tallystick.partners.registry import GuardedPartner

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}"),
]

# A bound for a machine that is busy with other tests, not a measure of the page.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)

PUBLIC_KEY = "pk_sbox_" + "a2" * 13 + "#"
REAL_SCRIPT = "https://checkout-web-components.checkout.com/index.js"

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<script src="%(script)s"></script></head>
<body><main><h1>Add a debit card</h1><div id="card-capture-container"></div></main>
<script>
  window.told = [];
  const say = (name) => (component, value) => {
    const read = value instanceof Error
      ? { name: value.name, type: value.type, code: value.code, message: value.message, details: value.details }
      : value;
    told.push({ name, type: component.type, value: read });
  };
  (async () => {
    const checkout = await CheckoutWebComponents({
      publicKey: %(key)s, environment: "sandbox", paymentSession: %(session)s, locale: "en-US",
      translations: { "en-US": { "pay_button.pay": "Save debit card", "pay_button.payment_failed": "Try another" } },
      componentOptions: { card: { displayCardholderName: "hidden" } },
      onReady: say("ready"), onChange: say("change"), onSubmit: say("submit"),
      onTokenized: say("tokenized"), onCardBinChanged: say("bin"),
      onPaymentCompleted: say("completed"), onError: say("error"), ...%(options)s,
    });
    window.checkout = checkout;
    window.component = checkout.create("flow");
    component.mount(document.getElementById("card-capture-container"));
  })();
</script></body></html>"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_at(tmp_path) as world:
        yield world


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if "Security Policy" in m.text else None)
    yield page
    context.close()
    assert wrong == []


class Shop:
    """A person in front of an integrator's page, and the integrator's server: our connector."""

    def __init__(self, world: World, page: Page, person: str = PERSON) -> None:
        self.world, self.page = world, page
        started = world.ask(lambda partner: partner.start_session(SessionRequest(person)))
        self.session = dict(started.data or {})

    def open(self, *, script: str = "", key: str = PUBLIC_KEY, options: str = "{}") -> None:
        self.world.host = PAGE % {
            "script": script or self.world.base_url + "/web-components/index.js",
            "session": json.dumps(self.session),
            "key": json.dumps(key),
            "options": options,
        }
        # Another origin than the simulator's, as it is in life.
        self.page.goto(
            self.world.origin.replace("127.0.0.1", "localhost") + "/host", wait_until="commit"
        )

    @property
    def fields(self) -> FrameLocator:
        return self.page.frame_locator("#card-capture-container iframe")

    def see(self, test_id: str) -> Any:
        return self.fields.get_by_test_id(test_id)

    def enter(self, number: str, expiry: str = "1235", code: str = "100") -> None:
        self.see("card-number").fill(number)
        self.see("card-expiry").fill(expiry)
        self.see("card-cvv").fill(code)

    def press(self) -> None:
        self.see("pay-button").click()

    def wait(self, name: str) -> Any:
        """What the last callback of this name was given."""
        self.page.wait_for_function(
            "(name) => (window.told || []).some((each) => each.name === name)", arg=name
        )
        return self.page.evaluate("(name) => told.findLast((e) => e.name === name).value", name)

    def names(self) -> list[str]:
        return self.page.evaluate("() => told.map((each) => each.name)")

    def redeem(self, payment_id: str) -> tuple[Grant, Card]:
        """Whose card it is, and which, as the gateway learns it."""

        async def use(partner: GuardedPartner) -> tuple[Grant, Card]:
            grant = await partner.redeem(CheckoutPayment(payment_id))
            return grant, await partner.read_card(grant)

        return self.world.ask(use)

    def picture(self, name: str) -> None:
        if folder := os.environ.get("TALLYSTICK_PICTURES"):
            self.page.screenshot(path=f"{folder}/checkout-{name}.png", full_page=True)


@pytest.fixture
def shop(world: World, page: Page) -> Shop:
    return Shop(world, page)


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


class Gate:
    """Holds requests back until it is opened."""

    def __init__(self, page: Page, pattern: str) -> None:
        self._held: list[Route] | None = []
        self.count = 0
        page.route(pattern, self._stop)

    def _stop(self, route: Route) -> None:
        self.count += 1
        if self._held is None:
            route.continue_()
        else:
            self._held.append(route)

    def open(self) -> None:
        held, self._held = self._held or [], None
        for route in held:
            route.continue_()


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


def test_the_page_may_have_a_button_of_its_own(shop, page):
    shop.open(options="{componentOptions: {flow: {showPayButton: false}}}")
    shop.enter(VISA_DEBIT)
    expect(shop.see("pay-button")).to_be_hidden()
    page.wait_for_function("() => component.isValid()")
    assert page.evaluate("() => component.isPayButtonRequired()")
    tokenized = page.evaluate("() => component.tokenize()")
    assert (tokenized["type"], tokenized["data"]["last4"]) == ("card", "1519")
    page.evaluate("() => { component.submit() }")
    shop.wait("completed")


def test_the_page_may_stop_it(shop):
    shop.open(
        options="{onTokenized: async () => ({continue: false, errorMessage: 'Not this one'})}"
    )
    shop.enter(VISA_DEBIT)
    shop.press()
    assert shop.wait("error")["code"] == "payment_request_aborted"
    expect(shop.see("alert")).to_have_text("Not this one")


def test_the_page_may_refuse_a_bin(shop):
    shop.open(options="{onCardBinChanged: (c, {bin}) => ({continue: bin !== '40247644', errorMessage: 'Not this bank'})}")  # fmt: skip
    shop.enter(VISA_DEBIT)
    expect(shop.see("number-problem")).to_have_text("Not this bank")
    shop.press()
    assert shop.wait("error")["code"] == "component_invalid"
    shop.enter(MASTERCARD_DEBIT)
    shop.press()
    shop.wait("completed")


def test_the_page_may_want_debit_cards_only(shop):
    accepted = "{flow: {acceptedCardTypes: ['credit']}, card: {acceptedCardTypes: ['debit']}}"
    shop.open(options=f"{{componentOptions: {accepted}}}")
    shop.enter(CREDIT)
    shop.press()
    error = shop.wait("error")
    assert (error["code"], error["details"]["abortReason"]) == (
        "payment_request_aborted",
        "card_not_supported",
    )
    shop.enter(VISA_DEBIT)
    shop.press()
    shop.wait("completed")


def test_a_callback_that_fails_is_told(shop):
    shop.open(options="{onTokenized: () => { throw new Error('mine') }}")
    shop.enter(VISA_DEBIT)
    shop.press()
    shop.page.wait_for_function("() => told.filter((e) => e.name === 'error').length === 2")
    codes = shop.page.evaluate(
        "() => told.filter((e) => e.name === 'error').map((e) => e.value.code)"
    )
    assert codes == ["callback_invocation_failed", "payment_request_aborted"]


MISUSES = {
    "checkout.create('card').mount('#card-capture-container')": "component_is_available_not_checked",
    "checkout.create('applepay').mount('#card-capture-container')": "component_not_supported",
    "checkout.create('flow').mount('#nowhere')": "element_not_found",
    "component.mount('#card-capture-container')": "component_already_mounted",
    "checkout.create('flow').submit()": "component_invalid",
    "await checkout.update({amount: -1})": "update_parameters_invalid",
    "await checkout.update({locale: 'de'})": "update_parameters_invalid",
    "await CheckoutWebComponents({publicKey: 'pk'})": "payment_session_required",
    "await CheckoutWebComponents({publicKey: 'pk', paymentSession: {id: 'ps_x'}})": "payment_session_invalid",
    "await CheckoutWebComponents({publicKey: 'pk', paymentSession: {id: 'ps_x', payment_session_secret: 'x', payment_session_token: 'x'}})": "payment_session_invalid",
    "await CheckoutWebComponents()": "payment_session_required",
}


def test_misuse_has_the_documented_codes(shop, page):
    shop.open()
    shop.wait("ready")
    for misuse, code in MISUSES.items():
        caught = page.evaluate(
            "async (text) => { try { await eval(`(async () => { ${text} })()`) } catch (e) { return [e.name, e.code] } }",
            misuse,
        )
        assert caught == ["CheckoutError", code], misuse


def test_the_amount_shown_is_the_pages(shop, page):
    shop.open(options="{translations: {}}")
    expect(shop.see("pay-button")).to_have_text("Save card")
    page.evaluate("() => checkout.update({amount: 123450, currency: 'EUR'})")
    expect(shop.see("pay-button")).to_have_text("Pay €1,234.50")


def test_a_page_may_draw_the_element_while_it_waits(shop, page):
    """As Dwolla's example does: React draws it after the call to an already loaded script."""
    shop.open()
    shop.wait("ready")
    page.evaluate(
        "async (paymentSession) => {"
        " component.unmount(); document.querySelector('#card-capture-container').remove();"
        " setTimeout(() => { const place = document.createElement('div');"
        "  place.id = 'card-capture-container'; document.body.append(place) });"
        " const checkout = await CheckoutWebComponents({publicKey: 'sandbox', paymentSession});"
        " checkout.create('flow').mount(document.getElementById('card-capture-container')) }",
        shop.session,
    )
    expect(shop.see("card-number")).to_be_visible()


def test_components_come_and_go(shop, page):
    shop.open()
    shop.enter(VISA_DEBIT)
    page.evaluate("() => { component.unmount(); component.unmount() }")
    expect(page.locator("iframe")).to_have_count(0)
    assert not page.evaluate("() => component.isValid()")
    available = page.evaluate(
        "async () => { window.component = checkout.create('card', {displayCardholderName: 'top'});"
        " const is = await component.isAvailable(); component.mount('#card-capture-container');"
        " return [is, await checkout.create('googlepay').isAvailable()] }"
    )
    assert available == [True, False]
    expect(shop.see("card-name")).to_be_visible()
    expect(shop.see("card-number")).to_have_value("")
    shop.enter(VISA_DEBIT)
    shop.see("card-name").fill("Jane Doe")
    shop.press()
    payment = shop.world.call("GET", f"/payments/{shop.wait('completed')['id']}").json()
    assert payment["source"]["name"] == "Jane Doe"


@pytest.mark.parametrize("told_by", ["token", "window", "query"])
def test_a_page_with_the_real_address_finds_the_simulator(shop, page, told_by):
    """A proxy that answers for Checkout.com's host, as the loader of its npm package needs."""
    served: list[str] = []

    def answer(route: Route) -> None:
        served.append(route.request.url)
        body = shop.world.call("GET", "/web-components/index.js").text
        body = body.replace(f'"{shop.world.base_url}"', '""')
        route.fulfill(body=body, content_type="text/javascript")

    page.route(re.compile(re.escape(REAL_SCRIPT)), answer)
    if told_by == "window":
        page.add_init_script(f"window.TALLYSTICK_CHECKOUT_URL = '{shop.world.base_url}/'")
    query = f"?tallystick={shop.world.base_url}" if told_by == "query" else ""
    shop.open(script=REAL_SCRIPT + query)
    shop.enter(VISA_DEBIT)
    shop.press()
    shop.wait("completed")
    assert len(served) == 1


def test_the_script_under_a_foreign_name_has_no_address_in_it(world):
    for host, place in [
        ("checkout-web-components.checkout.com", 'const baked = "";'),
        ("shop.example:7420", 'const baked = "http://shop.example:7420/_partners/checkout";'),
        ('x";alert(1)//', "const baked ="),
    ]:
        answer = httpx2.get(world.base_url + "/web-components/index.js", headers={"Host": host})
        assert place in answer.text
        assert "alert(1)" not in answer.text


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
        inner = page.frames[1].evaluate("() => document.body.offsetHeight")
        page.wait_for_function("(h) => Math.abs(document.querySelector('iframe').offsetHeight - h) < 2", arg=inner)  # fmt: skip
        shop.picture(f"small-{scheme}-{name}")

    expect(shop.see("pay-button")).to_be_visible()
    look("empty")
    shop.press()
    expect(shop.see("number-problem")).to_be_visible()
    page.wait_for_timeout(200)
    look("problems")
    shop.enter(NO_FUNDS)
    shop.press()
    expect(shop.see("alert")).to_be_visible()
    page.wait_for_timeout(200)
    look("declined")
    shop.enter(VISA_DEBIT)
    shop.press()
    shop.wait("completed")
    look("done")
    context.close()
