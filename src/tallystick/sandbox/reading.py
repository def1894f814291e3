"""Reads the members of a JSON body, so that a refusal names everything that is wrong with it."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeGuard

from starlette.requests import Request

from tallystick.sandbox.kit import read_json

Json = dict[str, Any]

TEXT_CHARS_MAX = 500


class Refused(ValueError):
    """What a call of the control API asks for cannot be done. `status` is the answer's."""

    def __init__(self, *problems: str, status: int = 400) -> None:
        self.status = status
        super().__init__("; ".join(problems))


async def read_object(request: Request) -> Json:
    """The members of a request's body; none of an empty one. Raises Refused."""
    try:
        body: Any = await read_json(request)
    except ValueError as error:
        raise Refused(f"send JSON: {error}") from None
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise Refused("send a JSON object")
    return body


class Members:
    """A body, read member by member; a member that is absent or null is None.

    Nothing is refused before `done`, which then tells of everything at once.
    """

    def __init__(self, body: Mapping[str, Any], known: Iterable[str]) -> None:
        self._body = body
        self._problems: list[str] = []
        names = list(known)
        for name in body:
            if name not in names:
                self.wrong(f"there is no member {name!r}{suggestion(name, names)}")

    def wrong(self, problem: str) -> None:
        self._problems.append(problem)

    def has(self, name: str) -> bool:
        return self._body.get(name) is not None

    def done(self) -> None:
        """Raises Refused if anything was wrong."""
        if self._problems:
            raise Refused(*self._problems)

    def text(
        self, name: str, *, one_of: Collection[str] = (), chars_max: int = TEXT_CHARS_MAX
    ) -> str | None:
        value = self._body.get(name)
        if value is None:
            return None
        if not _is_text(value, chars_max):
            self.wrong(f"{name} is a text of 1 to {chars_max} printable characters")
            return None
        if one_of and value not in one_of:
            self.wrong(f"{name} cannot be {value!r}{suggestion(value, one_of)}")
            return None
        return value

    def texts(self, name: str) -> list[str] | None:
        value: Any = self._body.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(map(_is_text, value)):
            self.wrong(f"{name} is a list of texts")
            return None
        return list(value)

    def whole(self, name: str, low: int, high: int) -> int | None:
        value = self._body.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.wrong(f"{name} is a whole number from {low} to {high}")
            return None
        return value

    def number(self, name: str, low: float, high: float) -> float | None:
        value = self._body.get(name)
        if value is None:
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not low <= value <= high:
            self.wrong(f"{name} is a number from {low:g} to {high:g}")
            return None
        return float(value)


def _is_text(value: object, chars_max: int = TEXT_CHARS_MAX) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= chars_max and value.isprintable()


def suggestion(name: str, known: Collection[str]) -> str:
    """` (did you mean method?)`, or what there is when nothing comes close."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f" (did you mean {close[0]}?)"
    return f" (there is {', '.join(known)})" if known else " (nothing is expected)"


def of_a_partner(key: str, refusal: bytes) -> Json:
    """What a partner's page would have been told, and beside it what every refusal here has."""
    try:
        said = json.loads(refusal)
    except ValueError:
        said = None
    said = said if isinstance(said, dict) else {}
    return {**said, "error": f"{key} refused it: {_in_words(said) or 'it did not say why'}"}


def _in_words(document: Json) -> str:
    """A partner's error on one line: `error_code INVALID_INSTITUTION, …`, without ids and nulls."""
    told = []
    for name, value in document.items():
        if isinstance(value, dict):
            told.append(_in_words(value))
        elif value and not name.casefold().endswith(("id", "_id")):
            values = value if isinstance(value, list) else [value]
            told.append(f"{name} {' '.join(map(str, values))}")
    return ", ".join(told)
