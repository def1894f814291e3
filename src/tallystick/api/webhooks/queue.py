"""Where the delivery worker gets its work, and tells what came of it.

A row is claimed by a lease, so that a worker that dies holds it up for LEASE_MS and no longer. Any
number of workers may claim at once: PostgreSQL passes over rows that another is claiming, SQLite
has one writer. Claims look at every row that is due, never past a position: what commits late is
not missed.

Two webhooks about the same resource are tried in the order of their events: the second waits until
the first has been tried once. From the first failure on there is no order (invariant I6).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import msgspec

from tallystick.api.webhook_subscriptions import service as subscriptions
from tallystick.api.webhooks import store
from tallystick.api.webhooks.store import AttemptRow, WebhookRow
from tallystick.clock import HOUR_MS, MINUTE_MS, SECOND_MS
from tallystick.core import Core
from tallystick.store.db import Statement, Transaction, Value

# Contract 6.7: 15 and 45 minutes, then 2, 3, 6, 12, 24 and 24 hours, each after the one before.
RETRY_DELAYS_MS = (
    15 * MINUTE_MS,
    45 * MINUTE_MS,
    *(hours * HOUR_MS for hours in (2, 3, 6, 12, 24, 24)),
)
# The same, counted from the first attempt: a retry that was late does not delay those after it.
RETRIES_AT_MS = tuple(accumulate(RETRY_DELAYS_MS))

# Longer than an attempt may last, so that nobody takes over what is still at work.
LEASE_MS = 30 * SECOND_MS
# A lease that far ahead is from a clock that was set back since (the sandbox's, by a restart), not
# from another worker whose clock, or whose look at it, differs a little from ours.
LEASE_AHEAD_MAX_MS = 10 * LEASE_MS


def _free(alias: str) -> str:
    """No lease, or one that is over."""
    lease = f"{alias}.lease_until"
    return f"({lease} <= :now_ms OR {lease} > :now_ms + {LEASE_AHEAD_MAX_MS})"


_READY = (
    f"w.state = 'due' AND w.due_at <= :now_ms AND {_free('w')} AND (w.tried > 0 OR NOT EXISTS ("
    "SELECT 1 FROM webhook e WHERE e.subscription_id = w.subscription_id"
    " AND e.resource_id = w.resource_id AND e.number < w.number"
    " AND e.state = 'due' AND e.tried = 0 AND e.first_at IS NULL))"
)
# A webhook that was committed while its subscription was paused or deleted may be due all the same.
_OPEN = "NOT s.paused AND NOT s.removed"
# One of a replay waits until nothing is ready that would be sent anyway.
_NOTHING_READY = (
    f"(SELECT 1 FROM webhook w JOIN subscription s ON s.id = w.subscription_id"
    f" WHERE w.subscription_id = :subscription_id AND {_OPEN} AND {_READY} LIMIT 1) IS NULL"
)
_ASKED = f"r.state = 'due' AND {_free('r')}"

# Not EXISTS, for which PostgreSQL would read everything that is due, of all subscriptions at once.
_WAITING = Statement(
    f"SELECT s.id FROM subscription s WHERE ({_OPEN} AND "
    f"(SELECT 1 FROM webhook w WHERE w.subscription_id = s.id AND {_READY} LIMIT 1) IS NOT NULL) OR"
    f" (SELECT 1 FROM retry r WHERE r.subscription_id = s.id AND {_ASKED} LIMIT 1) IS NOT NULL"
)
_NEXT_DUE = Statement("SELECT min(due_at) FROM webhook WHERE state = 'due' AND due_at > :now_ms")
_CLAIM = Statement(
    "WITH ready AS MATERIALIZED ("
    f"SELECT w.id FROM webhook w WHERE w.subscription_id = :subscription_id AND {_READY}"
    f" AND EXISTS (SELECT 1 FROM subscription s WHERE s.id = :subscription_id AND {_OPEN})"
    " ORDER BY w.due_at, w.number LIMIT :count /* for update skip locked */)"
    " UPDATE webhook SET lease_until = :lease_until WHERE id IN (SELECT id FROM ready)"
    f" RETURNING {store.COLUMNS}"
)
_CLAIM_ASKED = Statement(
    "WITH asked AS MATERIALIZED ("
    f"SELECT r.id FROM retry r WHERE r.subscription_id = :subscription_id AND {_ASKED}"
    f" AND (NOT r.bulk OR {_NOTHING_READY})"
    " ORDER BY r.bulk, r.id LIMIT :count /* for update skip locked */)"
    " UPDATE retry SET lease_until = :lease_until WHERE id IN (SELECT id FROM asked)"
    " RETURNING id, app_id, webhook_id"
)
_DELIVERED = Statement("UPDATE webhook SET state = 'delivered', lease_until = 0 WHERE id = :id")
# `tried` fences: of two workers that made the same attempt, one moves the row on.
_TRIED = Statement(
    "UPDATE webhook SET state = :state, tried = tried + 1, first_at = :first_at, due_at = :due_at,"
    " lease_until = 0 WHERE id = :id AND state = 'due' AND tried = :tried"
)
_PUT_OFF = Statement(
    "UPDATE webhook SET due_at = :due_at, first_at = coalesce(first_at, :due_at), lease_until = 0"
    " WHERE id = :id AND state = 'due' AND tried = :tried"
)
_LOSE = Statement(
    "UPDATE webhook SET state = 'stopped', lease_until = 0"
    " WHERE id = :id AND state = 'due' AND tried = :tried"
)
_RETRIED = Statement("UPDATE retry SET state = 'done' WHERE id = :id AND state = 'due'")


class Job(msgspec.Struct, frozen=True):
    """A webhook to be sent: because it is due, or because of a retry that was asked for."""

    webhook: WebhookRow
    retry_id: str | None = None

    @property
    def key(self) -> str:
        return self.retry_id or self.webhook.id


class Ended(msgspec.Struct, frozen=True):
    """An attempt that is over."""

    job: Job
    attempt: AttemptRow


async def waiting(core: Core) -> Sequence[str]:
    """The subscriptions for which there is something to claim."""
    rows = await core.db.all(_WAITING, now_ms=core.clock.now_ms())
    return [row[0] for row in rows]


async def next_due(core: Core) -> int | None:
    """When the next attempt is due, in milliseconds since the epoch; None when none ever is."""
    row = await core.db.one(_NEXT_DUE, now_ms=core.clock.now_ms())
    return row[0] if row else None


async def turn(
    core: Core, subscription_id: str, ended: Sequence[Ended], count: int
) -> tuple[Sequence[Job], bool]:
    """Keep the attempts that have ended, and claim at most `count` webhooks, in one transaction.

    The jobs, which are ours for LEASE_MS; and True if one of the attempts was the failure after
    which the subscription is paused.
    """
    now_ms = core.clock.now_ms()

    async def take(tx: Transaction) -> tuple[Sequence[Job], bool]:
        # All of this before any webhook is touched: who pauses a subscription goes the same way.
        paused = [await _count(tx, each.attempt) for each in ended]
        for each in ended:
            await _settle(tx, each)
        jobs = await _claim(tx, subscription_id, now_ms, count) if count else ()
        return jobs, any(paused)

    return await core.db.transact(take)


async def put_off(core: Core, job: Job, due_at: int) -> None:
    """Let the first attempt of a scheduled webhook wait until then, and no other wait for it."""
    row = job.webhook
    await core.db.transact(lambda tx: tx.run(_PUT_OFF, id=row.id, tried=row.tried, due_at=due_at))


async def lose(core: Core, job: Job) -> None:
    """Make no further attempt; a retry of it can be asked for."""
    row = job.webhook
    await core.db.transact(lambda tx: tx.run(_LOSE, id=row.id, tried=row.tried))


async def _claim(tx: Transaction, subscription_id: str, now_ms: int, count: int) -> Sequence[Job]:
    """Retries that were asked for go first: somebody waits for them. Those of a replay, which may
    be very many, go last.
    """
    taken: dict[str, Value] = {
        "subscription_id": subscription_id,
        "now_ms": now_ms,
        "lease_until": now_ms + LEASE_MS,
    }
    jobs = []
    for retry_id, app_id, webhook_id in await tx.all(_CLAIM_ASKED, **taken, count=count):
        row = await store.find(tx, app_id, webhook_id)
        if row is not None:
            jobs.append(Job(row, retry_id))
    if len(jobs) < count:
        rows = await tx.all(_CLAIM, **taken, count=count - len(jobs))
        due = [WebhookRow(*row) for row in rows]
        jobs += [Job(row) for row in sorted(due, key=lambda row: (row.due_at, row.number))]
    return jobs


async def _count(tx: Transaction, attempt: AttemptRow) -> bool:
    return await subscriptions.count(
        tx, attempt.app_id, attempt.subscription_id, ok=attempt.ok, now_ms=attempt.ended_at
    )


async def _settle(tx: Transaction, ended: Ended) -> None:
    job, attempt = ended.job, ended.attempt
    await store.add_attempt(tx, attempt)
    if attempt.ok:
        await tx.run(_DELIVERED, id=job.webhook.id)
    elif job.retry_id is None:
        await _postpone(tx, job.webhook, attempt.started_at)
    if job.retry_id is not None:
        await tx.run(_RETRIED, id=job.retry_id)


async def _postpone(tx: Transaction, row: WebhookRow, started_at: int) -> None:
    first_at = row.first_at if row.tried and row.first_at is not None else started_at
    last = row.tried == len(RETRIES_AT_MS)
    await tx.run(
        _TRIED,
        id=row.id,
        tried=row.tried,
        state="exhausted" if last else "due",
        first_at=first_at,
        due_at=row.due_at if last else first_at + RETRIES_AT_MS[row.tried],
    )
