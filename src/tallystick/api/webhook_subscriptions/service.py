"""Making, finding, pausing and deleting webhook subscriptions, and what their webhooks need.

Pausing ends what was scheduled, and what is recorded in the meantime is not made up for (contract
6.7): it is there, and its owner may ask for retries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tallystick.api.webhook_subscriptions import store
from tallystick.api.webhook_subscriptions.store import SubscriptionRow
from tallystick.api.webhook_subscriptions.wire import (
    COLLECTION,
    PostedPause,
    PostedSubscription,
)
from tallystick.body import problems
from tallystick.clock import DAY_MS
from tallystick.core import Core
from tallystick.errors import (
    BadRequest,
    FieldError,
    MaxNumberOfResources,
    NotFound,
    ValidationFailed,
)
from tallystick.secret import Secret
from tallystick.store import audit, idempotency
from tallystick.store.db import Transaction
from tallystick.store.idempotency import Claim, Outcome
from tallystick.store.vault import Place

# Contract 6.7.
COUNT_MAX, COUNT_MAX_LIVE = 10, 5
SECRET_CHARS_MAX = 128
TOO_MANY = "The maximum number of subscriptions has been reached."
URL_INVALID = FieldError("InvalidFormat", "Url must be a valid url.", "/url")
SECRET_TOO_LONG = FieldError(
    "InvalidFormat", f"Secret must be {SECRET_CHARS_MAX} or fewer characters.", "/secret"
)
PAUSE_AFTER_FAILURES = 400
PAUSE_AFTER_MS = DAY_MS

URL_CHARS_MAX = 2_048


@dataclass(frozen=True, slots=True)
class Target:
    """Where the webhooks of a subscription go, whose they are, and what signs them."""

    id: str
    app_id: str
    account_id: str
    url: str
    secret: Secret[bytes]


# ── what a client does ────────────────────────────────────────────────────────────────────────


async def create(core: Core, app_id: str, body: Any, claim: Claim | None) -> Outcome:
    """Make a subscription; the answer to give.

    Raises BadRequest, ValidationFailed, MaxNumberOfResources, Conflict.
    """
    posted = _read(core, body)
    subscription_id, now_ms = core.ids.new(), core.clock.now_ms()
    sealed = core.vault.seal(_place(app_id, subscription_id), posted.secret.encode())
    row = SubscriptionRow(subscription_id, app_id, posted.url, sealed, False, now_ms)  # noqa: FBT003
    outcome = Outcome(201, f"/{COLLECTION}/{row.id}", b"")

    async def add(tx: Transaction) -> Outcome:
        await idempotency.claim_key(tx, claim, now_ms)
        if await store.count_alone(tx, app_id) >= (COUNT_MAX_LIVE if core.live else COUNT_MAX):
            raise MaxNumberOfResources(TOO_MANY)
        await store.add(tx, row)
        await audit.note(tx, app_id, COLLECTION, row.id, "created", now_ms)
        await idempotency.settle(tx, core.vault, claim, outcome)
        return outcome

    return await core.db.transact(add)


async def find(core: Core, app_id: str, subscription_id: str) -> SubscriptionRow:
    """Raises NotFound, for another application's subscription and a deleted one as well."""
    row = await store.find(core.db, app_id, subscription_id)
    if row is None:
        raise NotFound
    return row


async def list_newest(core: Core, app_id: str) -> Sequence[SubscriptionRow]:
    return await store.list_newest(core.db, app_id)


