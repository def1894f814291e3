"""What a client can be told: where the API is, who calls, and how patient to be."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from tallystick.errors import ConfigurationError, TallystickError
from tallystick.flow import Http
from tallystick.sdk.requests import Outgoing
from tallystick.sdk.retries import RetryConfig
from tallystick.sdk.token import Credentials

Environment = Literal["local", "sandbox", "production"]

SERVERS: Mapping[Environment, str] = {
    "local": "http://127.0.0.1:7420",
    "sandbox": "https://api-sandbox.dwolla.com",
    "production": "https://api.dwolla.com",
}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Options(msgspec.Struct, frozen=True):
    """`timeout_s` bounds a whole operation, retries and the token included."""

    timeout_s: float = 30.0
    connect_timeout_s: float = 5.0
    retries: RetryConfig = msgspec.field(default_factory=RetryConfig)
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    strict: bool = False

    def __repr__(self) -> str:
        """Without the headers, which may hold what nobody must read."""
        return f"Options(timeout_s={self.timeout_s}, retries={self.retries}, strict={self.strict})"


@dataclass(frozen=True, slots=True)
class Retried:
    """What `on_retry` gets: the retry `number` comes in `wait_s` seconds, because of `failure`."""

    request: Outgoing
    failure: TallystickError
    number: int
    wait_s: float


class Hooks(msgspec.Struct, frozen=True):
    """Called in the thread or task of the call. What they raise, the caller gets."""

    on_request: Callable[[Outgoing], object] | None = None
    on_response: Callable[[Outgoing, Http], object] | None = None
    on_retry: Callable[[Retried], object] | None = None

    def request(self, request: Outgoing) -> None:
        if self.on_request:
            self.on_request(request)

    def response(self, request: Outgoing, http: Http) -> None:
        if self.on_response:
            self.on_response(request, http)

    def retry(self, retried: Retried) -> None:
        if self.on_retry:
            self.on_retry(retried)


def server_url(
    environment: Environment | None,
    base_url: str | None,
    environ: Mapping[str, str] = os.environ,
) -> str:
    """The base URL, without a trailing slash. Nothing leads to production but `production`.

    In this order: `base_url`, `environment`, TALLYSTICK_URL, the local gateway.
    """
    if base_url is not None and environment is not None:
        raise ConfigurationError("give environment or base_url, not both")
    if environment is not None:
        if environment not in SERVERS:
            raise ConfigurationError("environment is local, sandbox or production")
        return SERVERS[environment]
    return _checked(base_url or environ.get("TALLYSTICK_URL") or SERVERS["local"])


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise ConfigurationError("base_url must be like https://host or http://host:port/prefix")
    if parts.username is not None or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError("base_url must not carry credentials, spaces or other signs")
    return url.rstrip("/")


def is_local(url: str) -> bool:
    return urlsplit(url).hostname in _LOOPBACK


def credentials(
    url: str,
    key: str | None,
    secret: str | None,
    bearer_auth: str | None,
    environ: Mapping[str, str] = os.environ,
) -> Credentials:
    """Who calls: the arguments, else TALLYSTICK_CLIENT_ID and _SECRET, else the sandbox's own.

    The sandbox's well-known pair (decision 20) is only ever sent to this machine.
    """
    if bearer_auth is not None:
        if key is not None or secret is not None:
            raise ConfigurationError("give key and secret, or bearer_auth, not both")
        return Credentials(bearer=_visible(bearer_auth, "bearer_auth"))
    key = key or environ.get("TALLYSTICK_CLIENT_ID")
    secret = secret or environ.get("TALLYSTICK_CLIENT_SECRET")
    if key is None and secret is None and is_local(url):
        key, secret = "sandbox-key", "sandbox-secret"
    if not key or not secret:
        raise ConfigurationError(
            "no credentials: give key and secret, or set TALLYSTICK_CLIENT_ID and "
            "TALLYSTICK_CLIENT_SECRET"
        )
    return Credentials(_visible(key, "key"), _visible(secret, "secret"))


def _visible(text: str, name: str) -> str:
    if not text or not text.isprintable() or not text.isascii():
        raise ConfigurationError(f"{name} must be visible ASCII characters")
    return text
