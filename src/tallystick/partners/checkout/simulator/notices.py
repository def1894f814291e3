"""What Checkout.com posts to the webhooks of its workflows, signed.

Shapes: the envelope of the webhook reference, and `Cko-Signature` over the body as sent.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from tallystick.clock import to_iso
from tallystick.partners.checkout.simulator.show import show_payment_event
from tallystick.sandbox.kit import Kit

HEADER = "Cko-Signature"
KIND = "workflow"

Document = dict[str, Any]


class Notices:
    def __init__(self, kit: Kit, new_id: Callable[[str], str]) -> None:
        self._kit = kit
        self._new_id = new_id

    def tell_payment(self, payment: Document) -> None:
        """The event that a payment is, by whether it was one of nothing."""
        if payment["asked"]["amount"]:
            event = "payment_approved" if payment["approved"] else "payment_declined"
        else:
            event = "card_verified" if payment["approved"] else "card_verification_declined"
        self._post(event, show_payment_event(payment))

    def _post(self, event: str, data: Document) -> None:
        workflows = [w for w in self._kit.shelf.all(KIND) if w["active"] and event in w["events"]]
        if not workflows:
            return
        document = {
            "id": self._new_id("evt"),
            "type": event,
            "version": "1.0.29",
            "created_on": to_iso(self._kit.clock.now_ms()),
            "data": data,
        }
        body = json.dumps(document, separators=(",", ":")).encode()
        for workflow in workflows:
            headers = {**workflow["headers"], "Content-Type": "application/json; charset=utf-8"}
            if workflow["key"]:
                headers[HEADER] = sign(workflow["key"], body)
            self._kit.send(workflow["url"], body, headers)


def sign(key: str, body: bytes) -> str:
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
