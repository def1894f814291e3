"""What Link reports while the person walks through it (Plaid, Link web, onEvent)."""

from __future__ import annotations

from tallystick.clock import to_iso
from tallystick.ids import uuid4
from tallystick.partners.plaid.simulator.state import Document, State

# A page that runs wild must not fill the disk.
EVENTS_MAX = 500

NOTHING: Document = dict.fromkeys(
    (
        "account_number_mask",
        "error_type",
        "error_code",
        "error_message",
        "exit_status",
        "institution_id",
        "institution_name",
        "institution_search_query",
        "match_reason",
        "mfa_type",
        "routing_number",
        "view_name",
        "selection",
    )
)


def brief(error: Document | None) -> Document:
    names = ("error_type", "error_code", "error_message")
    return {name: error[name] for name in names} if error else {}


def build_event(state: State, name: str, details: Document) -> Document:
    """An event as a session keeps it; `details` are the metadata that say something."""
    return {
        "event_name": name,
        "event_id": uuid4(state.kit.entropy),
        "timestamp": to_iso(state.now_ms()),
        "details": details,
    }


def show_event(event: Document, link_session_id: str, *, update: bool) -> Document:
    """The name and the metadata of onEvent: every key is there, null where it says nothing."""
    return {
        "name": event["event_name"],
        "metadata": {
            **NOTHING,
            **event["details"],
            "is_update_mode": "true" if update else "false",
            "timestamp": event["timestamp"],
            "link_session_id": link_session_id,
        },
    }
