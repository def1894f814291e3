"""Wakes the worker as soon as the transaction that wrote a webhook is committed.

Other processes' commits ring nothing here; those the worker finds when it looks for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from tallystick.api.webhooks import store
from tallystick.store.db import Database, Statement, Transaction, Unit, Value

T = TypeVar("T")

_WATCHED = (store.ADD, store.ADD_RETRY)


class Bell:
    """Collects the subscriptions that have something new."""

    def __init__(self) -> None:
        self._rung: set[str] = set()
        self._event = asyncio.Event()

    def ring(self, subscription_ids: Iterable[str]) -> None:
        self._rung.update(subscription_ids)
        self._event.set()

    async def wait(self, for_s: float) -> frozenset[str]:
        """Who rang; nobody if it stays silent for so long."""
        try:
            async with asyncio.timeout(for_s):
                await self._event.wait()
        except TimeoutError:
            return frozenset()
        rung = frozenset(self._rung)
        self._rung.clear()
        self._event.clear()
        return rung


class Announcing:
    """A database that rings after every commit that wrote webhooks or retries."""

    def __init__(self, inner: Database, bell: Bell) -> None:
        self._inner = inner
        self._bell = bell
        self.engine, self.risks = inner.engine, inner.risks
        self.one, self.all = inner.one, inner.all  # reading rings nothing

    async def open(self) -> None:
        await self._inner.open()

    async def close(self) -> None:
        await self._inner.close()

    async def transact(self, unit: Unit[T]) -> T:
        written: set[str] = set()

        async def watched(tx: Transaction) -> T:
            written.clear()  # the unit may be run again after a deadlock
            return await unit(_Watched(tx, written))

        result = await self._inner.transact(watched)
        if written:
            self._bell.ring(written)
        return result


class _Watched:
    __slots__ = ("_inner", "_written", "all", "one")

    def __init__(self, inner: Transaction, written: set[str]) -> None:
        self._inner = inner
        self._written = written
        self.one = inner.one
        self.all = inner.all

    async def run(self, statement: Statement, **values: Value) -> int:
        if statement in _WATCHED:
            self._written.add(str(values["subscription_id"]))
        return await self._inner.run(statement, **values)

    async def many(self, statement: Statement, rows: Sequence[Mapping[str, Value]]) -> None:
        if statement in _WATCHED:
            self._written.update(str(row["subscription_id"]) for row in rows)
        await self._inner.many(statement, rows)
