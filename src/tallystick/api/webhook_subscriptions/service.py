"""Making, finding, pausing and deleting webhook subscriptions, and what their webhooks need.

Pausing ends what was scheduled, and what is recorded in the meantime is not made up for (contract
6.7): it is there, and its owner may ask for retries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tallystick.api.webhook_subscriptions import store
from tallystick.api.webhook_subscriptions.store import SubscriptionRow
from tallystick.api.webhook_subscriptions.wire import (
    COLLECTION,
    ChosenSecret,
    ChosenSubscription,
    ChosenTopics,
    PostedPause,
    PostedSubscription,
)
from tallystick.body import problems, read
from tallystick.clock import DAY_MS, HOUR_MS
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
from tallystick.store.db import Reads, Transaction
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
HTTPS_PORT = 443

DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Target:
    """Where the webhooks of a subscription go, whose they are, and what signs them.

    `secret_old` is one that was replaced lately, and signs as well until its time is over.
    """

    id: str
    app_id: str
    account_id: str
    url: str
    secret: Secret[bytes]
    secret_old: Secret[bytes] | None = None


# ── what a client does ────────────────────────────────────────────────────────────────────────


async def create(
    core: Core,
    app_id: str,
    body: Any,
    claim: Claim | None,
    shape: type[PostedSubscription] = PostedSubscription,
) -> Outcome:
    """Make a subscription; the answer to give. With ChosenSubscription as its shape the body may
    have topics, which Dwolla's would ignore.

    Raises BadRequest, ValidationFailed, MaxNumberOfResources, Conflict.
    """
    posted = _read(core, body, shape)
    topics = posted.topics if isinstance(posted, ChosenSubscription) else None
    subscription_id, now_ms = core.ids.new(), core.clock.now_ms()
    sealed = core.vault.seal(_place(app_id, subscription_id), posted.secret.encode())
    row = SubscriptionRow(
        subscription_id, app_id, posted.url, sealed, paused=False, created_at=now_ms,
        topics=_joined(topics),
    )  # fmt: skip
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


async def choose(
    core: Core,
    app_id: str,
    subscription_id: str,
    body: Any,
    claim: Claim | None,
    answer: Callable[[SubscriptionRow], bytes],
) -> Outcome:
    """Have webhooks of some topics only, from now on; the answer to give.

    Raises BadRequest, ValidationFailed, NotFound and Conflict.
    """
    topics = _joined(read(body, ChosenTopics).topics)

    async def apply(tx: Transaction, row: SubscriptionRow) -> SubscriptionRow:
        await store.choose(tx, row.id, topics)
        return msgspec.structs.replace(row, topics=topics)

    return await _change(core, app_id, subscription_id, "topics", claim, apply, answer)


async def rotate(
    core: Core,
    app_id: str,
    subscription_id: str,
    body: Any,
    claim: Claim | None,
    answer: Callable[[SubscriptionRow], bytes],
) -> Outcome:
    """Replace the secret; the answer to give. The one before signs on for as long as is asked.

    Raises BadRequest, ValidationFailed, NotFound and Conflict.
    """
    posted = read(body, ChosenSecret)
    if len(posted.secret) > SECRET_CHARS_MAX:
        raise ValidationFailed(errors=[SECRET_TOO_LONG])
    await core.vault.ready(core.db, app_id)
    until = core.clock.now_ms() + round(posted.overlap_hours * HOUR_MS)
    place, place_old = (_place(app_id, subscription_id, name) for name in _SECRETS)
    fresh = core.vault.seal(place, posted.secret.encode())

    async def apply(tx: Transaction, row: SubscriptionRow) -> SubscriptionRow:
        if not posted.overlap_hours or row.secret_sealed is None:
            await store.rotate(tx, row.id, fresh, None, None)
            return msgspec.structs.replace(row, secret_old_until=None)
        before = core.vault.open_box(place, bytes(row.secret_sealed))
        old = core.vault.seal(place_old, before.reveal())
        await store.rotate(tx, row.id, fresh, old, until)
        return msgspec.structs.replace(row, secret_old_until=until)

    return await _change(core, app_id, subscription_id, "secret", claim, apply, answer)


async def _change(
    core: Core,
    app_id: str,
    subscription_id: str,
    what: str,
    claim: Claim | None,
    apply: Callable[[Transaction, SubscriptionRow], Awaitable[SubscriptionRow]],
    answer: Callable[[SubscriptionRow], bytes],
) -> Outcome:
    now_ms = core.clock.now_ms()

    async def change(tx: Transaction) -> Outcome:
        row = await store.hold(tx, app_id, subscription_id)
        if row is None:
            raise NotFound
        await idempotency.claim_key(tx, claim, now_ms)
        changed = await apply(tx, row)
        await audit.note(tx, app_id, COLLECTION, row.id, what, now_ms)
        outcome = Outcome(200, None, answer(changed))
        await idempotency.settle(tx, core.vault, claim, outcome)
        return outcome

    return await core.db.transact(change)


async def forget(core: Core) -> int:
    """Destroy the replaced secrets whose time is over; how many there were."""
    now_ms = core.clock.now_ms()
    if not await store.any_to_forget(core.db, now_ms):
        return 0
    return await core.db.transact(lambda tx: store.forget(tx, now_ms))


# ── what its webhooks need ────────────────────────────────────────────────────────────────────


async def list_wanting(tx: Transaction, app_id: str, topic: str) -> Sequence[tuple[str, bool]]:
    """The id of each subscription of an application that wants this topic; whether it is paused."""
    return [
        (subscription_id, paused)
        for subscription_id, paused, topics in await store.list_ids(tx, app_id)
        if topics is None or topic in topics.split()
    ]


async def list_standing(reads: Reads, app_id: str) -> Mapping[str, str]:
    """How each subscription that ever was is, by its id: active, paused or DELETED."""
    return {
        subscription_id: DELETED if removed else "paused" if paused else "active"
        for subscription_id, paused, removed in await store.list_standing(reads, app_id)
    }


async def is_there(tx: Transaction, app_id: str, subscription_id: str) -> bool:
    """True unless it was deleted; until the transaction ends, it is not."""
    return await store.hold(tx, app_id, subscription_id) is not None


async def target(core: Core, subscription_id: str) -> Target | None:
    """Where to send; None when the subscription was deleted."""
    row = await store.find_target(core.db, subscription_id)
    if row is None:
        return None
    await core.vault.ready(core.db, row.app_id)
    place, place_old = (_place(row.app_id, row.id, name) for name in _SECRETS)
    secret = core.vault.open_box(place, bytes(row.secret_sealed))
    old = None
    if row.secret_old_sealed is not None and (row.secret_old_until or 0) > core.clock.now_ms():
        old = core.vault.open_box(place_old, bytes(row.secret_old_sealed))
    return Target(row.id, row.app_id, row.account_id, row.url, secret, old)


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


def _read(core: Core, body: Any, shape: type[PostedSubscription]) -> PostedSubscription:
    if not isinstance(body, dict):
        raise BadRequest
    errors = {each.path: each for each in problems(body, shape)}
    if "/url" not in errors and not _is_url(body["url"], core):
        errors["/url"] = URL_INVALID
    if "/secret" not in errors and len(body["secret"]) > SECRET_CHARS_MAX:
        errors["/secret"] = SECRET_TOO_LONG
    if errors:
        raise ValidationFailed(errors=[errors[path] for path in sorted(errors, reverse=True)])
    return msgspec.convert(body, shape)


def _is_url(url: str, core: Core) -> bool:
    """An http(s) address without credentials, which every attempt would show, or odd characters.

    In live it must be https, on a port that is allowed, unless the operator lists the host.
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
    if not core.live or host in core.webhook_hosts:
        return parts.scheme in ("http", "https")
    return parts.scheme == "https" and (port or HTTPS_PORT) in core.webhook_ports


_SECRETS = (store.SECRET, store.SECRET_OLD)


def _place(app_id: str, subscription_id: str, name: str = store.SECRET) -> Place:
    return Place(app_id, store.TABLE, name, subscription_id)


def _joined(topics: Sequence[str] | None) -> str | None:
    return None if topics is None else " ".join(dict.fromkeys(topics))
