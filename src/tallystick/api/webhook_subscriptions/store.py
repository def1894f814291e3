"""The table `subscription`. A deleted row stays, without its secrets, for its webhooks' sake."""

from __future__ import annotations

import msgspec

from tallystick.store.db import Reads, Row, Statement, Transaction

TABLE, SECRET, SECRET_OLD = "subscription", "secret", "secret_old"

_COLUMNS = "id, app_id, url, secret_sealed, paused, created_at, topics, secret_old_until"
_ADD = Statement(
    "INSERT INTO subscription"
    " (id, app_id, url, secret_sealed, paused, removed, failures, created_at, topics)"
    " VALUES (:id, :app_id, :url, :secret_sealed, :paused, FALSE, 0, :created_at, :topics)"
)
_FIND = Statement(
    f"SELECT {_COLUMNS} FROM subscription WHERE app_id = :app_id AND id = :id AND NOT removed"
)
_LIST = Statement(
    f"SELECT {_COLUMNS} FROM subscription WHERE app_id = :app_id AND NOT removed ORDER BY id DESC"
)
_COUNT = Statement("SELECT count(*) FROM subscription WHERE app_id = :app_id AND NOT removed")
# Changes nothing; until the transaction ends nobody else counts this application's subscriptions.
_HOLD_APPLICATION = Statement("UPDATE application SET status = status WHERE id = :app_id")
_HOLD = Statement(
    f"SELECT {_COLUMNS} FROM subscription WHERE app_id = :app_id AND id = :id AND NOT removed"
    " /* for update */"
)
_PAUSE = Statement("UPDATE subscription SET paused = :paused, failures = 0 WHERE id = :id")
_REMOVE = Statement(
    "UPDATE subscription SET removed = TRUE, secret_sealed = NULL, secret_old_sealed = NULL,"
    " secret_old_until = NULL WHERE id = :id AND NOT removed"
)
_CHOOSE = Statement("UPDATE subscription SET topics = :topics WHERE id = :id")
_ROTATE = Statement(
    "UPDATE subscription SET secret_sealed = :fresh, secret_old_sealed = :old,"
    " secret_old_until = :until WHERE id = :id"
)
_PAST = " WHERE secret_old_until IS NOT NULL AND secret_old_until <= :now_ms"
_FORGET = Statement(
    f"UPDATE subscription SET secret_old_sealed = NULL, secret_old_until = NULL{_PAST}"
)
_TO_FORGET = Statement(f"SELECT 1 FROM subscription{_PAST} LIMIT 1")

# In order, so that no two transactions write to their webhooks and totals crosswise.
_IDS = Statement(
    "SELECT id, paused, topics FROM subscription WHERE app_id = :app_id AND NOT removed ORDER BY id"
)

# Of tables that belong to `webhooks`, whose service calls this one and cannot be called from here.
_STOP_WEBHOOKS = Statement(
    "UPDATE webhook SET state = 'stopped' WHERE subscription_id = :id AND state = 'due'"
)
_STOP_RETRIES = Statement(
    "UPDATE retry SET state = 'stopped' WHERE subscription_id = :id AND state = 'due'"
)

_STANDING = Statement(
    "SELECT id, paused, removed FROM subscription WHERE app_id = :app_id ORDER BY id"
)

_TARGET = Statement(
    "SELECT s.id, s.app_id, a.account_id, s.url, s.secret_sealed, s.secret_old_sealed,"
    " s.secret_old_until FROM subscription s"
    " JOIN application a ON a.id = s.app_id WHERE s.id = :id AND NOT s.removed"
)
_SUCCEEDED = Statement("UPDATE subscription SET failures = 0 WHERE id = :id AND failures > 0")
_FAILED = Statement("UPDATE subscription SET failures = failures + 1 WHERE id = :id")
_GIVE_UP = Statement(
    "UPDATE subscription SET paused = TRUE WHERE id = :id AND NOT paused AND NOT removed"
    " AND failures >= :failures AND :since >= coalesce("
    "(SELECT max(ended_at) FROM attempt WHERE subscription_id = :id AND ok), created_at)"
)


class SubscriptionRow(msgspec.Struct, frozen=True):
    """`topics` are separated by spaces; None is every one. Until `secret_old_until` a secret that
    was replaced signs as well.
    """

    id: str
    app_id: str
    url: str
    secret_sealed: bytes | None
    paused: bool
    created_at: int
    topics: str | None = None
    secret_old_until: int | None = None


