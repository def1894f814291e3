"""A person in a browser, on an integrator's page with Checkout.com's Flow.

The page is plain HTML with the snippet of Checkout.com's documentation and the options of Dwolla's
example; only the script's address is the simulator's. With TALLYSTICK_PICTURES set to a folder,
each step leaves a picture there.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tallystick.partners.checkout.proof import CheckoutPayment
from tallystick.partners.checkout.tests.checkout_world import PERSON, World
from tallystick.partners.contract import Card, Grant, SessionRequest
from tallystick.partners.registry import GuardedPartner

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Page, Route

PUBLIC_KEY = "pk_sbox_" + "a2" * 13 + "#"

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
