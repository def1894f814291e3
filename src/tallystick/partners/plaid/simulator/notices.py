"""What Plaid posts to an Item's or a session's webhook, signed.

Shapes: the webhook schemas of Plaid's OpenAPI document.
"""

from __future__ import annotations

import json
from typing import Any

from tallystick.clock import DAY_MS, to_iso
from tallystick.partners.plaid.simulator.errors import Refusal, describe, invalid
from tallystick.partners.plaid.simulator.sign import HEADER, Signer
from tallystick.sandbox.kit import Kit

Document = dict[str, Any]

ENVIRONMENT = "sandbox"

# "Fired 7 days before" (PENDING_EXPIRATION, PENDING_DISCONNECT).
_NOTICE_MS = 7 * DAY_MS

# The codes of type ITEM that have no members beyond the common ones.
_PLAIN = frozenset({"LOGIN_REPAIRED", "NEW_ACCOUNTS_AVAILABLE"})
ITEM_CODES = _PLAIN | {
    "ERROR",
    "PENDING_DISCONNECT",
    "PENDING_EXPIRATION",
    "USER_PERMISSION_REVOKED",
    "USER_ACCOUNT_REVOKED",
}

# The rest of what /sandbox/item/fire_webhook takes: webhooks of products that no Item here has.
PRODUCT_CODES = frozenset(
    {
        "DEFAULT_UPDATE",
        "SMS_MICRODEPOSITS_VERIFICATION",
        "AUTHORIZATION_GRANTED",
        "RECURRING_TRANSACTIONS_UPDATE",
        "SYNC_UPDATES_AVAILABLE",
        "PRODUCT_READY",
    }
)


class Notices:
    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self.signer = Signer(kit)

    def tell_item(self, item: Document, code: str) -> bool:
        """Post an ITEM webhook; False when the Item has no address for it.

        The Item remembers what was sent last, for /item/get. Raises Refusal for a code that is not
        an ITEM webhook.
        """
        if code not in ITEM_CODES:
            raise invalid(f"webhook_code {code} is not valid for this webhook_type")
        if not item["webhook"]:
            return False
        body = {
            "webhook_type": "ITEM",
            "webhook_code": code,
            "item_id": item["item_id"],
            **self._details(item, code),
            "environment": ENVIRONMENT,
        }
        self._post(item["webhook"], body)
        item["last_webhook"] = {"sent_at": to_iso(self._kit.clock.now_ms()), "code_sent": code}
        self._kit.shelf.put("item", item["item_id"], item)
        return True

    def tell_session_finished(self, link: Document, session: Document) -> None:
        """LINK/SESSION_FINISHED: by default only for Hosted Link (Plaid, Link webhooks)."""
        if not link["hosted"] or not link["webhook"]:
            return
        tokens = [session["public_token"]] if session["public_token"] else []
        body = {
            "webhook_type": "LINK",
            "webhook_code": "SESSION_FINISHED",
            "status": "SUCCESS" if tokens else "EXITED",
            "link_session_id": session["link_session_id"],
            "link_token": link["link_token"],
            "public_tokens": tokens,
            "environment": ENVIRONMENT,
        }
        if tokens:
            body["public_token"] = tokens[0]
        self._post(link["webhook"], body)

    def _details(self, item: Document, code: str) -> Document:
        due = to_iso(self._kit.clock.now_ms() + _NOTICE_MS)
        details: Document = {}
        match code:
            case "ERROR":
                details["error"] = describe("ITEM_LOGIN_REQUIRED")
            case "USER_PERMISSION_REVOKED":
                details["error"] = describe("USER_PERMISSION_REVOKED")
            case "PENDING_EXPIRATION":
                details["consent_expiration_time"] = item["consent_expiration_time"] or due
            case "PENDING_DISCONNECT":
                details["reason"] = "INSTITUTION_TOKEN_EXPIRATION"
                details["disconnect_time"] = due
            case "USER_ACCOUNT_REVOKED":
                if not item["accounts"]:
                    raise Refusal("NO_ACCOUNTS")
                details["account_id"] = item["accounts"][0]["account_id"]
            case "NEW_ACCOUNTS_AVAILABLE":
                details["error"] = None
        return details

    def _post(self, url: str, document: Document) -> None:
        body = json.dumps(document, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", HEADER: self.signer.sign(body)}
        self._kit.send(url, body, headers)
