"""/sandbox/*: Items without Link, broken logins, webhooks on demand."""

from __future__ import annotations

from starlette.requests import Request

from tallystick.partners.plaid.simulator.errors import Refusal, invalid
from tallystick.partners.plaid.simulator.fields import PRODUCTS
from tallystick.partners.plaid.simulator.fixtures import (
    HOLDINGS,
    PASSWORD,
    USER,
    institution,
    judge_login,
)
from tallystick.partners.plaid.simulator.gate import Body, read_strings
from tallystick.partners.plaid.simulator.notices import ITEM_CODES, PRODUCT_CODES
from tallystick.partners.plaid.simulator.state import Document, State

# Plaid's own document leaves it out of what can be fired: it is a notice of European institutions.
# The control has it (control.py).
_NOT_FIRED = frozenset({"PENDING_EXPIRATION"})


class Sandbox:
    def __init__(self, state: State) -> None:
        self._state = state

    def create_public_token(self, body: Body, _request: Request) -> Document:
        products = read_strings(body["initial_products"], "initial_products", PRODUCTS)
        if not products:
            raise invalid("initial_products must be a non-empty array")
        options = body.get("options", {})
        item = self._create_item(body["institution_id"], options, products, options.get("webhook"))
        return {"public_token": self._state.create_public_token(item)["public_token"]}

    def create_processor_token(self, body: Body, _request: Request) -> Document:
        options = body.get("options", {})
        item = self._create_item(body["institution_id"], options, ("auth",), None)
        first = item["accounts"][0]["account_id"]
        return {"processor_token": self._state.create_processor_token(item, first, "dwolla")}

    def reset_login(self, body: Body, _request: Request) -> Document:
        self._state.require_login(self._state.item_of(body["access_token"]))
        return {"reset_login": True}

    def fire_webhook(self, body: Body, _request: Request) -> Document:
        item = self._state.item_of(body["access_token"])
        code, kind = body["webhook_code"], body.get("webhook_type", "ITEM")
        if code in PRODUCT_CODES or (code == "ERROR" and kind != "ITEM"):
            raise Refusal("SANDBOX_PRODUCT_NOT_ENABLED")
        if code not in ITEM_CODES - _NOT_FIRED or kind != "ITEM":
            raise invalid(f"webhook_code {code} is not valid for webhook_type {kind}")
        if not self._state.notices.tell_item(item, code):
            raise Refusal("SANDBOX_WEBHOOK_INVALID")
        return {"webhook_fired": True}

    def _create_item(
        self, institution_id: str, options: Body, products: tuple[str, ...], webhook: str | None
    ) -> Document:
        """An Item as Link would have made it, or the error of its login. Raises Refusal."""
        place = institution(institution_id)
        username = options.get("override_username") or USER
        plan = judge_login(username, options.get("override_password") or PASSWORD)
        if plan is not None:
            # Nobody is there to answer; Plaid does not say what it does, so we say it cannot.
            raise Refusal("MFA_NOT_SUPPORTED")
        if place.health == "DOWN":
            raise Refusal("INSTITUTION_DOWN")
        if place.health == "UNSUPPORTED":
            raise Refusal("INSTITUTION_NO_LONGER_SUPPORTED")
        return self._state.create_item(
            place, username, HOLDINGS, products=products, webhook=webhook
        )
