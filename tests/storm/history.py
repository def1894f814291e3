"""The evidence: what clients did and what they were answered. Nothing here knows the gateway."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

FOREVER = float("inf")


@dataclass
class Told:
    """An acknowledged change: it must have exactly one event of each of these topics."""

    app: str
    resource_id: str
    topics: tuple[str, ...]
    sent_at: float
    done_at: float


@dataclass
class Resource:
    """What the client that owns it believes. `after` is what it may also be, with these topics
    more, if the last operation on it was never answered.
    """

    kind: str
    id: str
    app: str
    state: dict[str, Any]
    after: dict[str, Any] | None = None
    after_topics: tuple[str, ...] = ()

    @property
    def certain(self) -> bool:
        return self.after is None


@dataclass
class Subscription(Resource):
    """`since` and `until`: when it certainly existed. `disturbed`: it was paused meanwhile."""

    url: str = ""
    sink: str = ""
    since: float = 0.0
    until: float = FOREVER
    disturbed: bool = False


@dataclass
class Answered:
    """An answer with a key, to be had again word for word."""

    path: str
    body: Any
    key: str
    at_ms: int
    status: int
    location: str | None
    content: bytes


@dataclass
class History:
    told: list[Told] = field(default_factory=list)
    resources: dict[str, Resource] = field(default_factory=dict)
    retries: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    # When it was over and something was left to do: the longest time in which nothing of it was.
    longest_still_s: float = 0.0

    def add(self, resource: Resource) -> None:
        self.resources[resource.id] = resource

    def tell(self, app: str, resource_id: str, topics: Iterable[str], sent_at: float) -> None:
        told = tuple(topics)
        if told:
            self.told.append(Told(app, resource_id, told, sent_at, time.monotonic()))

    def of_kind(self, kind: str) -> list[Resource]:
        return [each for each in self.resources.values() if each.kind == kind]
