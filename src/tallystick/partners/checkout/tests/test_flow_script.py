"""Flow's script in a real browser as an integrator's page uses it: options, callbacks, components."""

from __future__ import annotations

import re

import httpx2
import pytest
from playwright.sync_api import Route, expect

from tallystick.partners.checkout.tests.checkout_world import CREDIT, MASTERCARD_DEBIT, VISA_DEBIT

pytestmark = pytest.mark.browser

REAL_SCRIPT = "https://checkout-web-components.checkout.com/index.js"


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
