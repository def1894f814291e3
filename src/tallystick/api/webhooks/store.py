"""The tables `webhook`, `attempt` and `retry`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tallystick.store import tally
from tallystick.store.db import Reads, Row, Statement, Transaction, Value

# A timestamp after which nothing happens: an open end.
NEVER = 2**62

_NAMES = (
    "id", "app_id", "subscription_id", "number", "event_id", "topic", "resource_id", "state",
    "tried", "first_at", "due_at", "lease_until", "created_at",
)  # fmt: skip
COLUMNS = ", ".join(_NAMES)
ADD = Statement(
    f"INSERT INTO webhook ({COLUMNS}) VALUES ({', '.join(f':{name}' for name in _NAMES)})"
)
_FIND = Statement(f"SELECT {COLUMNS} FROM webhook WHERE app_id = :app_id AND id = :id")
_MATCHES = (
    " FROM webhook WHERE app_id = :app_id AND subscription_id = :subscription_id"
    " AND created_at >= :since AND created_at < :until"
    " AND (:resource_id = '' OR resource_id = :resource_id)"
)
_LIST = Statement(
    f"SELECT {COLUMNS}{_MATCHES} ORDER BY number DESC LIMIT :limit OFFSET :offset", walks=True
)
_COUNT = Statement(f"SELECT count(*){_MATCHES}", walks=True)

_ATTEMPT_NAMES = (
    "id", "app_id", "webhook_id", "subscription_id", "started_at", "url", "request_headers",
    "request_body", "ended_at", "ok", "status_code", "response_headers", "response_body", "failure",
)  # fmt: skip
_ATTEMPT_COLUMNS = ", ".join(_ATTEMPT_NAMES)
_ADD_ATTEMPT = Statement(
    f"INSERT INTO attempt ({_ATTEMPT_COLUMNS})"
    f" VALUES ({', '.join(f':{name}' for name in _ATTEMPT_NAMES)})"
)
_ATTEMPTS = Statement(
    f"SELECT {_ATTEMPT_COLUMNS} FROM attempt WHERE webhook_id = :webhook_id ORDER BY id"
)
# By their numbers, because what is recorded meanwhile moves every page.
_ATTEMPTS_OF_PAGE = Statement(
    f"SELECT {_ATTEMPT_COLUMNS} FROM attempt WHERE webhook_id IN"
    f" (SELECT id{_MATCHES} AND number >= :first AND number <= :last) ORDER BY id",
    walks=True,
)

_RETRY_COLUMNS = "id, app_id, webhook_id, subscription_id, state, lease_until, created_at, bulk"
ADD_RETRY = Statement(
    f"INSERT INTO retry ({_RETRY_COLUMNS})"
    " VALUES (:id, :app_id, :webhook_id, :subscription_id, 'due', 0, :created_at, :bulk)"
)
_RETRIES = Statement(
    "SELECT id, created_at FROM retry WHERE app_id = :app_id AND webhook_id = :webhook_id"
    " ORDER BY id DESC"
)


DEAD = frozenset({"exhausted", "stopped"})
# Topics and states are listed as `,a,b,`, and `,` is all of them. No two differ in a place where
# one has an underscore, which in a pattern stands for any character.
_CHOSEN = (
    "w.app_id = :app_id AND w.subscription_id = :subscription_id AND w.number > :after"
    " AND w.created_at >= :since AND w.created_at < :until"
    " AND (:topics = ',' OR :topics LIKE '%,' || w.topic || ',%')"
    " AND :states LIKE '%,' || w.state || ',%'"
)
_IN_ORDER = " ORDER BY w.number LIMIT :limit"
_WAITING = " AND NOT EXISTS (SELECT 1 FROM retry r WHERE r.webhook_id = w.id AND r.state = 'due')"
# In these words for the index of what is dead: there may be millions that are not.
_ONLY_DEAD = " AND w.state IN ('exhausted', 'stopped')"
_LAST = "(SELECT {} FROM attempt a WHERE a.webhook_id = w.id ORDER BY a.id DESC LIMIT 1)"
_ALL_COLUMNS = ", ".join(f"w.{name}" for name in _NAMES)
_CHOOSE, _CHOOSE_DEAD = (
    Statement(
        f"SELECT {_ALL_COLUMNS}, {_LAST.format('a.started_at')}, {_LAST.format('a.status_code')},"
        f" {_LAST.format('a.failure')} FROM webhook w WHERE {_CHOSEN}{dead}{_IN_ORDER}",
        walks=True,
    )
    for dead in ("", _ONLY_DEAD)
)
_CHOOSE_IDS, _CHOOSE_DEAD_IDS = (
    Statement(
        f"SELECT w.id, w.number FROM webhook w WHERE {_CHOSEN}{dead}{_WAITING}{_IN_ORDER}",
        walks=True,
    )
    for dead in ("", _ONLY_DEAD)
)
_WAITS = Statement("SELECT 1 FROM retry WHERE webhook_id = :webhook_id AND state = 'due' LIMIT 1")

# Attempts are told as they were, but for what was said.
_SAID = "request_body <> '' AND started_at < :before"
_FORGET = Statement(
    "UPDATE attempt SET request_headers = '[]', request_body = '', response_body ="
    " CASE WHEN response_body IS NULL THEN NULL ELSE '' END, response_headers ="
    " CASE WHEN response_headers IS NULL THEN NULL ELSE '[]' END WHERE id IN (SELECT id FROM"
    f" attempt WHERE {_SAID} ORDER BY started_at LIMIT :limit /* for update skip locked */)"
)
_TO_FORGET = Statement(f"SELECT 1 FROM attempt WHERE {_SAID} LIMIT 1")


class WebhookRow(msgspec.Struct, frozen=True):
    """One event for one subscription; `number` is that of the event.

    state: due → delivered | exhausted (tried for the last time) | stopped (not to be sent unless
    asked for: the subscription was paused or deleted). `tried` counts the attempts made by
    ourselves, the first of them at `first_at`; `due_at` is when the next is to be made. One that
    the sandbox puts off has a `first_at` before it was tried, and no other waits for it.
    """

    id: str
    app_id: str
    subscription_id: str
    number: int
    event_id: str
    topic: str
    resource_id: str
    state: str
    tried: int
    first_at: int | None
    due_at: int
    lease_until: int
    created_at: int


class AttemptRow(msgspec.Struct, frozen=True):
    """One POST. Headers are JSON; `failure` says why there is no answer, or none that counts."""

    id: str
    app_id: str
    webhook_id: str
    subscription_id: str
    started_at: int
    url: str
    request_headers: str
    request_body: str
    ended_at: int
    ok: bool
    status_code: int | None
    response_headers: str | None
    response_body: str | None
    failure: str | None


class RetryRow(msgspec.Struct, frozen=True):
    """`bulk`: one of many, which gives way to all others."""

    id: str
    app_id: str
    webhook_id: str
    subscription_id: str
    created_at: int
    bulk: bool = False


class Filter(msgspec.Struct, frozen=True):
    """Which webhooks of a subscription: created in [since, until), about `resource_id` if any."""

    since: int = 0
    until: int = NEVER
    resource_id: str = ""


class Chosen(msgspec.Struct, frozen=True):
    """Webhooks to be listed or sent again: created in [since, until), in one of `states`; of all
    topics when `topics` is empty.
    """

    states: frozenset[str]
    topics: frozenset[str] = frozenset()
    since: int = 0
    until: int = NEVER

    def values(self) -> dict[str, Value]:
        return {
            "states": f",{','.join(sorted(self.states))},",
            "topics": f",{','.join(sorted(self.topics))}," if self.topics else ",",
            "since": self.since,
            "until": self.until,
        }


class Found(msgspec.Struct, frozen=True):
    """A webhook and how its last attempt went, if there was one."""

    row: WebhookRow
    tried_at: int | None
    status_code: int | None
    failure: str | None


async def add(tx: Transaction, row: WebhookRow) -> None:
    await tx.run(ADD, **msgspec.structs.asdict(row))
    await tally.add(tx, row.app_id, row.subscription_id, row.resource_id)


async def find(reads: Reads, app_id: str, webhook_id: str) -> WebhookRow | None:
    row = await reads.one(_FIND, app_id=app_id, id=webhook_id)
    return WebhookRow(*row) if row else None


async def list_newest(
    reads: Reads, app_id: str, subscription_id: str, narrowed: Filter, limit: int, offset: int
) -> tuple[list[WebhookRow], dict[str, list[AttemptRow]], int]:
    """One page, the attempts at each by its id, and how many webhooks there are in all."""
    matched: dict[str, Value] = {
        "app_id": app_id,
        "subscription_id": subscription_id,
        **msgspec.structs.asdict(narrowed),
    }
    everything = narrowed == Filter()
    if everything and await tally.is_beyond(reads, app_id, subscription_id, offset):
        return [], {}, await tally.total(reads, app_id, subscription_id)
    found = await reads.all(_LIST, **matched, limit=limit, offset=offset)
    page = [WebhookRow(*row) for row in found]
    attempts: dict[str, list[AttemptRow]] = {}
    if page:
        first, last = page[-1].number, page[0].number
        for row in await reads.all(_ATTEMPTS_OF_PAGE, **matched, first=first, last=last):
            attempt = _attempt(row)
            attempts.setdefault(attempt.webhook_id, []).append(attempt)
    if everything:
        total = await tally.total(reads, app_id, subscription_id)
    else:
        counted = await reads.one(_COUNT, **matched)
        total = counted[0] if counted else 0
    return page, attempts, total


async def choose(
    reads: Reads, app_id: str, subscription_id: str, chosen: Chosen, after: int, limit: int
) -> list[Found]:
    """At most `limit` of a subscription's with a number above `after`, in the order of numbers."""
    rows = await reads.all(
        _CHOOSE_DEAD if chosen.states <= DEAD else _CHOOSE,
        app_id=app_id,
        subscription_id=subscription_id,
        after=after,
        limit=limit,
        **chosen.values(),
    )
    return [Found(WebhookRow(*row[: len(_NAMES)]), *row[len(_NAMES) :]) for row in rows]


