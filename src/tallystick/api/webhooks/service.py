"""Recording webhooks, reading them back, and asking for retries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallystick.api.webhook_subscriptions import service as subscriptions
from tallystick.api.webhooks import store
from tallystick.api.webhooks.store import AttemptRow, Filter, RetryRow, WebhookRow
from tallystick.api.webhooks.wire import COLLECTION, RETRIES
from tallystick.clock import DAY_MS
from tallystick.core import Core
from tallystick.errors import NotFound
from tallystick.store import idempotency
from tallystick.store.db import Transaction
from tallystick.store.idempotency import Claim, Outcome

# Security 4.6.
FORGET_AFTER_MS = 30 * DAY_MS
FORGET_AT_ONCE = 500


async def record(
    core: Core,
    tx: Transaction,
    app_id: str,
    number: int,
    event_id: str,
    topic: str,
    resource_id: str,
) -> None:
    """Write one webhook per subscription, in the transaction of the event that it tells of.

    `number` is the event's: who changes a resource holds its row, so events about one resource are
    numbered in the order of their commits, without a lock that would make an application's
    transactions wait for each other.

    While a subscription is paused its webhooks are recorded and not sent (contract 6.7). One that
    chose topics has none of others.
    """
    now_ms = core.clock.now_ms()
    for subscription_id, paused in await subscriptions.list_wanting(tx, app_id, topic):
        row = WebhookRow(
            id=core.ids.new(),
            app_id=app_id,
            subscription_id=subscription_id,
            number=number,
            event_id=event_id,
            topic=topic,
            resource_id=resource_id,
            state="stopped" if paused else "due",
            tried=0,
            first_at=None,
            due_at=now_ms,
            lease_until=0,
            created_at=now_ms,
        )
        await store.add(tx, row)


async def find(core: Core, app_id: str, webhook_id: str) -> WebhookRow:
    """Raises NotFound, for another application's webhook as well."""
    row = await store.find(core.db, app_id, webhook_id)
    if row is None:
        raise NotFound
    return row


async def list_attempts(core: Core, row: WebhookRow) -> Sequence[AttemptRow]:
    return await store.list_attempts(core.db, row.id)


async def list_of_subscription(
    core: Core, app_id: str, subscription_id: str, narrowed: Filter, limit: int, offset: int
) -> tuple[Sequence[WebhookRow], Mapping[str, Sequence[AttemptRow]], int]:
    """One page, newest first, the attempts by webhook, and how many there are in all.

    Raises NotFound when there is no such subscription.
    """
    await subscriptions.find(core, app_id, subscription_id)
    return await store.list_newest(core.db, app_id, subscription_id, narrowed, limit, offset)


async def retry(core: Core, app_id: str, webhook_id: str, claim: Claim | None) -> Outcome:
    """Ask for one more attempt, at once, whatever became of the others; the answer to give.

    Raises NotFound when the webhook or its subscription is not there, and Conflict.
    """
    now_ms = core.clock.now_ms()
    row = await find(core, app_id, webhook_id)
    asked = RetryRow(core.ids.new(), app_id, row.id, row.subscription_id, now_ms)
    outcome = Outcome(201, f"/{COLLECTION}/{row.id}/{RETRIES}/{asked.id}", b"")

    async def add(tx: Transaction) -> Outcome:
        if not await subscriptions.is_there(tx, app_id, row.subscription_id):
            raise NotFound
        await idempotency.claim_key(tx, claim, now_ms)
        await store.add_retry(tx, asked)
        await idempotency.settle(tx, core.vault, claim, outcome)
        return outcome

    return await core.db.transact(add)


async def forget(core: Core) -> int:
    """Forget headers and bodies of attempts older than FORGET_AFTER_MS; times and statuses stay.

    How many those were, at most FORGET_AT_ONCE.
    """
    before = core.clock.now_ms() - FORGET_AFTER_MS
    if not await store.any_to_forget(core.db, before):
        return 0
    return await core.db.transact(lambda tx: store.forget(tx, before, FORGET_AT_ONCE))


async def list_retries(core: Core, app_id: str, webhook_id: str) -> Sequence[tuple[str, int]]:
    """Id and time of each retry, newest first. Raises NotFound."""
    row = await find(core, app_id, webhook_id)
    return await store.list_retries(core.db, app_id, row.id)
