"""Webhooks by topic, time and status: listed, those that are dead among them, and sent again.

Bounded: a call takes at most LIMIT_MAX, and says where the next one goes on. Subscription after
subscription, each in the order of its events, so that going on misses none and takes none twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from tallystick.api.webhook_subscriptions import service as subscriptions
from tallystick.api.webhooks import store
from tallystick.api.webhooks.store import DEAD, NEVER, Chosen, Found, RetryRow
from tallystick.api.webhooks.wire import ChosenWebhooks
from tallystick.clock import from_iso
from tallystick.core import Core
from tallystick.errors import FieldError, NotFound, ValidationFailed
from tallystick.ids import as_uuid
from tallystick.store import idempotency
from tallystick.store.db import Transaction
from tallystick.store.idempotency import Claim, Outcome

T = TypeVar("T")


class Cursor(NamedTuple):
    """Everything up to this subscription's webhook with this number was taken."""

    subscription_id: str = ""
    number: int = 0

    def __str__(self) -> str:
        return f"{self.subscription_id}.{self.number}"


class Page(NamedTuple):
    """`following` is None at the end. `standing`: how each subscription is, by its id."""

    found: Sequence[Found]
    following: Cursor | None
    standing: Mapping[str, str]


async def list_chosen(core: Core, app_id: str, asked: ChosenWebhooks) -> Page:
    """Those of deleted subscriptions too. Raises ValidationFailed, and NotFound when there never
    was such a subscription.
    """
    chosen, cursor = _read(asked)
    standing = await subscriptions.list_standing(core.db, app_id)

    def choose(subscription_id: str, after: int, limit: int) -> Awaitable[Sequence[Found]]:
        return store.choose(core.db, app_id, subscription_id, chosen, after, limit)

    wanted = _wanted(asked, list(standing))
    taken, following = await _walk(wanted, cursor, asked.limit, choose, _number)
    return Page(taken, following, standing)


def _number(found: Found) -> int:
    return found.row.number


async def replay(
    core: Core,
    app_id: str,
    asked: ChosenWebhooks,
    claim: Claim | None,
    answer: Callable[[int, Cursor | None], bytes],
) -> Outcome:
    """Ask for a retry of each; the answer to give. One of which a retry waits gets no other.

    Raises ValidationFailed, Conflict, and NotFound when the subscription is not there.
    """
    chosen, cursor = _read(asked)
    now_ms = core.clock.now_ms()
    standing = await subscriptions.list_standing(core.db, app_id)
    there = [each for each, how in standing.items() if how != subscriptions.DELETED]
    found: dict[str, Sequence[tuple[str, int]]] = {}

    # Before the transaction, because to find a few among millions may take long.
    async def choose(subscription_id: str, after: int, limit: int) -> Sequence[tuple[str, int]]:
        ids = await store.choose_ids(core.db, app_id, subscription_id, chosen, after, limit)
        found[subscription_id] = ids
        return ids

    wanted = _wanted(asked, there)
    _, following = await _walk(wanted, cursor, asked.limit, choose, lambda each: each[1])

    async def add(tx: Transaction) -> Outcome:
        await idempotency.claim_key(tx, claim, now_ms)
        count = 0
        for subscription_id, ids in found.items():
            if not await subscriptions.is_there(tx, app_id, subscription_id):
                continue
            for webhook_id, _ in ids:
                if not await store.is_waiting(tx, webhook_id):
                    row = RetryRow(
                        core.ids.new(), app_id, webhook_id, subscription_id, now_ms, bulk=True
                    )
                    await store.add_retry(tx, row)
                    count += 1
        outcome = Outcome(200, None, answer(count, following))
        await idempotency.settle(tx, core.vault, claim, outcome)
        return outcome

    return await core.db.transact(add)


def _wanted(asked: ChosenWebhooks, there: Sequence[str]) -> Sequence[str]:
    if asked.subscription is None:
        return sorted(there)
    subscription_id = as_uuid(asked.subscription)
    if subscription_id is None or subscription_id not in there:
        raise NotFound
    return [subscription_id]


async def _walk(
    subscription_ids: Sequence[str],
    cursor: Cursor,
    limit: int,
    choose: Callable[[str, int, int], Awaitable[Sequence[T]]],
    number_of: Callable[[T], int],
) -> tuple[Sequence[T], Cursor | None]:
    found: list[T] = []
    for subscription_id in subscription_ids:
        if subscription_id < cursor.subscription_id:
            continue
        after = cursor.number if subscription_id == cursor.subscription_id else 0
        found += await choose(subscription_id, after, limit - len(found))
        if len(found) == limit:
            return found, Cursor(subscription_id, number_of(found[-1]))
    return found, None


def _read(asked: ChosenWebhooks) -> tuple[Chosen, Cursor]:
    """Raises ValidationFailed with everything that is wrong."""
    errors = []
    times = {"since": 0, "until": NEVER}
    for name, default in times.items():
        text = getattr(asked, name)
        try:
            times[name] = default if text is None else from_iso(text)
        except (ValueError, OverflowError):
            message = f"{name.capitalize()} must be a time such as 2026-01-31T12:00:00.000Z."
            errors.append(FieldError("InvalidFormat", message, f"/{name}"))
    cursor = Cursor()
    if asked.after is not None:
        subscription_id, _, number = asked.after.partition(".")
        if as_uuid(subscription_id) and number.isascii() and number.isdigit() and len(number) < 19:
            cursor = Cursor(subscription_id.lower(), int(number))
        else:
            errors.append(FieldError("Invalid", "After invalid.", "/after"))
    if errors:
        raise ValidationFailed(errors=errors)
    states: frozenset[str] = frozenset(asked.status or ("dead",))
    if "dead" in states:
        states = states - {"dead"} | DEAD
    topics = frozenset(asked.topics or ())
    return Chosen(states, topics, **times), cursor
