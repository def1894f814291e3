"""A flow: what an operation asks and how it reads the answers, without any input or output.

A flow is a generator that yields `Call`s, is sent an `Answer` to each, and returns a value. It is
written once; the sync and the async client each drive it. `tallystick.sdk` adds the token, retries
and deadlines around every call, so a flow only ever sees answers that are a success.

What flows return is open to what they do not know: unknown members are kept, and a member that is
missing or of another type than expected never raises (see `read`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from tallystick.errors import TallystickError
from tallystick.hal import Link

T = TypeVar("T")
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)

Method = Literal["GET", "POST", "DELETE"]
# A segment-wise path below the base URL, as absolute link in a body; a text is sent as it is.
Target: TypeAlias = tuple[str, ...] | str
Query: TypeAlias = Mapping[str, str | int | bool | Sequence[str] | None]

ID_CHARS_MAX = 200


class ArgumentError(TallystickError, ValueError):
    """An argument that no request can be made of. The message never shows the argument."""


class ResponseShapeError(TallystickError):
    """A success that is not usable: no JSON object, or a 201 without its `Location`.

    With `strict=True` also an answer in which a member is missing or of another type.
    """


class Call(msgspec.Struct, frozen=True):
    """One call of the API, as data.

    - `path`: the segments below the base URL, unquoted. `query`: None values are left out.
    - `links`: the `_links` of the body. `body`: its other members; None with no links is no body.
    - `idempotency_key`: the caller's; without one the client makes a key for every POST.
    - `remember`: the client may answer from its memory (the list of partners hardly changes).
    """

    method: Method
    path: tuple[str, ...]
    query: Query = msgspec.field(default_factory=dict)
    links: Mapping[str, Target] = msgspec.field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    idempotency_key: str | None = None
    remember: bool = False

    def __repr__(self) -> str:
        """Without the body and the key, which may hold what nobody must read."""
        return f"Call({self.method!r}, {self.path!r}, {self.query!r}, {self.links!r})"


@dataclass(frozen=True, slots=True)
class Http:
    """What HTTP said around a result. Header names are in lower case."""

    status_code: int
    headers: Mapping[str, str] = field(repr=False)
    retries: int = 0

    @property
    def request_id(self) -> str | None:
        """The server's name for this request; quote it to support."""
        return self.headers.get("x-request-id")


class Answer(msgspec.Struct, frozen=True):
    """A success. `strict` asks `read` to raise where it would otherwise be tolerant."""

    http: Http
    body: bytes
    strict: bool = False

    def __repr__(self) -> str:
        return f"Answer(http={self.http}, strict={self.strict})"

    def members(self) -> dict[str, Any]:
        """The JSON object in the body. Raises ResponseShapeError when it is none."""
        try:
            value = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ResponseShapeError(f"{self._named()} is not a JSON object")
        return value

    def location(self, collection: str) -> tuple[str, str]:
        """The id and the address in `Location`, which must be one of `collection`."""
        href = self.http.headers.get("location", "")
        try:
            return _id_in(href, collection), href
        except ArgumentError:
            raise ResponseShapeError(
                f"{self._named()} names no new {collection!r} in its Location"
            ) from None

    def _named(self) -> str:
        return f"the answer {self.http.status_code} (request {self.http.request_id or 'unknown'})"


class Pause(msgspec.Struct, frozen=True):
    """Asked for instead of a call: wait that long. The answer to it says nothing."""

    seconds: float


Flow: TypeAlias = Generator[Call | Pause, Answer, T]


# ── what comes back ───────────────────────────────────────────────────────────────────────────


