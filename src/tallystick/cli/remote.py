"""A running gateway, as commands call it: the control API of a sandbox, and the API."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter

from tallystick.cli.outcome import CommandFailed, Unreachable
from tallystick.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx2

    from tallystick.sdk.public import Client

Url = Annotated[
    str | None, Parameter(help="The gateway (TALLYSTICK_URL, else http://127.0.0.1:7420).")
]

PREFIX = "/_tallystick/control"
SIMULATORS = "/_partners"
CONNECT_S = 5.0
# A clock that is moved far answers only when all that fell due is done.
ANSWER_S = 600.0

# Where a command looks for a webhook secret that is not among its options.
WEBHOOK_SECRET = "WEBHOOK_SECRET"  # noqa: S105  # a name


def gateway_url(url: str | None) -> str:
    """Where the gateway is, without a trailing slash. Raises ConfigurationError."""
    from tallystick.sdk.options import server_url  # the rule is the SDK's

    try:
        return server_url(None, url, os.environ)
    except ConfigurationError:
        raise ConfigurationError(
            "--url (or TALLYSTICK_URL) is an address such as http://127.0.0.1:7420"
        ) from None


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

    def sign_in(self, partner_key: str) -> Any:
        """Go through the page of a partner with which the integrator has its own contract."""
        path = (partner_key, "_control", "complete")
        return self._call("POST", path, body={}, prefix=SIMULATORS)

    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        prefix: str = PREFIX,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        import httpx2  # only when something is asked: `--help` need not wait for it

        segments = (quote(each, safe="", errors="replace") for each in path)
        url = f"{self.url}{prefix}/{'/'.join(segments)}"
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


@contextmanager
def api(url: str | None) -> Iterator[Client]:
    """A client of the API; what it raises becomes CommandFailed.

    Who calls is TALLYSTICK_CLIENT_ID and TALLYSTICK_CLIENT_SECRET, on this machine else the
    sandbox's own.
    """
    import httpx2

    from tallystick.sdk.options import is_local
    from tallystick.sdk.public import APIConnectionError, APIError, Client, ResponseShapeError

    base = gateway_url(url)
    # No proxy of the environment stands between two ends on one machine.
    with httpx2.Client(trust_env=not is_local(base)) as http:
        try:
            yield Client(base_url=base, http_client=http)
        except APIConnectionError as error:
            raise unreachable(base, error) from None
        except (APIError, ResponseShapeError) as error:
            raise CommandFailed(str(error)) from None


def application_of(url: str | None) -> str:
    """The client id that `api` calls with. Raises ConfigurationError when there is none."""
    from tallystick.sdk.options import credentials

    return credentials(gateway_url(url), None, None, None).key
