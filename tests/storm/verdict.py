"""What the evidence and the store say: nothing acknowledged is lost, nothing is double or half made,
and everybody was told of everything.

The rules are written down here once more, from the documentation, and not taken from the gateway.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from .history import History, Resource, Subscription
from .rows import Rows
from .sinks import Receipt, Sinks

ATTEMPTS = 9
PAUSE_AFTER_FAILURES = 400
AT_ONCE = 10


@dataclass
class Evidence:
    history: History
    sinks: Sinks
    rows: Rows
    kills: dict[str, int]
    jumps: int
    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def hold(self, truth: bool, otherwise: str) -> None:
        if not truth:
            self.wrong.append(otherwise)


async def judge(found: Evidence) -> tuple[list[str], Counter[str]]:
    """What is wrong, and how much of everything there was."""
    found.wrong += found.history.wrong
    found.counts["kill -9 of gateways"] = found.kills["serve"]
    found.counts["kill -9 of workers"] = found.kills["worker"]
    found.counts |= found.history.counts
    await events_match(found)
    await resources_match(found)
    await nothing_is_half_made(found)
    await everybody_was_told(found)
    await retries_were_made(found)
    found.hold(found.sinks.forged == 0, f"{found.sinks.forged} webhooks with a wrong signature")
    return found.wrong, found.counts


# ── changes and their events ──────────────────────────────────────────────────────────────────


async def events_match(found: Evidence) -> None:
    """Each acknowledged change has exactly one event; one that was never answered has one or none."""
    history = found.history
    sql = "SELECT app_id, topic, resource_id, count(*) FROM event GROUP BY 1, 2, 3"
    there = Counter({tuple(row[:3]): row[3] for row in await found.rows.all(sql)})
    due: Counter[tuple[str, str, str]] = Counter()
    for told in history.told:
        due.update((told.app, topic, told.resource_id) for topic in told.topics)
    unanswered = Counter(history.unanswered)
    for key in sorted(there.keys() | due.keys()):
        app, topic, resource_id = key
        resource = history.resources.get(resource_id)
        more = there[key] - due[key]
        if resource is None:
            # Made by a request that was never answered: nobody was told of it, and it is made once.
            found.hold(not due[key], f"{topic} of {resource_id} was told, and nobody has it")
            found.hold(there[key] <= 1, f"{topic} of {resource_id}: {there[key]} events")
            unanswered[app, topic] -= there[key]
            found.counts["unanswered, and done"] += there[key]
        elif not 0 <= more <= resource.after_topics.count(topic):
            found.wrong.append(
                f"{topic} of {resource.kind} {resource_id}: {due[key]} changes, {there[key]} events"
            )
    for (app, topic), left in unanswered.items():
        found.hold(left >= 0, f"{-left} events {topic} of {app} that nobody caused")
    found.counts["acknowledged changes"] = sum(due.values())
    found.counts["events"] = sum(there.values())


_STATES = {
    "customer": ("SELECT id, email, status FROM customer", ("email", "status")),
    "funding-source": ("SELECT id, name, removed FROM funding_source", ("name", "removed")),
    "exchange": ("SELECT id, customer_id, status FROM exchange", ("customer_id", "status")),
    "session": ("SELECT id FROM exchange_session", ()),
    "subscription": ("SELECT id, paused, removed FROM subscription", ("paused", "removed")),
}


async def resources_match(found: Evidence) -> None:
    """Everything acknowledged is there, as it was left; nothing is there that nobody made."""
    lapsed = {row[0] for row in await found.rows.all(_LAPSED)}
    for kind, (sql, names) in _STATES.items():
        there = {row[0]: row[1:] for row in await found.rows.all(sql)}
        mine = {each.id: each for each in found.history.of_kind(kind)}
        found.counts[f"{kind}s"] = len(mine)
        for resource in mine.values():
            found.hold(resource.id in there, f"acknowledged {kind} {resource.id} is lost")
            if resource.id in there and not _as_left(resource, names, there[resource.id], lapsed):
                found.wrong.append(f"{kind} {resource.id} is {there[resource.id]}: {resource}")
    found.counts["exchanges whose deadline passed"] = len(lapsed)


# A person was asked for, with an event, and did not come within seven days (docs/exchange-life.md).
# Until the partner is asked once more the exchange is deactivated; there is no event of that.
_GRACE_MS = 7 * 24 * 3_600_000
_LAPSED = (
    "SELECT x.id FROM exchange x WHERE EXISTS (SELECT 1 FROM event e WHERE e.resource_id = x.id"
    " AND e.topic = 'customer_exchange_reauth_required') AND EXISTS (SELECT 1 FROM audit late"
    " JOIN audit asked ON asked.resource_id = late.resource_id AND asked.change = 'active: person'"
    " WHERE late.resource_id = x.id AND late.change = 'deactivated: person'"
    f" AND late.created_at - asked.created_at >= {_GRACE_MS})"
)


def _as_left(resource: Resource, names: tuple[str, ...], row: Any, lapsed: set[str]) -> bool:
    if isinstance(resource, Subscription) and resource.sink.startswith(("dead", "flaky")):
        return True  # looked at by `everybody_was_told`
    possible = [resource.state] if resource.after is None else [resource.state, resource.after]
    if resource.state.get("wanting") and resource.id in lapsed:
        possible = [*possible, resource.state | {"status": "deactivated"}]
    as_kept = tuple(
        bool(each) if name in _FLAGS else each for name, each in zip(names, row, strict=True)
    )
    return any(
        as_kept == tuple(state.get(name, False if name in _FLAGS else None) for name in names)
        for state in possible
    )


_FLAGS = ("paused", "removed")

# Each of these must find nothing.
_HALF_MADE = {
    "customers without exactly one event of their making": (
        "SELECT c.id FROM customer c WHERE 1 <> (SELECT count(*) FROM event e"
        " WHERE e.resource_id = c.id AND e.topic = 'customer_created')"
    ),
    "events of a customer that is not there": (
        "SELECT e.id FROM event e WHERE e.resource = 'customers'"
        " AND NOT EXISTS (SELECT 1 FROM customer c WHERE c.id = e.resource_id)"
    ),
    "funding sources without an event of their making": (
        "SELECT f.id FROM funding_source f WHERE NOT EXISTS (SELECT 1 FROM event e"
        " WHERE e.resource_id = f.id AND e.topic = 'customer_funding_source_added')"
    ),
    "events of a funding source that is not there": (
        "SELECT e.id FROM event e WHERE e.resource = 'funding-sources'"
        " AND NOT EXISTS (SELECT 1 FROM funding_source f WHERE f.id = e.resource_id)"
    ),
    "verified funding sources without that event": (
        "SELECT f.id FROM funding_source f WHERE f.status = 'verified' AND NOT EXISTS (SELECT 1"
        " FROM event e WHERE e.resource_id = f.id AND e.topic = 'customer_funding_source_verified')"
    ),
    "exchanges whose intent is not recorded": (
        "SELECT x.id FROM exchange x WHERE NOT EXISTS (SELECT 1 FROM exchange_intent i"
        " WHERE i.id = x.id AND i.state = 'recorded')"
    ),
    "recorded intents without an exchange": (
        "SELECT i.id FROM exchange_intent i WHERE i.state = 'recorded'"
        " AND NOT EXISTS (SELECT 1 FROM exchange x WHERE x.id = i.id)"
    ),
    "intents that are still open": (
        "SELECT i.id FROM exchange_intent i WHERE i.state IN ('calling', 'granted')"
    ),
    "exchanges without a grant": (
        "SELECT x.id FROM exchange x WHERE x.status <> 'removed' AND x.grant_sealed IS NULL"
    ),
    "exchanges that one account at a partner was given twice": (
        "SELECT min(x.id) FROM exchange x GROUP BY x.partner_key, x.external_id, x.customer_id"
        " HAVING count(*) > 1 AND min(x.partner_key) = 'plaid'"
    ),
    "changes without an audit entry": (
        "SELECT x.id FROM exchange x WHERE NOT EXISTS (SELECT 1 FROM audit a"
        " WHERE a.resource_id = x.id AND a.change = 'created')"
    ),
}


async def nothing_is_half_made(found: Evidence) -> None:
    for what, sql in _HALF_MADE.items():
        rows = await found.rows.all(sql)
        found.hold(not rows, f"{len(rows)} {what}: {[row[0] for row in rows[:3]]}")
    (orphans,) = await found.rows.one("SELECT count(*) FROM exchange_intent WHERE state = 'orphan'")
    found.counts["orphans in the ledger"] = orphans


# ── webhooks ──────────────────────────────────────────────────────────────────────────────────


@dataclass
class Webhook:
    id: str
    subscription_id: str
    number: int
    topic: str
    resource_id: str
    state: str
    tried: int
    attempts: int = 0
    first_ok: bool = False
    receipts: list[Receipt] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        return sum(each.accepted for each in self.receipts)


async def everybody_was_told(found: Evidence) -> None:
    columns = "id, subscription_id, number, topic, resource_id, state, tried"
    webhooks = {
        row[0]: Webhook(*row) for row in await found.rows.all(f"SELECT {columns} FROM webhook")
    }
    for webhook_id, ok in await found.rows.all("SELECT webhook_id, ok FROM attempt ORDER BY id"):
        webhook = webhooks[webhook_id]
        webhook.first_ok = webhook.first_ok if webhook.attempts else bool(ok)
        webhook.attempts += 1
    for receipt in found.sinks.receipts:
        if webhook := webhooks.get(receipt.webhook_id):
            webhook.receipts.append(receipt)
        else:
            found.wrong.append(f"{receipt.sink} heard {receipt.topic}, which the store never sent")
    by_subscription: dict[str, list[Webhook]] = defaultdict(list)
    for webhook in webhooks.values():
        by_subscription[webhook.subscription_id].append(webhook)
    paused = {
        row[0] for row in await found.rows.all("SELECT id FROM subscription WHERE paused")
    }  # fmt: skip
    for each in found.history.of_kind("subscription"):
        assert isinstance(each, Subscription)
        own = by_subscription[each.id]
        has_all(found, each, own)
        given_up = each.id in paused and not each.disturbed
        tries = sum(webhook.attempts for webhook in own)
        if given_up:
            found.counts["subscriptions given up"] += 1
            why = f"{each.sink} was paused after {tries} attempts"
            found.hold(each.sink.startswith("dead") and tries >= PAUSE_AFTER_FAILURES, why)
        for webhook in own:
            was_told(found, each, webhook, may_stop=each.disturbed or given_up)
        if not each.disturbed:
            in_order(found, each, own)
    count_webhooks(found, webhooks.values(), len(by_subscription))


def has_all(found: Evidence, subscription: Subscription, own: list[Webhook]) -> None:
    """One webhook for every change that was made while the subscription certainly was there."""
    there = Counter((each.topic, each.resource_id) for each in own)
    due = Counter(
        (topic, told.resource_id)
        for told in found.history.told
        if told.app == subscription.app
        and subscription.since <= told.sent_at
        and told.done_at <= subscription.until
        for topic in told.topics
    )
    found.counts["changes somebody is to be told"] += sum(due.values())
    for (topic, resource_id), count in due.items():
        found.hold(
            there[topic, resource_id] >= count,
            f"{subscription.sink}: {there[topic, resource_id]} of {count} webhooks {topic} about"
            f" {resource_id}",
        )


def was_told(found: Evidence, to: Subscription, webhook: Webhook, *, may_stop: bool) -> None:
    what = f"{to.sink}: {webhook.topic} {webhook.id}"
    if webhook.state == "delivered":
        found.hold(webhook.accepted > 0, f"{what} is delivered, and was never accepted")
    elif webhook.state == "exhausted":
        ran = f"after {webhook.tried} tries, {webhook.attempts} attempts"
        # More attempts than tries: two processes made the same one, because one was taken for dead.
        right = webhook.tried == ATTEMPTS <= webhook.attempts
        found.hold(right, f"{what} is exhausted {ran}")
        found.hold(not to.sink.startswith(("good", "slow")), f"{what} was given up {ran}")
    else:
        # One that was committed while its subscription was paused or deleted stays due, and is not
        # sent.
        right = webhook.state in ("stopped", "due") and may_stop
        found.hold(right, f"{what} is {webhook.state}")


def in_order(found: Evidence, to: Subscription, own: list[Webhook]) -> None:
    """What is told of one resource is told in the order of its events, where nothing failed.

    A retry that was asked for goes first, also of a webhook that was not tried yet.
    """
    by_resource: dict[str, list[Webhook]] = defaultdict(list)
    for webhook in sorted(own, key=lambda each: each.number):
        if webhook.receipts:
            by_resource[webhook.resource_id].append(webhook)
    for resource_id, told in by_resource.items():
        for one, next_one in pairwise(told):
            found.counts["pairs about one resource"] += 1
            asked_for = found.history.retries[next_one.id] > 0
            if one.first_ok and not asked_for and one.receipts[0].at > next_one.receipts[0].at:
                found.wrong.append(
                    f"{to.sink} heard {next_one.topic} before {one.topic} of {resource_id}"
                )


def count_webhooks(found: Evidence, webhooks: Any, subscriptions: int) -> None:
    counts = found.counts
    again = 0
    for each in webhooks:
        counts["webhooks"] += 1
        counts[f"webhooks {each.state}"] += 1
        counts["attempts"] += each.attempts
        again += max(each.accepted - 1 - found.history.retries[each.id], 0)
    counts["receipts"] = len(found.sinks.receipts)
    counts["accepted more than once"] = again
    bound = (found.kills["worker"] + found.jumps) * AT_ONCE * subscriptions
    found.hold(again <= bound, f"{again} were accepted again, where {bound} are allowed")


async def retries_were_made(found: Evidence) -> None:
    """Each that was asked for is there once, and was made, unless its subscription was deleted."""
    there: Counter[str] = Counter()
    sql = "SELECT webhook_id, subscription_id, state FROM retry"
    for webhook_id, subscription_id, state in await found.rows.all(sql):
        there[webhook_id] += 1
        deleted = found.history.resources[subscription_id].state.get("removed", False)
        right = state == "done" or (state == "stopped" and deleted)
        found.hold(right, f"a retry of {webhook_id} is {state}")
    for webhook_id in there.keys() | found.history.retries.keys():
        asked = found.history.retries[webhook_id]
        found.hold(
            there[webhook_id] == asked,
            f"{asked} retries asked of {webhook_id}, {there[webhook_id]} there",
        )
    found.counts["retries asked for"] = sum(there.values())
