"""Reads a JSON body strictly, and lists everything that is wrong with it at once.

Decoding goes through the standard library's parser because only it can see what must be refused:
duplicate members (a proxy may keep the first, we the last), NaN, huge numbers (threats T18 to T20).
Shapes are msgspec structs; when a body does not fit, the same struct's JSON Schema is asked for the
whole list of problems.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, NoReturn, TypeVar

import msgspec

from tallystick.errors import BadRequest, FieldError, ValidationFailed

DEPTH_MAX = 16
NUMBER_DIGITS_MAX = 20
MEMBERS_MAX = 1_000
TEXT_CHARS_MAX = 8_192

S = TypeVar("S", bound=msgspec.Struct)

# Control characters, lone surrogates, and the marks that turn the direction of text around.
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def parse(raw: bytes) -> Any:
    """The JSON value in `raw`, which is UTF-8. An empty body is None.

    Raises BadRequest for anything that is not one clean JSON value within the limits above.
    """
    if not raw:
        return None
    try:
        value = _decoder.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadRequest from None
    if value is None:
        raise BadRequest  # `null` is something, and never what is asked for
    _inspect(value, 0)
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs) or len(pairs) > MEMBERS_MAX:
        raise ValueError("duplicate or too many members")
    return found


def _integer(digits: str) -> int:
    if len(digits) > NUMBER_DIGITS_MAX:
        raise ValueError("the number is too long")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if len(digits) > NUMBER_DIGITS_MAX or value in (float("inf"), float("-inf")):
        raise ValueError("the number is too long or too large")
    return value


def _refuse(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


# Made once: `json.loads` with hooks would make one for every body.
_decoder = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_refuse,
)


def _inspect(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if len(value) > TEXT_CHARS_MAX or _UNWANTED.search(value):
            raise BadRequest
    elif isinstance(value, dict):
        if depth >= DEPTH_MAX:
            raise BadRequest
        for name, member in value.items():
            _inspect(name, depth)
            _inspect(member, depth + 1)
    elif isinstance(value, list):
        if depth >= DEPTH_MAX or len(value) > MEMBERS_MAX:
            raise BadRequest
        for item in value:
            _inspect(item, depth + 1)


def read(value: Any, shape: type[S]) -> S:
    """`value` as a `shape`. Unknown members are ignored, as Dwolla does.

    Raises BadRequest when there is no JSON object at all, ValidationFailed with one FieldError per
    problem when there is one that does not fit.
    """
    if not isinstance(value, dict):
        raise BadRequest
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError:
        raise ValidationFailed(errors=problems(value, shape)) from None


def problems(value: Any, shape: type[msgspec.Struct], under: str = "") -> Sequence[FieldError]:
    """Everything in which `value` differs from `shape`, in the order of the shape's fields.

    `under` is the JSON pointer at which `value` stands in the whole body.
    """
    order = [f.encode_name for f in msgspec.structs.fields(shape)]
    found: dict[str, tuple[int, FieldError]] = {}
    for error in _validator(shape).iter_errors(value):
        path = [str(step) for step in error.instance_path]
        if error.kind.name == "required":
            path.append(error.kind.property)
        error_code = _CODES.get(error.kind.name, "Invalid")
        if error.kind.name == "anyOf" and isinstance(error.instance, str):
            error_code = "InvalidFormat"  # an optional text: neither null nor of its pattern
        pointer = under + "".join(f"/{_escape(step)}" for step in path)
        rank = order.index(path[0]) if path and path[0] in order else len(order)
        # The first problem of a field says enough; a missing one cannot also be malformed.
        found.setdefault(pointer, (rank, FieldError(error_code, _say(path, error_code), pointer)))
    return [error for _, error in sorted(found.values(), key=lambda ranked: ranked[0])]


_CODES = {"required": "Required", "pattern": "InvalidFormat", "format": "InvalidFormat"}


def _say(path: Sequence[str], error_code: str) -> str:
    name = path[-1] if path else "Body"
    title = name[:1].upper() + name[1:]
    return f"{title} required." if error_code == "Required" else f"{title} invalid."


def _escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


@cache
def _validator(shape: type[msgspec.Struct]) -> Any:
    import jsonschema_rs  # a tenth of the start-up time, for errors only

    return jsonschema_rs.validator_for(msgspec.json.schema(shape))
