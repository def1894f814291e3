"""Calls of endpoints that this SDK has no name for: `client.get("/some/new/endpoint")`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tallystick.flow import ArgumentError, Call, Flow, Method, Query, Reference, Resource
from tallystick.sdk.results import RawResponse

Address = str | Resource | Reference[Any]


def direct(
    method: Method,
    base_url: str,
    address: Address,
    params: Query | None = None,
    body: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Flow[RawResponse[bytes]]:
    """`address` is a path, a link, or what has one. Only its path and query count: the request goes
    to the client's own server, and so does the token.
    """
    href = address if isinstance(address, str) else address.href
    below = href.removeprefix(base_url)
    try:
        parts = urlsplit(below if below[:1] in ("", "/", "?") else href)
    except ValueError:
        raise ArgumentError("this is not an address") from None
    steps = tuple(unquote(step) for step in parts.path.strip("/").split("/") if step)
    query: Query = {**parse_qs(parts.query, keep_blank_values=True), **(params or {})}
    return _ask(Call(method, steps, query, body=body, idempotency_key=idempotency_key))


def _ask(call: Call) -> Flow[RawResponse[bytes]]:
    answer = yield call
    return RawResponse(answer.http, answer.body, answer.body)
