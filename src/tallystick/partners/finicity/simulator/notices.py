"""What Connect posts to the integrator's `webhook` while a person goes through it.

"The X-Finicity-Signature header is added to all webhooks sent by Finicity Connect": the hexadecimal
SHA-256 HMAC of the body with the partner secret as key (Connect Webhooks).
"""

from __future__ import annotations

import hashlib
import hmac
import json

from tallystick.partners.finicity.simulator.gate import Gate
from tallystick.partners.finicity.simulator.state import Document
from tallystick.sandbox.kit import Kit

SIGNATURE = "X-Finicity-Signature"


class Notices:
    def __init__(self, kit: Kit, gate: Gate) -> None:
        self._kit = kit
        self._gate = gate

    def tell(self, session: Document, event: str, payload: Document | None = None) -> None:
        """Post `event`, if the session has an address for it."""
        if session["webhook"] is None:
            return
        tail = self._kit.entropy.bytes(12).hex()
        body: Document = {
            "customerId": session["customer_id"],
            "eventType": event,
            "eventId": f"{self._kit.clock.now_ms()}-{tail}",
            "payload": payload or {},
        }
        if session["webhook_data"]:
            body["webhookData"] = session["webhook_data"]
        raw = json.dumps(body, separators=(",", ":")).encode()
        secret = self._gate.secret_of(session["partner"])
        signature = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
        headers = {**session["webhook_headers"], "Content-Type": "application/json"}
        self._kit.send(session["webhook"], raw, {**headers, SIGNATURE: signature})