async def pause(
    core: Core,
    app_id: str,
    subscription_id: str,
    body: Any,
    claim: Claim | None,
    answer: Callable[[SubscriptionRow], bytes],
) -> Outcome:
    """Pause or resume, as the body says; the answer to give, its body made by `answer`.

    Raises BadRequest (all that Dwolla documents for this body), NotFound and Conflict.
    """
    try:
        paused = msgspec.convert(body, PostedPause).paused
    except msgspec.ValidationError:
        raise BadRequest from None
    now_ms = core.clock.now_ms()

    async def apply(tx: Transaction) -> Outcome:
        row = await store.hold(tx, app_id, subscription_id)
        if row is None:
            raise NotFound
        await idempotency.claim_key(tx, claim, now_ms)
        if paused != row.paused:
            await (store.pause if paused else store.resume)(tx, row.id)
            change = "paused" if paused else "resumed"
            await audit.note(tx, app_id, COLLECTION, row.id, change, now_ms)
        outcome = Outcome(200, None, answer(msgspec.structs.replace(row, paused=paused)))
        await idempotency.settle(tx, core.vault, claim, outcome)
        return outcome

    return await core.db.transact(apply)


async def remove(core: Core, app_id: str, subscription_id: str) -> SubscriptionRow:
    """Delete it, and destroy its secret; the row as it was. Raises NotFound."""
    now_ms = core.clock.now_ms()

    async def apply(tx: Transaction) -> SubscriptionRow:
        row = await store.hold(tx, app_id, subscription_id)
        if row is None:
            raise NotFound
        await store.remove(tx, row.id)
        await audit.note(tx, app_id, COLLECTION, row.id, "deleted", now_ms)
        return row

    return await core.db.transact(apply)


# ── what its webhooks need ────────────────────────────────────────────────────────────────────


async def list_ids(tx: Transaction, app_id: str) -> Sequence[tuple[str, bool]]:
    """The id of each subscription of an application, and whether it is paused."""
    return await store.list_ids(tx, app_id)


async def is_there(tx: Transaction, app_id: str, subscription_id: str) -> bool:
    """True unless it was deleted; until the transaction ends, it is not."""
    return await store.hold(tx, app_id, subscription_id) is not None


async def target(core: Core, subscription_id: str) -> Target | None:
    """Where to send; None when the subscription was deleted."""
    row = await store.find_target(core.db, subscription_id)
    if row is None:
        return None
    await core.vault.ready(core.db, row.app_id)
    secret = core.vault.open_box(_place(row.app_id, row.id), bytes(row.secret_sealed))
    return Target(row.id, row.app_id, row.account_id, row.url, secret)


async def count(
    tx: Transaction, app_id: str, subscription_id: str, *, ok: bool, now_ms: int
) -> bool:
    """Count an attempt; True if it was the failure after which the subscription is paused.

    Both must hold: PAUSE_AFTER_FAILURES in a row, and PAUSE_AFTER_MS since the last success, or
    since there is a subscription (decision 15).
    """
    if ok:
        await store.succeeded(tx, subscription_id)
        return False
    await store.failed(tx, subscription_id)
    since = now_ms - PAUSE_AFTER_MS
    if not await store.give_up(tx, subscription_id, PAUSE_AFTER_FAILURES, since):
        return False
    await audit.note(tx, app_id, COLLECTION, subscription_id, "paused", now_ms)
    return True


# ── the rules ─────────────────────────────────────────────────────────────────────────────────


def _read(core: Core, body: Any) -> PostedSubscription:
    if not isinstance(body, dict):
        raise BadRequest
    errors = {each.path: each for each in problems(body, PostedSubscription)}
    if "/url" not in errors and not _is_url(body["url"], core):
        errors["/url"] = URL_INVALID
    if "/secret" not in errors and len(body["secret"]) > SECRET_CHARS_MAX:
        errors["/secret"] = SECRET_TOO_LONG
    if errors:
        raise ValidationFailed(errors=[errors[path] for path in sorted(errors, reverse=True)])
    return msgspec.convert(body, PostedSubscription)


def _is_url(url: str, core: Core) -> bool:
    """An http(s) address without credentials, which every attempt would show, or odd characters.

    In live it must be https, unless the operator lists the host.
    """
    if len(url) > URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or port == 0 or "@" in parts.netloc or "\\" in url:
        return False
    secure = parts.scheme == "https" or not core.live or host in core.webhook_hosts
    return parts.scheme in ("http", "https") and secure


def _place(app_id: str, subscription_id: str) -> Place:
    return Place(app_id, store.TABLE, store.SECRET, subscription_id)
