"""What clients did and were answered, call by call. Nothing here knows the gateway."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Said(Enum):
    """What an answer means; `ABSENT` is what the last look at the store says."""

    DONE = "done"
    BUSY = "busy"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    ABSENT = "absent"


@dataclass(frozen=True)
class Call:
    """One request and its answer. `value`: what was made, by its id."""

    api: str
    key: str
    started: float
    ended: float
    said: Said
    value: str | None = None


@dataclass
class Request:
    """One request that is sent under one key, to several processes and again and again.

    `proof`: the one-time token in it. `topics`: the events that it has when it is done.
    """

    kind: str
    app: str
    key: str
    path: str
    body: Any
    topics: tuple[str, ...] = ()
    proof: str | None = None
    state: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    @property
    def made(self) -> str | None:
        """The id of what it made, as it was first answered; None if that was never heard."""
        return next((call.value for call in self.calls if call.said == Said.DONE), None)

    @property
    def settled(self) -> bool:
        """Whether it was answered for good."""
        return any(call.said in (Said.DONE, Said.REFUSED) for call in self.calls)


@dataclass
class Probe:
    """A call with the token of an application that is disabled now and then."""

    api: str
    started: float
    ended: float
    let_in: bool


@dataclass
class Revocation:
    """`revoked_at`: when it was acknowledged. `until`: when the opposite was asked for."""

    revoked_at: float
    until: float = float("inf")


@dataclass
class History:
    requests: list[Request] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    revocations: list[Revocation] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    longest_s: dict[str, float] = field(default_factory=dict)
    # When it was over and something was left to do: the longest time in which nothing of it was.
    longest_still_s: float = 0.0

    def took(self, what: str, seconds: float) -> None:
        self.longest_s[what] = max(self.longest_s.get(what, 0.0), seconds)