class Resource(msgspec.Struct, frozen=True, dict=True):
    """A resource as it was answered. Its kinds inherit their members from `wire.py`.

    Enumerations are plain text, because the API may learn new words; a member that was missing in
    the answer is None.
    """

    COLLECTION: ClassVar[str] = ""

    @property
    def http(self) -> Http:
        """Status, headers, request id; of a resource in a list, those of the list."""
        return self.__dict__.get("http") or Http(0, {})

    @property
    def raw(self) -> Mapping[str, Any]:
        """The JSON object as it came, with all that we have no name for."""
        found: Mapping[str, Any] = self.__dict__.get("raw", {})
        return found

    @property
    def unknown(self) -> Mapping[str, Any]:
        """The members of `raw` that this version of the SDK has no name for."""
        known = {each.encode_name for each in msgspec.structs.fields(type(self))}
        return {name: value for name, value in self.raw.items() if name not in known}

    @property
    def href(self) -> str:
        """The address of the resource itself; empty when it came without one."""
        return self.link("self") or ""

    def link(self, rel: str) -> str | None:
        """Where the link `rel` points to, or None."""
        links = getattr(self, "links", None) or {}
        return links[rel].href if rel in links else None

    def __hash__(self) -> int:
        return hash((type(self), getattr(self, "id", None)))

    def __repr__(self) -> str:
        """Which one it is, and nothing about the person behind it."""
        told = {name: getattr(self, name, None) for name in ("id", "status")}
        shown = ", ".join(f"{name}={value!r}" for name, value in told.items() if value is not None)
        return f"{type(self).__name__}({shown})"


M = TypeVar("M", bound=Resource)
M_co = TypeVar("M_co", bound=Resource, covariant=True)


@dataclass(frozen=True, slots=True)
class Reference(Generic[M_co]):
    """A resource that was just made: the answer is its address and nothing else (contract 2.3)."""

    model: type[M_co] = field(repr=False)
    id: str
    href: str
    http: Http = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.href


@dataclass(frozen=True, slots=True)
class Listed(Generic[T_co]):
    """One page. `next` asks for the page after it; None on the last one."""

    items: Sequence[T_co]
    total: int
    next: Call | None
    http: Http = field(repr=False)


# ── naming a resource ─────────────────────────────────────────────────────────────────────────

# An id, an address (`Location`, href), the resource itself, or what its creation returned.
Ref: TypeAlias = str | M | Reference[M]


def id_of(ref: str | Resource | Reference[Any], model: type[Resource]) -> str:
    """The id that `ref` names. Raises ArgumentError when it names none, or another resource.

    Of an address only the last two segments count; requests always go to the client's own server,
    so an address from elsewhere cannot take the token with it.
    """
    collection = model.COLLECTION
    if isinstance(ref, str):
        return _id_in(ref, collection) if "/" in ref else _checked(ref, collection)
    named = type(ref) if isinstance(ref, Resource) else getattr(ref, "model", None)
    if named is None or collection != named.COLLECTION:
        raise ArgumentError(f"an id, address or resource of {collection!r} is needed")
    return _checked(getattr(ref, "id", None) or "", collection)


def _id_in(href: str, collection: str) -> str:
    try:
        steps = urlsplit(href).path.split("/")
    except ValueError:
        steps = []
    if len(steps) < 2 or steps[-2] != collection:
        raise ArgumentError(f"this is not the address of one of {collection!r}")
    return _checked(unquote(steps[-1]), collection)


def _checked(text: object, collection: str) -> str:
    """Any text that is one segment of a path: ids are the server's to judge, paths are not."""
    if (
        not isinstance(text, str)
        or not 0 < len(text) <= ID_CHARS_MAX
        or text in (".", "..")
        or "/" in text
        or not text.isprintable()
    ):
        raise ArgumentError(f"this cannot be an id of {collection!r}")
    return text


# ── reading ───────────────────────────────────────────────────────────────────────────────────


def read(answer: Answer, model: type[M]) -> M:
    """The resource in an answer, with its `http`."""
    return shaped(answer, answer.members(), model)


def shaped(answer: Answer, members: Mapping[str, Any], model: type[M]) -> M:
    """`members` as a `model`: as it should be, or else member by member what can be read.

    A missing member without a default, and one of another type, is None; `_links` is then empty.
    """
    try:
        found = msgspec.convert(members, model)
    except msgspec.ValidationError as error:
        if answer.strict:
            raise ResponseShapeError(f"{model.__name__}: {error}") from None
        fields = msgspec.structs.fields(model)
        found = model(**{each.name: _member(each, members) for each in fields})
    # Past the lock on frozen structs: what is not a member of the resource is not in its fields.
    vars(found).update(http=answer.http, raw=members)
    return found


