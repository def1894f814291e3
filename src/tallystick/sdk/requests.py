"""A request as bytes and headers, made of a `Call`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import msgspec

from tallystick.flow import ArgumentError, Call, Target
from tallystick.hal import MEDIA_TYPE
from tallystick.sdk.token import Credentials

VERSION = "0.1.0"
USER_AGENT = f"tallystick-python/{VERSION}"
HEADER_CHARS_MAX = 255


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a hook gets to see: it may add to `headers`. The credentials are kept apart."""

    method: str
    url: str = field(repr=False)
    path: str
    headers: dict[str, str] = field(repr=False)
    content: bytes = field(default=b"", repr=False)
    authorization: str = field(default="", repr=False)

    def signed(self, token: str) -> Outgoing:
        return Outgoing(
            self.method, self.url, self.path, self.headers, self.content, f"Bearer {token}"
        )

    def shown(self) -> bytes:
        """The body, as far as the log may mask and show it."""
        return self.content if self.headers.get("content-type") == MEDIA_TYPE else b""


def api_request(
    base_url: str, call: Call, idempotency_key: str | None, extra: Mapping[str, str]
) -> Outgoing:
    """Raises ArgumentError for what cannot be sent."""
    path = "/" + "/".join(quote(_step(step), safe="") for step in call.path)
    query = {name: _value(each) for name, each in call.query.items() if each is not None}
    url = base_url + path + (f"?{urlencode(query, doseq=True)}" if query else "")
    headers = {"accept": MEDIA_TYPE, "user-agent": USER_AGENT}
    headers |= {name.lower(): _header(value, name) for name, value in extra.items()}
    if idempotency_key is not None:
        headers["idempotency-key"] = _header(idempotency_key, "idempotency_key")
    content = b""
    if call.links or call.body is not None:
        headers["content-type"] = MEDIA_TYPE
        content = _content(base_url, call)
    return Outgoing(call.method, url, path, headers, content)


def token_request(base_url: str, credentials: Credentials) -> Outgoing:
    """POST /token with the credentials in a Basic header (contract 1.1)."""
    pair = f"{credentials.key}:{credentials.secret}".encode()
    headers = {
        "accept": "application/json",
        "user-agent": USER_AGENT,
        "content-type": "application/x-www-form-urlencoded",
    }
    basic = f"Basic {b64encode(pair).decode()}"
    form = b"grant_type=client_credentials"
    return Outgoing("POST", f"{base_url}/token", "/token", headers, form, basic)


def _content(base_url: str, call: Call) -> bytes:
    members = dict(call.body or {})
    if call.links:
        links = {rel: {"href": _href(base_url, target)} for rel, target in call.links.items()}
        members = {"_links": links, **members}
    try:
        return msgspec.json.encode(members)
    except (TypeError, ValueError, RecursionError):
        raise ArgumentError("a member of the body cannot be written as JSON") from None


def _href(base_url: str, target: Target) -> str:
    if isinstance(target, str):
        return target
    return "/".join((base_url, *(quote(step, safe="") for step in target)))


def _step(step: str) -> str:
    if step in ("", ".", ".."):
        raise ArgumentError("a path has an empty or relative step")
    return step


def _value(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _header(value: str, name: str) -> str:
    """Visible ASCII: anything else could end the header and begin another."""
    if not (0 < len(value) <= HEADER_CHARS_MAX and value.isascii() and value.isprintable()):
        raise ArgumentError(f"{name} must be 1 to {HEADER_CHARS_MAX} visible ASCII characters")
    return value
