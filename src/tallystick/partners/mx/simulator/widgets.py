"""Widget URLs, and the page session that the first load of one begins.

"The URL expires after ten minutes or upon first use, whichever occurs first" (MX, Request widget
URL). The page that the first load shows carries a token of its own for the page's own calls: a
cookie would not survive inside a third party's iframe.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import urlsplit

from tallystick.clock import MINUTE_MS
from tallystick.ids import base62
from tallystick.partners.mx.simulator.errors import Refusal, bad_request, not_found, unauthorized
from tallystick.partners.mx.simulator.fixtures import BY_CODE
from tallystick.partners.mx.simulator.state import Document, State

URL_LIFE_MS = 10 * MINUTE_MS

# The life of a session in MX's Nexus API, refreshed by every call; ours for the page's session.
SESSION_LIFE_MS = 30 * MINUTE_MS

_MODES = frozenset({"aggregation", "verification"})
_TOKEN = re.compile(r"[0-9A-Za-z]{43}", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)

# Addresses that would run as a script of the page that goes there.
_FORBIDDEN_SCHEMES = frozenset({"javascript", "data", "vbscript", "blob", "file", "about"})


class Widgets:
    def __init__(self, state: State) -> None:
        self._state = state
        self._shelf = state.shelf
        self._clock = state.kit.clock
        self._entropy = state.kit.entropy

    def issue(self, user: Document, settings: dict[str, Any], base_url: str) -> str:
        """A new widget URL for this user. Raises Refusal for settings that cannot work."""
        self._check(user, settings)
        token = base62(self._entropy, 43)
        widget = {
            "key": token,
            "user_guid": user["guid"],
            "session_guid": self._state.new_guid("ANS"),
            "settings": settings,
            "created_at": self._clock.now_ms(),
            "opened_at": None,
            "headless": False,
        }
        self._shelf.put("widget", token, widget)
        shown = {
            "ui_message_version": settings.get("ui_message_version", 4),
            "ui_message_webview_url_scheme": settings.get("ui_message_webview_url_scheme", "mx"),
            "mode": settings.get("mode", "aggregation"),
        }
        tail = base64.urlsafe_b64encode(json.dumps(shown).encode()).decode().rstrip("=")
        return f"{base_url}/md/connect/{token}/{tail}"

    def open(self, token: str, *, headless: bool = False) -> Document:
        """The first load of a widget URL. Raises Refusal (404, 410) where it is not to be had.

        A URL opened by the headless control stays open to it, as a page would, so that a wrong
        password can be followed by the right one.
        """
        widget = self._shelf.get("widget", token)
        if widget is None:
            raise not_found("The widget URL")
        now = self._clock.now_ms()
        opened_at = widget["opened_at"]
        if opened_at is None and now - widget["created_at"] > URL_LIFE_MS:
            raise Refusal(410, "The widget URL has expired.", "expired")
        if opened_at is not None and not (
            headless and widget["headless"] and now - opened_at <= SESSION_LIFE_MS
        ):
            raise Refusal(410, "The widget URL has been used.", "used")
        opened = {**widget, "opened_at": opened_at or now, "headless": headless}
        self._shelf.put("widget", token, opened)
        return opened

    def begin_session(self, widget: Document) -> str:
        """The token with which the page makes its own calls."""
        key = base62(self._entropy, 43)
        page = {
            "key": key,
            "user_guid": widget["user_guid"],
            "widget": widget["key"],
            "seen_at": self._clock.now_ms(),
        }
        self._shelf.put("page", key, page)
        return key

    def resume_session(self, key: str) -> Document:
        """The widget behind a page's token, whose life begins anew. Raises Refusal (401)."""
        page = self._shelf.get("page", key)
        now = self._clock.now_ms()
        if page is None or now - page["seen_at"] > SESSION_LIFE_MS:
            raise unauthorized("This page has been open for too long. Please start again.")
        self._shelf.put("page", key, {**page, "seen_at": now})
        widget = self._shelf.get("widget", page["widget"])
        if widget is None:
            raise unauthorized()
        return widget

    def _check(self, user: Document, settings: dict[str, Any]) -> None:
        if settings.get("widget_type", "connect_widget") != "connect_widget":
            raise bad_request("Only widget_type connect_widget is simulated.")
        if settings.get("mode", "aggregation") not in _MODES:
            raise bad_request("mode is neither aggregation nor verification.")
        code = settings.get("current_institution_code")
        if code is not None and code not in BY_CODE:
            raise not_found("The institution")
        member = settings.get("current_member_guid")
        if member is not None:
            self._state.member(user["guid"], str(member))
        redirect = settings.get("client_redirect_url")
        if redirect is not None and not is_safe_redirect(redirect):
            raise bad_request("client_redirect_url is not an address to send a person to.")
        scheme = settings.get("ui_message_webview_url_scheme", "mx")
        if not isinstance(scheme, str) or not is_safe_redirect(f"{scheme}://oauth_complete"):
            raise bad_request("ui_message_webview_url_scheme is not a scheme.")


def is_safe_redirect(address: object) -> bool:
    """Whether a person may be sent there: an absolute address, of the web or of an app."""
    if not isinstance(address, str):
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    safe = _SCHEME.fullmatch(parts.scheme) and parts.scheme not in _FORBIDDEN_SCHEMES
    return bool(safe and parts.netloc)


def read_handle(handle: object) -> str:
    """The token in a widget URL, or the token itself. Raises Refusal (400)."""
    if isinstance(handle, str):
        _, found, rest = handle.partition("/md/connect/")
        token = rest.split("/", 1)[0].split("?", 1)[0] if found else handle
        if _TOKEN.fullmatch(token):
            return token
    raise bad_request("handle is neither a widget URL nor the token in one.")
