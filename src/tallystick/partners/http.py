"""The only way out to a partner: one deadline for the whole call, a size cap, no redirects.

A connector builds a request and reads an answer; everything that must be the same for all partners
happens here. Nothing of a request or an answer is logged or put into an exception: both carry
secrets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlencode

import httpx2
import msgspec

from tallystick.partners.errors import PartnerUnavailable

DEADLINE_S = 20.0
CONNECT_S = 5.0
ANSWER_BYTES_MAX = 1024 * 1024
CONNECTIONS_MAX = 50
CONNECT_AGAIN = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """A partner's answer. `body` is decoded JSON: None for an empty body, and for a failure's that
    is not JSON.
    """

    status: int
    headers: Mapping[str, str]
    body: Any = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


def network() -> httpx2.AsyncBaseTransport:
    """The way to a partner. Where no connection came about, one more is tried: nothing was sent."""
    limits = httpx2.Limits(max_connections=CONNECTIONS_MAX)
    return httpx2.AsyncHTTPTransport(trust_env=False, limits=limits, retries=CONNECT_AGAIN)


class PartnerHttp:
    """Speaks JSON over HTTP to one partner's `base_url`.

    A `transport` may stand in for the network in tests. Environment proxies are not used: where
    credentials go is decided by the settings alone.
    """

    def __init__(
        self,
        base_url: str,
        *,
        deadline_s: float = DEADLINE_S,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._deadline_s = deadline_s
        self._client = httpx2.AsyncClient(
            base_url=base_url,
            transport=transport or network(),
            follow_redirects=False,
            trust_env=False,
            timeout=httpx2.Timeout(deadline_s, connect=CONNECT_S),
            # What a partner remembers of one customer's call must not come along with another's.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            # Compressed answers could grow without bound behind the size cap.
            headers={"Accept-Encoding": "identity", "User-Agent": "tallystick"},
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Answer:
        """One request, one answer of any status.

        Only what certainly did not arrive, for want of a connection, is sent once more: whether
        anything else may be repeated, only the caller knows.

        Raises PartnerUnavailable when there is no usable answer: `acted=False` when the request
        cannot have arrived (no connection), None when nobody knows.
        """
        sent = {**(headers or {})}
        content = None
        if json is not None:
            content = msgspec.json.encode(json)
            sent["Content-Type"] = "application/json"
        elif form is not None:
            content = urlencode(form).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        request = self._client.build_request(
            method, path.lstrip("/"), content=content, params=params, headers=sent
        )
        try:
            async with asyncio.timeout(self._deadline_s):
                response = await self._client.send(
                    request, stream=True, auth=httpx2.BasicAuth(*auth) if auth else None
                )
                try:
                    raw = await _read(response)
                finally:
                    await response.aclose()
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            raise PartnerUnavailable("NO_CONNECTION", acted=False) from None
        except (TimeoutError, httpx2.TimeoutException):
            raise PartnerUnavailable("TIMED_OUT") from None
        except httpx2.HTTPError as error:
            raise PartnerUnavailable(f"BROKEN_OFF_{type(error).__name__}") from None
        # Of a failure the status says what to do; what else stands there may be a proxy's page.
        body = _decode(raw) if response.is_success else _decode_if_json(raw)
        return Answer(response.status_code, response.headers, body)


async def _read(response: httpx2.Response) -> bytes:
    raw = bytearray()
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) > ANSWER_BYTES_MAX:
            raise PartnerUnavailable("ANSWER_TOO_LARGE")
    return bytes(raw)


def _decode_if_json(raw: bytes) -> Any:
    try:
        return _decode(raw)
    except PartnerUnavailable:
        return None


def _decode(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise PartnerUnavailable("NOT_JSON") from None