class TargetRow(msgspec.Struct, frozen=True):
    """Where the webhooks of a subscription go, and whose they are."""

    id: str
    app_id: str
    account_id: str
    url: str
    secret_sealed: bytes
    secret_old_sealed: bytes | None
    secret_old_until: int | None


async def add(tx: Transaction, row: SubscriptionRow) -> None:
    await tx.run(_ADD, **msgspec.structs.asdict(row))


async def find(reads: Reads, app_id: str, subscription_id: str) -> SubscriptionRow | None:
    row = await reads.one(_FIND, app_id=app_id, id=subscription_id)
    return _row(row) if row else None


async def list_newest(reads: Reads, app_id: str) -> list[SubscriptionRow]:
    return [_row(row) for row in await reads.all(_LIST, app_id=app_id)]


async def count_alone(tx: Transaction, app_id: str) -> int:
    """How many there are, and nobody adds one before the transaction ends."""
    await tx.run(_HOLD_APPLICATION, app_id=app_id)
    row = await tx.one(_COUNT, app_id=app_id)
    return row[0] if row else 0


async def hold(tx: Transaction, app_id: str, subscription_id: str) -> SubscriptionRow | None:
    """The row, which nobody else changes until the transaction ends."""
    row = await tx.one(_HOLD, app_id=app_id, id=subscription_id)
    return _row(row) if row else None


async def pause(tx: Transaction, subscription_id: str) -> None:
    """What was scheduled ends for good; retries that were asked for do not (contract 6.7)."""
    await tx.run(_PAUSE, id=subscription_id, paused=True)
    await tx.run(_STOP_WEBHOOKS, id=subscription_id)


async def resume(tx: Transaction, subscription_id: str) -> None:
    """Failures are counted afresh, and what was recorded in the meantime is not sent.

    A webhook is stopped once more here because its transaction may have begun before the pause.
    """
    await tx.run(_PAUSE, id=subscription_id, paused=False)
    await tx.run(_STOP_WEBHOOKS, id=subscription_id)


async def remove(tx: Transaction, subscription_id: str) -> None:
    await tx.run(_REMOVE, id=subscription_id)
    await tx.run(_STOP_WEBHOOKS, id=subscription_id)
    await tx.run(_STOP_RETRIES, id=subscription_id)


async def choose(tx: Transaction, subscription_id: str, topics: str | None) -> None:
    await tx.run(_CHOOSE, id=subscription_id, topics=topics)


async def rotate(
    tx: Transaction, subscription_id: str, fresh: bytes, old: bytes | None, until: int | None
) -> None:
    await tx.run(_ROTATE, id=subscription_id, fresh=fresh, old=old, until=until)


async def any_to_forget(reads: Reads, now_ms: int) -> bool:
    return await reads.one(_TO_FORGET, now_ms=now_ms) is not None


async def forget(tx: Transaction, now_ms: int) -> int:
    """Destroy every replaced secret whose time is over; how many there were."""
    return await tx.run(_FORGET, now_ms=now_ms)


async def list_ids(reads: Reads, app_id: str) -> list[tuple[str, bool, str | None]]:
    return [(row[0], bool(row[1]), row[2]) for row in await reads.all(_IDS, app_id=app_id)]


async def list_standing(reads: Reads, app_id: str) -> list[tuple[str, bool, bool]]:
    """Id, paused and removed of each that ever was."""
    rows = await reads.all(_STANDING, app_id=app_id)
    return [(row[0], bool(row[1]), bool(row[2])) for row in rows]


async def find_target(reads: Reads, subscription_id: str) -> TargetRow | None:
    row = await reads.one(_TARGET, id=subscription_id)
    return TargetRow(*row) if row else None


async def succeeded(tx: Transaction, subscription_id: str) -> None:
    await tx.run(_SUCCEEDED, id=subscription_id)


async def failed(tx: Transaction, subscription_id: str) -> None:
    await tx.run(_FAILED, id=subscription_id)


async def give_up(tx: Transaction, subscription_id: str, failures: int, since: int) -> bool:
    """Pause it if it failed `failures` times in a row and had no success after `since`."""
    if not await tx.run(_GIVE_UP, id=subscription_id, failures=failures, since=since):
        return False
    await pause(tx, subscription_id)
    return True


def _row(row: Row) -> SubscriptionRow:
    found = SubscriptionRow(*row)
    return msgspec.structs.replace(found, paused=bool(found.paused))
