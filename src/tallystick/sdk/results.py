"""What operations return besides resources: what was made, pages, raw answers."""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from tallystick.flow import Call, Flow, Http, Listed, M, Reference, Runs, RunsAsync, fetch, mapped

T = TypeVar("T")

# Asks for the page that a call names.
Turn = Callable[[Call], Flow[Listed[T]]]


@dataclass(frozen=True, slots=True)
class Created(Reference[M]):
    """What was made: its `id` and its address `href`; `fetch()` gets the resource itself."""

    runner: Runs = field(repr=False, compare=False)

    def fetch(self) -> M:
        return self.runner.run(fetch(self.model, self.model.COLLECTION, self.id))


@dataclass(frozen=True, slots=True)
class AsyncCreated(Reference[M]):
    """What was made: its `id` and its address `href`; `fetch()` gets the resource itself."""

    runner: RunsAsync = field(repr=False, compare=False)

    async def fetch(self) -> M:
        return await self.runner.run(fetch(self.model, self.model.COLLECTION, self.id))


class Page(Generic[T]):
    """One page of a list: `items`, `total`, `page[0]`. Iterating goes on over all pages."""

    def __init__(self, runner: Runs, turn: Turn[T], listed: Listed[T]) -> None:
        self._runner = runner
        self._turn = turn
        self._listed = listed

    @property
    def items(self) -> Sequence[T]:
        """Those of this page only."""
        return self._listed.items

    @property
    def total(self) -> int:
        """How many there are on all pages together, as the server counts."""
        return self._listed.total

    @property
    def http(self) -> Http:
        return self._listed.http

    def next_page(self) -> Page[T] | None:
        """The page after this one, or None."""
        if self._listed.next is None:
            return None
        listed = self._runner.run(self._turn(self._listed.next))
        return Page(self._runner, self._turn, listed)

    def pages(self) -> Iterator[Page[T]]:
        """This page and all after it, each fetched when it is reached."""
        page: Page[T] | None = self
        while page is not None:
            yield page
            page = page.next_page()

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items

    def __getitem__(self, index: int) -> T:
        return self.items[index]

    def __bool__(self) -> bool:
        return bool(self.items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.items)} of {self.total})"


class AsyncPage(Generic[T]):
    """One page of a list: `items`, `total`, `page[0]`. `async for` goes on over all pages."""

    def __init__(self, runner: RunsAsync, turn: Turn[T], listed: Listed[T]) -> None:
        self._runner = runner
        self._turn = turn
        self._listed = listed

    @property
    def items(self) -> Sequence[T]:
        """Those of this page only."""
        return self._listed.items

    @property
    def total(self) -> int:
        """How many there are on all pages together, as the server counts."""
        return self._listed.total

    @property
    def http(self) -> Http:
        return self._listed.http

    async def next_page(self) -> AsyncPage[T] | None:
        """The page after this one, or None."""
        if self._listed.next is None:
            return None
        listed = await self._runner.run(self._turn(self._listed.next))
        return AsyncPage(self._runner, self._turn, listed)

    async def pages(self) -> AsyncIterator[AsyncPage[T]]:
        """This page and all after it, each fetched when it is reached."""
        page: AsyncPage[T] | None = self
        while page is not None:
            yield page
            page = await page.next_page()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item

    def __getitem__(self, index: int) -> T:
        return self.items[index]

    def __bool__(self) -> bool:
        return bool(self.items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.items)} of {self.total})"


class AsyncPages(Generic[T]):
    """A list that is not fetched yet: `await` it for its first page, or `async for` over all."""

    def __init__(self, first: Callable[[], Awaitable[AsyncPage[T]]]) -> None:
        self._first = first

    def __await__(self) -> Generator[Any, Any, AsyncPage[T]]:
        return self._first().__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for item in await self._first():
            yield item


@dataclass(frozen=True, slots=True)
class RawResponse(Generic[T]):
    """An answer as it came, and what the operation makes of it (`parse`)."""

    http: Http
    content: bytes = field(repr=False)
    value: T = field(repr=False)

    @property
    def status_code(self) -> int:
        return self.http.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self.http.headers

    def json(self) -> Any:
        """The body as JSON; None when it is empty. Raises ValueError when it is something else."""
        return msgspec.json.decode(self.content) if self.content else None

    def parse(self) -> T:
        """What the same operation returns without `with_raw_response`."""
        return self.value


class Facade:
    """A resource's operations on the sync client.

    `owner` is what later steps run on (`fetch`, the next page), where `runner` wraps its results.
    """

    def __init__(self, runner: Runs, owner: Runs | None = None) -> None:
        self._runner = runner
        self._owner = owner or runner

    def _run(self, flow: Flow[T], timeout_s: float | None = None) -> T:
        return self._runner.run(flow, timeout_s=timeout_s)

    def _created(self, flow: Flow[Reference[M]]) -> Created[M]:
        return self._runner.run(mapped(flow, self._bind))

    def _bind(self, made: Reference[M]) -> Created[M]:
        return Created(made.model, made.id, made.href, made.http, self._owner)

    def _listed(self, turn: Turn[T], call: Call) -> Page[T]:
        def page(listed: Listed[T]) -> Page[T]:
            return Page(self._owner, turn, listed)

        return self._runner.run(mapped(turn(call), page))


class AsyncFacade:
    """A resource's operations on the async client; see Facade."""

    def __init__(self, runner: RunsAsync, owner: RunsAsync | None = None) -> None:
        self._runner = runner
        self._owner = owner or runner

    async def _run(self, flow: Flow[T], timeout_s: float | None = None) -> T:
        return await self._runner.run(flow, timeout_s=timeout_s)

    async def _created(self, flow: Flow[Reference[M]]) -> AsyncCreated[M]:
        return await self._runner.run(mapped(flow, self._bind))

    def _bind(self, made: Reference[M]) -> AsyncCreated[M]:
        return AsyncCreated(made.model, made.id, made.href, made.http, self._owner)

    def _listed(self, turn: Turn[T], call: Call) -> AsyncPages[T]:
        def page(listed: Listed[T]) -> AsyncPage[T]:
            return AsyncPage(self._owner, turn, listed)

        return AsyncPages(lambda: self._runner.run(mapped(turn(call), page)))
