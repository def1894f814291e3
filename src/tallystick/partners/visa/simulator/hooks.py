"""Webhook endpoints, and what is posted to them: `refresh:finished`, signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from tallystick.clock import SECOND_MS
from tallystick.sandbox.kit import Kit

Document = dict[str, Any]

REFRESHED = "refresh:finished"
EVENTS = (
    REFRESHED,
    "balance-refresh:finished",
    "account:created",
    "account:updated",
    "account-transactions:modified",
    "reports-generation:completed",
)

# What a bank might say, by the status that it led to.
_REASONS = {
    "AUTHENTICATION_ERROR": ("USER_LOGIN_ERROR", "STATIC_CREDENTIALS_INCORRECT"),
    "SESSION_EXPIRED": ("AUTHORIZATION_ERROR", "SESSION_EXPIRED"),
    "TEMPORARY_ERROR": ("PROVIDER_ERROR", "PROVIDER_UNAVAILABLE"),
}


class Hooks:
    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def create(self, url: str, events: list[str], description: str, *, disabled: bool) -> Document:
        now = self._kit.clock.now_ms()
        hook: Document = {
            "id": self._kit.entropy.bytes(16).hex(),
            "secret": self._kit.entropy.bytes(32).hex(),
            "url": url,
            "events": events,
            "description": description,
            "disabled": disabled,
            "created_at": now,
            "updated_at": now,
        }
        self._kit.shelf.put("hook", hook["id"], hook)
        return hook

    def tell_refreshed(self, credentials: Document, user: Document) -> None:
        content: Document = {
            "credentialsId": credentials["id"],
            "credentialsStatus": credentials["status"],
            "finished": credentials["status_at"],
        }
        error = describe_error(credentials["status"])
        if error is not None:
            content["detailedError"] = error
        context = {"userId": credentials["user_id"], "externalUserId": user.get("external_id")}
        self._post({"context": context, "content": content, "event": REFRESHED})

    def _post(self, envelope: Document) -> None:
        body = json.dumps(envelope, separators=(",", ":")).encode()
        for hook in self._kit.shelf.all("hook", disabled=False):
            if envelope["event"] in hook["events"]:
                signature = sign(hook["secret"], self._kit.clock.now_ms() // SECOND_MS, body)
                headers = {"Content-Type": "application/json", "X-Tink-Signature": signature}
                self._kit.send(hook["url"], body, headers)


def sign(secret: str, at_s: int, body: bytes) -> str:
    """`t=<seconds>,v1=<HMAC-SHA256 over the seconds, a dot and the body, in hex>`."""
    mac = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256)
    return f"t={at_s},v1={mac.hexdigest()}"


def describe_error(status: str) -> Document | None:
    """The `detailedError` of a status; None for one that is no error."""
    if status not in _REASONS:
        return None
    kind, reason = _REASONS[status]
    return {
        "type": kind,
        "displayMessage": "The bank asks you to log in again."
        if status != "TEMPORARY_ERROR"
        else "The bank cannot be reached right now.",
        "details": {"reason": reason, "retryable": status == "TEMPORARY_ERROR"},
    }
