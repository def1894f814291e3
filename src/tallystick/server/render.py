"""Answers as bytes: the one place that knows how results and errors look on the wire."""

from __future__ import annotations

from typing import Any

import msgspec

from tallystick.core import Codes
from tallystick.errors import ApiError, ServerError
from tallystick.hal import ERROR_CONTENT_TYPE, MEDIA_TYPE, RESOURCE_CONTENT_TYPE, Links
from tallystick.store.idempotency import Outcome
from tallystick.web import Reply, Route, encode

Headers = list[tuple[bytes, bytes]]

_RESOURCE = (b"content-type", RESOURCE_CONTENT_TYPE.encode())
_ERROR = (b"content-type", ERROR_CONTENT_TYPE.encode())
_encoder = msgspec.json.Encoder()


def result(reply: Reply | Outcome, links: Links) -> tuple[int, Headers, bytes]:
    """A success. A body that is empty has no content type (contract 10, no. 7)."""
    if isinstance(reply, Outcome):
        status, path, body = reply.status, reply.path, reply.body
    else:
        status, path, body = reply.status, reply.location, encode(reply.body)
    headers: Headers = [_RESOURCE] if body else []
    if path is not None:
        headers.append((b"location", (links.base + path).encode()))
    return status, headers, body


def failure(
    error: ApiError, route: Route | None, links: Links, codes: Codes, request_id: str
) -> tuple[int, Headers, bytes]:
    """An error in Dwolla's envelope, its code spelled as the operation spells it (contract 3)."""
    code = error.code
    if route is not None and codes == "seed":
        code = route.spell(code)
    message = error.message
    if isinstance(error, ServerError):
        message = f"A server error occurred. Error ID: {request_id}"
    body: dict[str, Any] = {"code": code, "message": message}
    if error.errors:
        entries = [
            {"code": each.code, "message": each.message, "path": each.path, "_links": {}}
            for each in error.errors
        ]
        body["_embedded"] = {"errors": entries}
    if error.about:
        body["_links"] = {"about": _about(error.about, links)}
    return error.status, [_ERROR], _encoder.encode(body)


def _about(path: tuple[str, ...], links: Links) -> dict[str, str]:
    # Collections and ids alternate; the kind of the target is its collection's singular.
    collection = path[(len(path) - 1) // 2 * 2]
    return {
        "href": links.href(*path),
        "type": MEDIA_TYPE,
        "resource-type": collection.removesuffix("s"),
    }
