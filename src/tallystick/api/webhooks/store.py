"""The tables `webhook`, `attempt` and `retry`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

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
_PAGE = f"{_MATCHES} ORDER BY number DESC LIMIT :limit OFFSET :offset"
_LIST = Statement(f"SELECT {COLUMNS}{_PAGE}")
_COUNT = Statement(f"SELECT count(*){_MATCHES}")

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
_ATTEMPTS_OF_PAGE = Statement(
    f"SELECT {_ATTEMPT_COLUMNS} FROM attempt WHERE webhook_id IN (SELECT id{_PAGE}) ORDER BY id"
)

_RETRY_COLUMNS = "id, app_id, webhook_id, subscription_id, state, lease_until, created_at"
ADD_RETRY = Statement(
    f"INSERT INTO retry ({_RETRY_COLUMNS})"
    " VALUES (:id, :app_id, :webhook_id, :subscription_id, 'due', 0, :created_at)"
)
_RETRIES = Statement(
    "SELECT id, created_at FROM retry WHERE app_id = :app_id AND webhook_id = :webhook_id"
    " ORDER BY id DESC"
)


class WebhookRow(msgspec.Struct, frozen=True):
    """One event for one subscription; `number` is that of the event.

    state: due → delivered | exhausted (tried for the last time) | stopped (not to be sent unless
    asked for: the subscription was paused or deleted). `tried` counts the attempts made by
    ourselves, the first of them at `first_at`; `due_at` is when the next is to be made.
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
    id: str
    app_id: str
    webhook_id: str
    subscription_id: str
    created_at: int


class Filter(msgspec.Struct, frozen=True):
    """Which webhooks of a subscription: created in [since, until), about `resource_id` if any."""

    since: int = 0
    until: int = NEVER
    resource_id: str = ""


async def add(tx: Transaction, row: WebhookRow) -> None:
    await tx.run(ADD, **msgspec.structs.asdict(row))


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
    page: dict[str, Value] = {"limit": limit, "offset": offset}
    rows = await reads.all(_LIST, **matched, **page)
    attempts: dict[str, list[AttemptRow]] = {}
    for row in await reads.all(_ATTEMPTS_OF_PAGE, **matched, **page):
        attempt = _attempt(row)
        attempts.setdefault(attempt.webhook_id, []).append(attempt)
    counted = await reads.one(_COUNT, **matched)
    return [WebhookRow(*row) for row in rows], attempts, counted[0] if counted else 0


async def add_attempt(tx: Transaction, row: AttemptRow) -> None:
    await tx.run(_ADD_ATTEMPT, **msgspec.structs.asdict(row))


async def list_attempts(reads: Reads, webhook_id: str) -> Sequence[AttemptRow]:
    """Those at one webhook, the oldest first."""
    return [_attempt(row) for row in await reads.all(_ATTEMPTS, webhook_id=webhook_id)]


async def add_retry(tx: Transaction, row: RetryRow) -> None:
    await tx.run(ADD_RETRY, **msgspec.structs.asdict(row))


async def list_retries(reads: Reads, app_id: str, webhook_id: str) -> Sequence[tuple[str, int]]:
    """Id and time of each that was asked for, newest first."""
    rows = await reads.all(_RETRIES, app_id=app_id, webhook_id=webhook_id)
    return [(row[0], row[1]) for row in rows]


def _attempt(row: Row) -> AttemptRow:
    fields = dict(zip(_ATTEMPT_NAMES, row, strict=True))
    return AttemptRow(**{**fields, "ok": bool(fields["ok"])})
