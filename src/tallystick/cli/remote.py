"""The control API of a running sandbox, as commands call it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter

from tallystick.cli.outcome import CommandFailed, Unreachable
from tallystick.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx2

Url = Annotated[
    str | None, Parameter(help="The gateway (TALLYSTICK_URL, else http://127.0.0.1:7420).")
]

PREFIX = "/_tallystick/control"
CONNECT_S = 5.0
# A clock that is moved far answers only when all that fell due is done.
ANSWER_S = 600.0


def gateway_url(url: str | None) -> str:
    """Where the gateway is, without a trailing slash. Raises ConfigurationError."""
    from tallystick.sdk.options import server_url  # the rule is the SDK's

    return server_url(None, url, os.environ)


class Control:
    """Calls of `/_tallystick/control/`. Raises CommandFailed with what the sandbox said."""

    def __init__(self, url: str | None) -> None:
        self.url = gateway_url(url)

    def get(self, *path: str, **query: str | None) -> Any:
        return self._call("GET", path, query=query)

    def post(self, *path: str, **members: Any) -> Any:
        """Members that are None are left out."""
        return self._call("POST", path, body=_given(members))

    def post_all(self, *path: str, body: Mapping[str, Any]) -> Any:
        """The body as it is: where null means something."""
        return self._call("POST", path, body=body)

    def delete(self, *path: str) -> Any:
        return self._call("DELETE", path)

    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        import httpx2  # only when something is asked: `--help` need not wait for it

        segments = (quote(each, safe="", errors="replace") for each in path)
        url = f"{self.url}{PREFIX}/{'/'.join(segments)}"
        timeout = httpx2.Timeout(ANSWER_S, connect=CONNECT_S)
        try:
            with httpx2.Client(trust_env=False, timeout=timeout) as client:
                answer = client.request(
                    method,
                    url,
                    params=_given(query or {}),
                    content=None if body is None else _encoded(body),
                )
        except httpx2.HTTPError as error:
            raise unreachable(self.url, error) from None
        return _read(self.url, answer)


def unreachable(url: str, error: Exception) -> Unreachable:
    why = str(error) or type(error).__name__
    return Unreachable(f"no gateway answers at {url} ({why}); `tallystick serve` starts one")


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except ValueError:
        raise ConfigurationError("nan and inf are no numbers here") from None


def _read(url: str, answer: httpx2.Response) -> Any:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.is_success and isinstance(body, dict):
        return body
    if isinstance(body, dict) and isinstance(body.get("error"), str):
        raise CommandFailed(body["error"])
    raise CommandFailed(
        f"{url} answered {answer.status_code} and has no controls: "
        "it is no tallystick, or one in live mode"
    )