async def choose_ids(
    reads: Reads, app_id: str, subscription_id: str, chosen: Chosen, after: int, limit: int
) -> list[tuple[str, int]]:
    """Id and number of the same, without those of which a retry is waiting already."""
    rows = await reads.all(
        _CHOOSE_DEAD_IDS if chosen.states <= DEAD else _CHOOSE_IDS,
        app_id=app_id,
        subscription_id=subscription_id,
        after=after,
        limit=limit,
        **chosen.values(),
    )
    return [(row[0], row[1]) for row in rows]


async def any_to_forget(reads: Reads, before: int) -> bool:
    return await reads.one(_TO_FORGET, before=before) is not None


async def forget(tx: Transaction, before: int, limit: int) -> int:
    """Forget what was said in attempts that began before then; in how many."""
    return await tx.run(_FORGET, before=before, limit=limit)


async def add_attempt(tx: Transaction, row: AttemptRow) -> None:
    await tx.run(_ADD_ATTEMPT, **msgspec.structs.asdict(row))


async def list_attempts(reads: Reads, webhook_id: str) -> Sequence[AttemptRow]:
    """Those at one webhook, the oldest first."""
    return [_attempt(row) for row in await reads.all(_ATTEMPTS, webhook_id=webhook_id)]


async def add_retry(tx: Transaction, row: RetryRow) -> None:
    await tx.run(ADD_RETRY, **msgspec.structs.asdict(row))


async def is_waiting(tx: Transaction, webhook_id: str) -> bool:
    """Whether a retry of it waits to be sent."""
    return await tx.one(_WAITS, webhook_id=webhook_id) is not None


async def list_retries(reads: Reads, app_id: str, webhook_id: str) -> Sequence[tuple[str, int]]:
    """Id and time of each that was asked for, newest first."""
    rows = await reads.all(_RETRIES, app_id=app_id, webhook_id=webhook_id)
    return [(row[0], row[1]) for row in rows]


def _attempt(row: Row) -> AttemptRow:
    fields: dict[str, Any] = dict(zip(_ATTEMPT_NAMES, row, strict=True))
    fields["ok"] = bool(fields["ok"])
    return AttemptRow(**fields)
