"""One state of the files: opened as the product opens it, and held against the history.

What is half made is looked for with the storm's statements and some more; what is lost, with the
answers that clients got.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2

from tallystick.api.exchanges import redemption
from tallystick.clock import SECOND_MS, VirtualClock
from tallystick.core import Core
from tallystick.errors import Conflict
from tallystick.hal import MEDIA_TYPE
from tallystick.server import config
from tallystick.server.process import FINISH_S, Process
from tallystick.store import idempotency
from tallystick.store.idempotency import Claim, Outcome
from tests.storm.verdict import _HALF_MADE

from .history import Change, History, Moment

BASE = "http://127.0.0.1:7420"
# Of those that were acknowledged last, so many kept answers are opened: to open one takes long.
ANSWERS_MAX = 20

# By kind: the table, and the columns that a change's state names.
_TABLES = {
    "customer": ("customer", ("email", "status")),
    "exchange": ("exchange", ("customer_id", "status")),
    "funding-source": ("funding_source", ("name", "removed")),
    "session": ("exchange_session", ()),
    "subscription": ("subscription", ("paused",)),
}

# Each of these must find nothing. Partners cannot be reached here: a call to one may still be open.
_NOTHING = {what: sql for what, sql in _HALF_MADE.items() if what != "intents that are still open"}
_NOTHING |= {
    "grants that are held and no exchange's": (
        "SELECT i.id FROM exchange_intent i WHERE i.state = 'granted'"
    ),
    "events without an audit entry": (
        "SELECT e.id FROM event e WHERE NOT EXISTS (SELECT 1 FROM audit a"
        " WHERE a.resource_id = e.resource_id AND a.change = e.topic)"
    ),
    "sessions without an audit entry": (
        "SELECT s.id FROM exchange_session s WHERE NOT EXISTS (SELECT 1 FROM audit a"
        " WHERE a.resource_id = s.id AND a.change = 'created')"
    ),
    "subscriptions without an audit entry": (
        "SELECT s.id FROM subscription s WHERE NOT EXISTS (SELECT 1 FROM audit a"
        " WHERE a.resource_id = s.id AND a.change = 'created')"
    ),
    # The subscription is what an application's client makes before all else.
    "events that a subscription is not told of": (
        "SELECT e.id FROM event e JOIN subscription s ON s.app_id = e.app_id WHERE NOT s.paused"
        " AND NOT EXISTS (SELECT 1 FROM webhook w WHERE w.event_id = e.id"
        " AND w.subscription_id = s.id)"
    ),
    "webhooks without their event": (
        "SELECT w.id FROM webhook w WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.id = w.event_id)"
    ),
    "applications without their keys": (
        "SELECT a.id FROM application a WHERE 2 <> (SELECT count(*) FROM data_key k"
        " WHERE k.app_id = a.id)"
    ),
    "totals that are not what is counted": (
        "SELECT kept.app_id || ' ' || kept.kind || ' ' || kept.total FROM"
        " (SELECT app_id, kind, sum(total) AS total FROM tally GROUP BY 1, 2) kept WHERE total <>"
        " CASE kind WHEN 'customers' THEN (SELECT count(*) FROM customer c WHERE c.app_id ="
        " kept.app_id) WHEN 'events' THEN (SELECT count(*) FROM event e WHERE e.app_id ="
        " kept.app_id) ELSE (SELECT count(*) FROM webhook w WHERE w.subscription_id = kind) END"
    ),
    "customers that no total counts": (
        "SELECT c.app_id FROM customer c WHERE NOT EXISTS (SELECT 1 FROM tally t"
        " WHERE t.app_id = c.app_id AND t.kind = 'customers')"
    ),
    "foreign keys that lead nowhere": "SELECT * FROM pragma_foreign_key_check",
}


class _NoNetwork(httpx2.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("there is no partner after a cut", request=request)


async def judge(
    folder: Path, files: Mapping[str, bytes], history: History, position: int
) -> list[str]:
    """What is wrong with `files` after a cut at `position`; they are put into `folder`."""
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    path = folder / "tallystick.db"
    settings = config.load(
        {
            "data_dir": str(folder),
            "database_url": f"sqlite:///{path}",
            "log_level": "error",
            "deliver_webhooks": False,
        },
        environ={},
        file=folder / "none.toml",
    )
    clock = VirtualClock()
    clock.freeze()
    clock.set(history.ended_ms + redemption.LEASE_MS + SECOND_MS)
    process = Process(settings, clock=clock, transport=lambda _key: _NoNetwork())
    moment = Moment(history, position)
    try:
        async with process.running() as core:
            await redemption.resume(core)
            await redemption.finish(FINISH_S)  # of what the process itself has taken up meanwhile
            with closing(sqlite3.connect(path)) as db:
                return [
                    *_lost_or_half_made(db, moment),
                    *[each async for each in _answers(db, core, moment)],
                    *await _heard(process, moment),
                ]
    except Exception as error:
        return [f"it does not open: {type(error).__name__}: {error}"]


def _lost_or_half_made(db: sqlite3.Connection, moment: Moment) -> Iterator[str]:
    for (said,) in db.execute("PRAGMA integrity_check"):
        if said != "ok":
            yield f"integrity_check: {said}"
    for what, sql in _NOTHING.items():
        if rows := db.execute(sql).fetchall():
            yield f"{len(rows)} {what}: {rows[:3]}"
    for kind, id_ in moment.left.keys() | moment.may_be.keys():
        yield from _not_as_left(db, moment, kind, id_)
    there = Counter(
        {
            (app, topic, about): count
            for app, topic, about, count in db.execute(
                "SELECT app_id, topic, resource_id, count(*) FROM event GROUP BY 1, 2, 3"
            )
        }
    )
    for each in there.keys() | moment.told.keys():
        if not moment.told[each] <= there[each] <= moment.may_be_told[each]:
            due = f"{moment.told[each]} to {moment.may_be_told[each]}"
            yield f"{there[each]} events {each[1]} of {each[2]}, not {due}"


def _is(db: sqlite3.Connection, kind: str, id_: str) -> dict[str, Any] | None:
    table, names = _TABLES[kind]
    columns = ", ".join(names) or "id"
    row = db.execute(f"SELECT {columns} FROM {table} WHERE id = ?", (id_,)).fetchone()
    return None if row is None else dict(zip(names, row, strict=False))


def _same(kind: str, state: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return all(state[name] == row[name] for name in _TABLES[kind][1])


def _not_as_left(db: sqlite3.Connection, moment: Moment, kind: str, id_: str) -> Iterator[str]:
    row, left = _is(db, kind, id_), moment.left[kind, id_]
    if row is None:
        if left is not None:
            yield f"acknowledged {kind} {id_} is lost"
        return
    possible = [left] if left is not None else []
    possible += moment.may_be.get((kind, id_), [])
    if not any(_same(kind, each, row) for each in possible):
        yield f"{kind} {id_} is {row}, and not {possible}"


async def _answers(db: sqlite3.Connection, core: Core, moment: Moment) -> Any:
    """A kept answer is there exactly if its change is, and says what the client was told."""
    since = core.clock.now_ms()
    for each in [*moment.acknowledged[-ANSWERS_MAX:], *moment.under_way]:
        claim = Claim.of(core.vault, each.app, each.key, "POST", each.path, each.body)
        await core.vault.ready(core.db, each.app)
        kept = None
        with contextlib.suppress(Conflict):
            kept = await idempotency.find(core.db, core.vault, claim, since)
        if kept is not None and kept != Outcome(each.status, each.location, each.content):
            yield f"a repetition of {each.path} would be answered {kept}"
        if each in moment.under_way:
            if (kept is not None) != _made(db, each, moment):
                yield f"{each.kind} {each.id}, never acknowledged: {kept}, and the change is not so"
        elif kept is None:
            yield f"the answer for the acknowledged {each.kind} {each.id} is lost"


def _made(db: sqlite3.Connection, change: Change, moment: Moment) -> bool:
    row = _is(db, change.kind, change.id)
    left = moment.left[change.kind, change.id]
    if row is None or (left is not None and _same(change.kind, left, row)):
        return False
    return _same(change.kind, change.state, row)


async def _heard(process: Process, moment: Moment) -> list[str]:
    """Over HTTP: a token that was given last is good, or known to have been; others are unknown."""
    wrong = []
    transport = httpx2.ASGITransport(app=process)
    headers = {"Accept": MEDIA_TYPE}
    async with httpx2.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:
        for token in moment.tokens[-4:]:
            client.headers["Authorization"] = f"Bearer {token}"
            answer = await client.get("/")
            if answer.status_code != 200 and answer.json()["code"] != "ExpiredAccessToken":
                wrong.append(f"a token that was given is answered {answer.text}")
    return wrong
