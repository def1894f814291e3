"""Workflows, as far as they say where events are posted to: webhook actions and event conditions.

The dashboard sets the same up by hand; a test can do it with the official SDK.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tallystick.partners.checkout.simulator.errors import invalid, not_found
from tallystick.partners.checkout.simulator.gate import Body, text_of
from tallystick.partners.checkout.simulator.notices import KIND
from tallystick.partners.checkout.simulator.state import Document, State

EVENTS = frozenset(
    {
        "card_verified",
        "card_verification_declined",
        "payment_approved",
        "payment_declined",
    }
)


class Workflows:
    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, body: Body) -> Document:
        action = _read_action(body.get("actions"))
        workflow: Document = {
            "id": self._state.new_id("wf"),
            "name": str(body.get("name") or ""),
            "active": body.get("active") is not False,
            "events": _read_events(body.get("conditions")),
            **action,
        }
        self._state.shelf.put(KIND, workflow["id"], workflow)
        return {"id": workflow["id"]}

    def list(self) -> Document:
        shown = [
            {"id": each["id"], "name": each["name"], "active": each["active"]}
            for each in self._state.shelf.all(KIND)
        ]
        return {"data": shown}

    def delete(self, workflow_id: str) -> None:
        if not self._state.shelf.drop(KIND, workflow_id):
            raise not_found()


def _read_action(actions: Any) -> Document:
    """The one webhook. Raises Refusal."""
    if not isinstance(actions, list) or len(actions) != 1 or not isinstance(actions[0], dict):
        raise invalid("actions_invalid")
    action = actions[0]
    url, headers = text_of(action, "url"), action.get("headers") or {}
    signature = action.get("signature") or {}
    if action.get("type") != "webhook" or not _is_web(url):
        raise invalid("url_invalid")
    if not isinstance(headers, dict) or not all(_is_header(*each) for each in headers.items()):
        raise invalid("headers_invalid")
    if not isinstance(signature, dict) or not isinstance(signature.get("key"), str | None):
        raise invalid("signature_invalid")
    return {"url": url, "headers": headers, "key": signature.get("key")}


def _read_events(conditions: Any) -> list[str]:
    """The gateway events that are asked for; all of them without a condition. Raises Refusal."""
    if not conditions:
        return sorted(EVENTS)
    events: list[Any] = []
    for condition in conditions if isinstance(conditions, list) else [None]:
        if not isinstance(condition, dict):
            raise invalid("conditions_invalid")
        named = condition.get("events")
        if condition.get("type") == "event" and isinstance(named, dict):
            gateway = named.get("gateway")
            events += gateway if isinstance(gateway, list) else []
    return sorted(EVENTS & {each for each in events if isinstance(each, str)})


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _is_header(name: Any, value: Any) -> bool:
    return (
        isinstance(name, str)
        and name.replace("-", "").isalnum()
        and isinstance(value, str)
        and value.isascii()
        and value.isprintable()
    )
