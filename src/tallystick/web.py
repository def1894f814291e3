"""What routes.py speaks: Request, Reply, Route. HTTP without a framework's vocabulary."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec

from tallystick.body import read
from tallystick.core import Core, Principal
from tallystick.errors import ApiError, BadRequest, NotFound
from tallystick.hal import Link, Links, resolve
from tallystick.ids import as_uuid
from tallystick.store.idempotency import Claim, Outcome

S = TypeVar("S", bound=msgspec.Struct)

# What is ours and not Dwolla's is served below this (decision 3).
OURS = "/_tallystick"

LIMIT_DEFAULT = 25
LIMIT_MAX = 200
PAGED = ("limit", "offset")


class Request(msgspec.Struct, eq=False):
    """One authenticated call. `id` is the id in the path as it was sent, `body` decoded JSON."""

    core: Core
    principal: Principal
    request_id: str
    links: Links
    path: str
    id: str = ""
    query_string: bytes = b""
    body: Any = None
    claim: Claim | None = None

    def __repr__(self) -> str:
        """Without the body, which may hold what nobody must read."""
        return f"Request({self.request_id}, {self.path!r})"

    def uuid(self, absent: str | None = None) -> str:
        """The id in the path, in lower case.

        Anything but a UUID is as good as absent (10.37): NotFound with the text `absent`.
        """
        found = as_uuid(self.id)
        if found is None:
            raise NotFound(absent)
        return found

    def read(self, shape: type[S]) -> S:
        """The body as a struct. Raises BadRequest or ValidationFailed with every problem."""
        return read(self.body, shape)

    def query(self) -> Mapping[str, Sequence[str]]:
        """Query parameters, each with all its values. Blank ones are dropped, as the SDKs do.

        Raises BadRequest for a NUL, which no text of ours holds and PostgreSQL refuses.
        """
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query_string.decode("ascii", "replace")):
            if "\0" in value:
                raise BadRequest
            found.setdefault(name, []).append(value)
        return found

    def resolve(self, href: object, collection: str) -> str | None:
        """The id in a link that the client sent; None if it is not a link of ours."""
        return resolve(href, collection, (self.links.base, *self.core.alias_bases))


class Reply(msgspec.Struct, frozen=True):
    """The answer. `location` is a path below the base URL; `body` a struct or None for no body."""

    status: int = 200
    body: msgspec.Struct | None = None
    location: str | None = None

    @classmethod
    def created(cls, *path: str, body: msgspec.Struct | None = None) -> Reply:
        """201 with `Location`, and an empty body unless the operation documents one."""
        return cls(201, body, "/" + "/".join(path))

    def outcome(self) -> Outcome:
        """What is kept for a repetition with the same idempotency key."""
        return Outcome(self.status, self.location, encode(self.body))


def encode(body: msgspec.Struct | None) -> bytes:
    return b"" if body is None else _encoder.encode(body)


_encoder = msgspec.json.Encoder()

Handler = Callable[[Request], Awaitable[Reply | Outcome]]


@dataclass(frozen=True)
class Takes:
    """One form that the body of a POST may have, for the OpenAPI document.

    - `shape`: the struct that it is read into; `Proof` stands for those of all partners, or for
      those with one of `members`. None is a body of links only.
    - `links`: relations in `_links` that must be there, `may_link`: those that may.
    """

    shape: type[msgspec.Struct] | None = None
    links: tuple[str, ...] = ()
    may_link: tuple[str, ...] = ()
    members: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Route:
    """One operation.

    - `path`: `/customers/{id}/exchanges`; at most one parameter, always second.
    - `operation`: Dwolla's operationId; a name of our own for what is served under OURS.
    - `scope` and `denied`: the switch that an application may have off, and what it then gets.
    - `lower`: error codes that this operation spells with a small first letter (contract 3.3).
    - `takes`, `gives`, `query`: forms of its body, the struct of its answer (or several) and its
      query parameters. `gives` is None for a 201 with a `Location` and no body. The server does not
      look at them: the OpenAPI document is made of them, and tests hold every answer against it.
    """

    method: str
    path: str
    handler: Handler
    operation: str
    scope: str | None = None
    denied: ApiError | None = None
    lower: frozenset[str] = field(default_factory=frozenset)
    takes: tuple[Takes, ...] = ()
    gives: type[msgspec.Struct] | tuple[type[msgspec.Struct], ...] | None = None
    query: tuple[str, ...] = ()

    LOWER: ClassVar[frozenset[str]] = frozenset(
        {"Forbidden", "NotFound", "ValidationError", "BadRequest"}
    )

    @property
    def created(self) -> bool:
        """True if a success is 201 with a `Location`."""
        return self.method == "POST" and not any(each.__struct_fields__ for each in self.answers)

    @property
    def answers(self) -> tuple[type[msgspec.Struct], ...]:
        """The structs of which a success has one."""
        if self.gives is None:
            return ()
        return self.gives if isinstance(self.gives, tuple) else (self.gives,)

    def spell(self, code: str) -> str:
        return code[:1].lower() + code[1:] if code in self.lower else code


# ── paging ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Page:
    """`limit` rows from `offset` on (contract 2.3: default 25, at most 200)."""

    limit: int
    offset: int

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]]) -> Page:
        """Nonsense counts as the default: Dwolla documents no error for it."""
        limit = _whole(query, "limit", LIMIT_DEFAULT)
        return cls(min(max(limit, 1), LIMIT_MAX), max(_whole(query, "offset", 0), 0))

    def links(
        self,
        links: Links,
        resource_type: str,
        path: str,
        total: int,
        query: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[str, Link]:
        """`self`, `first` and `last` always, `next` and `prev` where there is something.

        `query` are the other parameters of the list; its pages keep them.
        """
        kept = f"&{urlencode(query, doseq=True)}" if query else ""

        def at(offset: int) -> Link:
            return links.to(resource_type, f"{path}?limit={self.limit}&offset={offset}{kept}")

        last = max((total - 1) // self.limit * self.limit, 0)
        found = {"self": at(self.offset), "first": at(0), "last": at(last)}
        if self.offset + self.limit < total:
            found["next"] = at(self.offset + self.limit)
        if self.offset > 0:
            found["prev"] = at(max(self.offset - self.limit, 0))
        return found


def _whole(query: Mapping[str, Sequence[str]], name: str, default: int) -> int:
    text = query.get(name, [""])[-1]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default
