"""What may be wrong with a gateway or worker, on purpose: the storm must notice each of them."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

from tallystick.api.events import service as events
from tallystick.api.webhooks import queue
from tallystick.store import idempotency
from tallystick.store.db import Statement
from tallystick.store.postgres import PostgresDatabase
from tallystick.store.sqlite import SqliteDatabase

# Between two commits that ought to be one: what a busy process takes for it.
GAP_S = 0.1


def _after_the_commit(module: Any, name: str, tx_at: int) -> None:
    """Let `module.name` be done in a transaction of its own, after that of its caller.

    `tx_at` is where the transaction stands among its arguments.
    """
    honest = getattr(module, name)
    left: ContextVar[list[Any]] = ContextVar("left")

    async def postponed(*arguments: Any) -> None:
        left.get().append(arguments)

    setattr(module, name, postponed)
    for engine in (SqliteDatabase, PostgresDatabase):
        engine.transact = _split(engine.transact, honest, left, tx_at)


def _split(transact: Any, honest: Any, left: ContextVar[list[Any]], tx_at: int) -> Any:
    async def split(self: Any, unit: Any) -> Any:
        mine: list[Any] = []

        async def watched(tx: Any) -> Any:
            mine.clear()
            left.set(mine)
            return await unit(tx)

        result = await transact(self, watched)
        for arguments in mine:
            await asyncio.sleep(GAP_S)

            async def late(tx: Any, given: Any = arguments) -> None:
                await honest(*given[:tx_at], tx, *given[tx_at + 1 :])

            await transact(self, late)
        return result

    return split


def commit_split_in_two() -> None:
    """The change in one transaction, its event and its webhooks in the next."""
    _after_the_commit(events, "record", 1)


def answer_kept_later() -> None:
    """The change in one transaction, what a repetition is to be answered in the next."""
    _after_the_commit(idempotency, "settle", 0)


def cursor() -> None:
    """Who looks for webhooks goes on from the last one that was seen: late commits are missed."""
    behind = (
        " AND (w.tried > 0 OR w.lease_until > 0 OR w.number > coalesce((SELECT max(l.number)"
        " FROM webhook l WHERE l.subscription_id = w.subscription_id AND"
        " (l.tried > 0 OR l.lease_until > 0 OR l.state <> 'due')), 0))"
    )
    for name in ("_WAITING", "_CLAIM"):
        sql = getattr(queue, name).sql
        setattr(queue, name, Statement(sql.replace(queue._READY, queue._READY + behind)))


def retry_off_by_one() -> None:
    """Given up after the seventh retry."""
    queue.RETRIES_AT_MS = queue.RETRIES_AT_MS[:-1]


def claimed_for_ever() -> None:
    """Who claims a webhook takes it off the queue, and may die then."""
    honest = queue._claim

    async def claim(tx: Any, *arguments: Any) -> Any:
        jobs = await honest(tx, *arguments)
        for job in jobs:
            await tx.run(queue._DELIVERED, id=job.webhook.id)
        return jobs

    queue._claim = claim


BUGS = {
    "split": commit_split_in_two,
    "later": answer_kept_later,
    "cursor": cursor,
    "off-by-one": retry_off_by_one,
    "claimed": claimed_for_ever,
}


def stall_some_transactions(share: float, longest_s: float, rng: Any) -> None:
    """No bug: some transactions of PostgreSQL take long between an event and the commit."""
    honest = events.record

    async def record(core: Any, tx: Any, *arguments: Any) -> None:
        await honest(core, tx, *arguments)
        if core.db.engine == "postgresql" and rng.random() < share:
            await asyncio.sleep(rng.uniform(0, longest_s))

    events.record = record
