"""The access token: fetched once, shared by all calls, renewed before it expires."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from tallystick.flow import ResponseShapeError

EARLY_S = 60.0  # Node's client renews as early (contract 1.3)
LIFETIME_S = 3_600.0  # when the answer does not say; Dwolla's documented hour


class Credentials(msgspec.Struct, frozen=True):
    """An application's key and secret, or a bearer token that somebody else looks after."""

    key: str = ""
    secret: str = ""
    bearer: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(key={self.key!r})"


class Token(msgspec.Struct, frozen=True):
    """`early_at` and `ends_at` are on the monotonic clock, in seconds."""

    value: str
    early_at: float
    ends_at: float

    def __repr__(self) -> str:
        return f"Token(early_at={self.early_at}, ends_at={self.ends_at})"

    def unless(self, refused: str | None) -> str | None:
        return None if self.value == refused else self.value


class Ticks(Protocol):
    """A monotonic clock in seconds."""

    def __call__(self) -> float: ...


class Tokens:
    """What the client holds. It has no lock: the drivers let one caller at a time renew."""

    def __init__(self, ticks: Ticks) -> None:
        self._ticks = ticks
        self._held: Token | None = None

    def fresh(self, refused: str | None = None) -> str | None:
        """The token, unless it is to be renewed or is the one that the server just refused."""
        held = self._held
        return None if held is None or self._ticks() >= held.early_at else held.unless(refused)

    def usable(self, refused: str | None = None) -> str | None:
        """The token while it lives: good enough for others while one caller renews it."""
        held = self._held
        return None if held is None or self._ticks() >= held.ends_at else held.unless(refused)

    def keep(self, body: bytes, asked_at: float) -> str:
        """Hold the token in an answer of POST /token, counted from when it was asked for."""
        value, lifetime_s = read(body)
        early_s = min(EARLY_S, lifetime_s / 10)
        ends_at = asked_at + lifetime_s
        self._held = Token(value, ends_at - early_s, ends_at)
        return value


def read(body: bytes) -> tuple[str, float]:
    """The token and its lifetime in seconds. Raises ResponseShapeError, which shows neither."""
    try:
        members = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        members = {}
    value = members.get("access_token")
    # Anything but visible ASCII cannot stand in a header.
    if not isinstance(value, str) or not value or not (value.isascii() and value.isprintable()):
        raise ResponseShapeError("POST /token answered without an access token")
    expires_in = members.get("expires_in")
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float) or expires_in <= 0:
        expires_in = LIFETIME_S
    return value, float(min(expires_in, 86_400))
