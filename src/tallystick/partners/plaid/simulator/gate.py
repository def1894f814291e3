"""Who may call, and what is in the call: the checks that come before every endpoint.

Order as Plaid's answers show it: is the body JSON, are there keys, are they right, are all required
fields there, is there a field too many, is each of the right type.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from tallystick.partners.plaid.simulator.errors import Refusal, invalid, missing, unknown
from tallystick.sandbox.kit import Kit, read_json

Body = dict[str, Any]

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "array": (list,),
    "object": (dict,),
    "boolean": (bool,),
    "integer": (int,),
}


async def read_object(request: Request) -> Body:
    """The JSON object of the body. Raises Refusal (INVALID_BODY)."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refusal("INVALID_BODY")
    try:
        body = await read_json(request)
    except ValueError as why:
        raise Refusal("INVALID_BODY") from why
    if not isinstance(body, dict):
        raise Refusal("INVALID_BODY")
    return body


def check_keys(kit: Kit, request: Request, body: Body) -> None:
    """`client_id` and `secret`, in the body or in headers. Raises Refusal."""
    given = []
    for field, header in (("client_id", "PLAID-CLIENT-ID"), ("secret", "PLAID-SECRET")):
        value = body.get(field)
        given.append(request.headers.get(header) if value is None else value)
    absent = [name for name, value in zip(("client_id", "secret"), given, strict=True) if not value]
    if absent:
        raise missing(*absent)
    right = [
        hmac.compare_digest(str(mine).encode(), theirs.encode())
        for mine, theirs in zip(given, kit.credentials, strict=True)
    ]
    if not all(right):
        raise Refusal("INVALID_API_KEYS")


def check_fields(body: Body, fields: Mapping[str, str]) -> Body:
    """The body without its keys, each field as `fields` has it. Raises Refusal.

    `fields` gives a JSON type for each name; a `*` behind it means required.
    """
    rest = {name: value for name, value in body.items() if name not in {"client_id", "secret"}}
    absent = [name for name, kind in fields.items() if kind[-1] == "*" and rest.get(name) is None]
    if absent:
        raise missing(*absent)
    extra = sorted(set(rest) - set(fields))
    if extra:
        raise unknown(*extra)
    present = {name: value for name, value in rest.items() if value is not None}
    for name, value in present.items():
        kind = fields[name].rstrip("*")
        wrong_number = kind == "integer" and isinstance(value, bool)
        if not isinstance(value, _KINDS[kind]) or wrong_number:
            raise invalid(f"{name} must be a non-null {kind}")
        if kind == "string" and fields[name][-1] == "*" and not value:
            raise invalid(f"{name} must be a non-empty string")
    return present


def read_strings(value: Any, name: str, allowed: frozenset[str] | None = None) -> tuple[str, ...]:
    """A list of strings, each of them allowed. Raises Refusal (INVALID_FIELD)."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise invalid(f"{name} must be an array of strings")
    if allowed is not None and (wrong := [one for one in value if one not in allowed]):
        raise invalid(f"{name} has values that are not valid: {', '.join(wrong)}")
    return tuple(value)