def _member(spec: Any, members: Mapping[str, Any]) -> Any:
    if spec.encode_name in members:
        try:
            return msgspec.convert(members[spec.encode_name], spec.type)
        except msgspec.ValidationError:
            pass
    if spec.encode_name == "_links":
        return links_in(members)
    return None if spec.required else spec.default


def links_in(members: Mapping[str, Any]) -> dict[str, Link]:
    """Those of its `_links` that are readable."""
    links = members.get("_links")
    found = {}
    for rel, link in (links if isinstance(links, dict) else {}).items():
        try:
            found[rel] = msgspec.convert(link, Link)
        except msgspec.ValidationError:
            continue
    return found


# ── the flows that all operations are made of ─────────────────────────────────────────────────


def fetch(model: type[M], *path: str) -> Flow[M]:
    """GET one resource."""
    answer = yield Call("GET", path)
    return read(answer, model)


def change(model: type[M], call: Call) -> Flow[M]:
    """POST or DELETE that answers with the resource."""
    answer = yield call
    return read(answer, model)


def create(model: type[M], call: Call) -> Flow[Reference[M]]:
    """POST that answers with the address of what it made."""
    answer = yield call
    found, href = answer.location(model.COLLECTION)
    return Reference(model, found, href, answer.http)


def page(model: type[M], call: Call, name: str | None = None) -> Flow[Listed[M]]:
    """GET one page of a list; `name` is the list's in `_embedded`, if not the collection's."""
    answer = yield call
    members = answer.members()
    embedded = members.get("_embedded")
    listed = embedded.get(name or model.COLLECTION) if isinstance(embedded, dict) else None
    if answer.strict and not isinstance(listed, list):
        raise ResponseShapeError(f"a list of {model.__name__} without its items")
    items = [
        shaped(answer, each, model)
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict)
    ]
    total = members.get("total")
    known = total if isinstance(total, int) and not isinstance(total, bool) else len(items)
    return Listed(items, known, _next(call, members) if items else None, answer.http)


def _next(call: Call, members: Mapping[str, Any]) -> Call | None:
    """The same call with the `limit` and `offset` of the link `next`: never another path.

    None when there is no such link, or when it does not lead forward: pages must come to an end.
    """
    link = links_in(members).get("next")
    if link is None:
        return None
    try:
        query = dict(parse_qsl(urlsplit(link.href).query))
    except ValueError:
        return None
    offset = _whole(query.get("offset"))
    if offset is None or offset <= (_whole(call.query.get("offset")) or 0):
        return None
    following: dict[str, str | int] = {"offset": offset}
    limit = _whole(query.get("limit"))
    if limit is not None:
        following["limit"] = limit
    return msgspec.structs.replace(call, query={**call.query, **following})


def _whole(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def mapped(flow: Flow[T], change: Callable[[T], U]) -> Flow[U]:
    """The flow whose result is `change` of the result of `flow`."""
    value = yield from flow
    return change(value)


# ── what drives a flow ────────────────────────────────────────────────────────────────────────


class Runs(Protocol):
    """The sync client, as far as a resource needs it."""

    def run(self, flow: Flow[T], /, *, timeout_s: float | None = None) -> T: ...


class RunsAsync(Protocol):
    """The async client, as far as a resource needs it."""

    async def run(self, flow: Flow[T], /, *, timeout_s: float | None = None) -> T: ...


# ── members of a body ─────────────────────────────────────────────────────────────────────────


def camel(members: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords as the wire spells them, at every depth, without those that are None.

    Absent is absent, never null (contract 2.3).
    """
    return {
        _camel(name): camel(value) if isinstance(value, Mapping) else value
        for name, value in members.items()
        if value is not None
    }


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)
