"""What was asked and answered, with the moments on the tape. Nothing here knows the gateway."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from .disk import Way


class Change(msgspec.Struct):
    """An acknowledged change: asked at `begun`, answered at `answered`.

    `state` is that of the whole resource afterwards, and `topics` are the events of the change.
    """

    begun: int
    answered: int
    app: str
    kind: str
    id: str
    state: dict[str, Any]
    topics: list[str]
    path: str
    body: Any
    key: str
    status: int
    location: str | None
    content: bytes


class SignedIn(msgspec.Struct):
    answered: int
    token: str


class Round(msgspec.Struct):
    """The `at`th call after `begun` failed in that way, until `end`; in all `failed` calls did."""

    begun: int
    end: int
    at: int
    way: Way
    failed: int


class History(msgspec.Struct):
    changes: list[Change] = []
    tokens: list[SignedIn] = []
    rounds: list[Round] = []
    counts: dict[str, int] = {}
    wrong: list[str] = []
    ended_ms: int = 0

    def count(self, what: str, more: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + more

    def save(self, path: Path) -> None:
        path.write_bytes(msgspec.msgpack.encode(self))

    @staticmethod
    def load(path: Path) -> History:
        return msgspec.msgpack.decode(path.read_bytes(), type=History)


class Moment:
    """What must and what may be there after a cut at `position`."""

    def __init__(self, history: History, position: int) -> None:
        begun = [each for each in history.changes if each.begun <= position]
        self.acknowledged = [each for each in begun if each.answered <= position]
        self.under_way = [each for each in begun if each.answered > position]
        self.tokens = [each.token for each in history.tokens if each.answered <= position]
        # By resource: the state that was acknowledged last, or None, and those that it may have.
        self.left: dict[tuple[str, str], dict[str, Any] | None] = {}
        self.may_be: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for each in self.acknowledged:
            self.left[each.kind, each.id] = each.state
        for each in self.under_way:
            self.left.setdefault((each.kind, each.id), None)
            self.may_be.setdefault((each.kind, each.id), []).append(each.state)
        self.told = _told(self.acknowledged)
        self.may_be_told = _told(begun)


def _told(changes: list[Change]) -> Counter[tuple[str, str, str]]:
    return Counter((each.app, topic, each.id) for each in changes for topic in each.topics)
