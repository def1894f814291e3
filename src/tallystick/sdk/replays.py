"""What tallystick has of webhooks and Dwolla has not: topics of a subscription, a secret that is
replaced, webhooks by choice and sent again. Against Dwolla's own servers these raise NotFoundError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from tallystick.flow import Call, Flow, Listed, Resource, change, id_of, shaped
from tallystick.hal import Link
from tallystick.sdk.results import AsyncPages, Page
from tallystick.sdk.webhooks import (
    AsyncWebhooks,
    AsyncWebhookSubscriptions,
    Subscription,
    Webhooks,
    WebhookSubscription,
    WebhookSubscriptions,
)

OURS = "_tallystick"
Status = Literal["due", "delivered", "exhausted", "stopped", "dead"]
DAY = timedelta(hours=24)


class ChosenSubscription(WebhookSubscription, frozen=True, rename="camel"):
    """`topics` None is every one; until `secret_overlap_until` the secret before signs as well."""

    topics: Sequence[str] | None = None
    secret_overlap_until: str | None = None


class ChosenWebhook(Resource, frozen=True, rename="camel"):
    """A webhook by how it stands; `last_attempt` has `timestamp`, `statusCode` and `failure`."""

    COLLECTION = "webhooks"

    links: dict[str, Link] = msgspec.field(name="_links")
    id: str
    topic: str
    event_id: str
    resource_id: str
    subscription_id: str
    subscription_status: str
    status: str
    attempts: int
    created: str
    last_attempt: Mapping[str, Any] | None = None


def choose_topics(
    subscription: Subscription, topics: Sequence[str] | None
) -> Flow[ChosenSubscription]:
    body = {"topics": None if topics is None else list(topics)}
    return change(ChosenSubscription, Call("POST", _own(subscription), body=body))


def rotate_secret(
    subscription: Subscription, secret: str, overlap: timedelta
) -> Flow[ChosenSubscription]:
    body = {"secret": secret, "overlapHours": overlap / timedelta(hours=1)}
    return change(ChosenSubscription, Call("POST", (*_own(subscription), "secrets"), body=body))


def list_chosen(call: Call) -> Flow[Listed[ChosenWebhook]]:
    answer = yield call
    members = answer.members()
    found = members.get("webhooks")
    items = [
        shaped(answer, each, ChosenWebhook)
        for each in (found if isinstance(found, list) else [])
        if isinstance(each, dict)
    ]
    following = members.get("next")
    after = None
    if isinstance(following, str):
        after = Call("GET", call.path, {**call.query, "after": following})
    return Listed(items, len(items), after, answer.http)


def replay(asked: Mapping[str, Any]) -> Flow[int]:
    """As many calls as it takes: each has its own idempotency key, and says where to go on."""
    count, after = 0, None
    while True:
        body = {**asked, "after": after} if after else dict(asked)
        answer = yield Call("POST", (OURS, "replays"), body=body)
        members = answer.members()
        count += int(members.get("replayed") or 0)
        following = members.get("next")
        if not isinstance(following, str) or following == after:
            return count
        after = following


def _own(subscription: Subscription) -> tuple[str, ...]:
    return OURS, WebhookSubscription.COLLECTION, id_of(subscription, WebhookSubscription)


def _asked(
    subscription: Subscription | None,
    topics: Sequence[str] | None,
    status: Sequence[Status] | None,
    since: datetime | None,
    until: datetime | None,
) -> dict[str, Any]:
    named: dict[str, Any] = {
        "subscription": None if subscription is None else id_of(subscription, WebhookSubscription),
        "topics": None if topics is None else list(topics),
        "status": None if status is None else list(status),
        "since": _time(since),
        "until": _time(until),
    }
    return {name: value for name, value in named.items() if value is not None}


def _time(at: datetime | None) -> str | None:
    """A time without a zone is the machine's own, as everywhere in Python."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds")


class ChosenSubscriptions(WebhookSubscriptions):
    def choose_topics(
        self, subscription: Subscription, topics: Sequence[str] | None
    ) -> ChosenSubscription:
        """Have webhooks of these topics only, from now on; None is every one."""
        return self._run(choose_topics(subscription, topics))

    def rotate_secret(
        self, subscription: Subscription, *, secret: str, overlap: timedelta = DAY
    ) -> ChosenSubscription:
        """Replace the secret. For `overlap`, a day at most, `webhook-signature` has both."""
        return self._run(rotate_secret(subscription, secret, overlap))


class AsyncChosenSubscriptions(AsyncWebhookSubscriptions):
    async def choose_topics(
        self, subscription: Subscription, topics: Sequence[str] | None
    ) -> ChosenSubscription:
        """Have webhooks of these topics only, from now on; None is every one."""
        return await self._run(choose_topics(subscription, topics))

    async def rotate_secret(
        self, subscription: Subscription, *, secret: str, overlap: timedelta = DAY
    ) -> ChosenSubscription:
        """Replace the secret. For `overlap`, a day at most, `webhook-signature` has both."""
        return await self._run(rotate_secret(subscription, secret, overlap))


class ChosenWebhooks(Webhooks):
    def choose(
        self,
        *,
        subscription: Subscription | None = None,
        topics: Sequence[str] | None = None,
        status: Sequence[Status] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Page[ChosenWebhook]:
        """Webhooks of all subscriptions that fit; without `status` those that are dead."""
        asked = _asked(subscription, topics, status, since, until)
        return self._listed(list_chosen, Call("GET", (OURS, "webhooks"), asked))

    def replay(
        self,
        *,
        subscription: Subscription | None = None,
        topics: Sequence[str] | None = None,
        status: Sequence[Status] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        timeout_s: float = 600.0,
    ) -> int:
        """Have all that fit sent again, those that are dead unless `status` says; how many."""
        return self._run(replay(_asked(subscription, topics, status, since, until)), timeout_s)


class AsyncChosenWebhooks(AsyncWebhooks):
    def choose(
        self,
        *,
        subscription: Subscription | None = None,
        topics: Sequence[str] | None = None,
        status: Sequence[Status] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncPages[ChosenWebhook]:
        """Webhooks of all subscriptions that fit; without `status` those that are dead."""
        asked = _asked(subscription, topics, status, since, until)
        return self._listed(list_chosen, Call("GET", (OURS, "webhooks"), asked))

    async def replay(
        self,
        *,
        subscription: Subscription | None = None,
        topics: Sequence[str] | None = None,
        status: Sequence[Status] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        timeout_s: float = 600.0,
    ) -> int:
        """Have all that fit sent again, those that are dead unless `status` says; how many."""
        flow = replay(_asked(subscription, topics, status, since, until))
        return await self._run(flow, timeout_s)
