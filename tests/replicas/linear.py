"""Whether a history of concurrent calls on one object is linearizable: if there is an order of them,
each somewhere between its start and its end, that the object's rules allow.

Wing and Gong's search with the memory of Lowe's: an order is built call by call; what was tried once
with the same calls left and the same state is not tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from .history import Call, Said

State = Hashable
Rules = Callable[[State, Call], Iterable[State]]

# By a call of which nothing is known: what it made is found out by who sees it.
MADE = "made"
LOST = ("lost", None)


def linearizable(calls: Sequence[Call], rules: Rules) -> bool:
    """The object begins as None. A call of which nothing is known may happen late, or never."""
    ends = [call.ended if call.said != Said.UNKNOWN else float("inf") for call in calls]
    seen: set[tuple[int, Any]] = set()
    waiting: list[tuple[int, State]] = [((1 << len(calls)) - 1, None)]
    while waiting:
        left, state = waiting.pop()
        if (left, state) in seen:
            continue
        seen.add((left, state))
        remaining = [n for n in range(len(calls)) if left >> n & 1]
        first_end = min((ends[n] for n in remaining), default=float("inf"))
        if first_end == float("inf"):
            return True
        for n in reversed(remaining):  # the earliest is looked at first
            if calls[n].started <= first_end:
                waiting += [(left & ~(1 << n), after) for after in rules(state, calls[n])]
    return False


def key(state: State, call: Call) -> Iterable[State]:
    """An idempotency key: it is answered by what the first of its calls has made, for ever."""
    match call.said:
        case Said.DONE if state in (None, MADE, call.value):
            return [call.value]
        case Said.BUSY | Said.ABSENT if state is None:
            return [None]
        case Said.UNKNOWN:
            return [None, MADE] if state is None else [state]
    return []


def proof(state: Any, call: Call) -> Iterable[State]:
    """A one-time token: one key makes one exchange of it, or what the partner gave was lost.

    Who uses it with another key is refused from then on, and only from then on.
    """
    match call.said:
        case Said.DONE if state in (None, (call.key, MADE), (call.key, call.value)):
            return [(call.key, call.value)]
        case Said.BUSY | Said.ABSENT if state in (None, LOST):
            return [state]
        case Said.REFUSED if state is not None and state[0] != call.key:
            return [state]
        case Said.UNKNOWN:
            return [None, (call.key, MADE), LOST] if state is None else [state]
    return []
