"""What the history and the store say: nothing acknowledged is lost, nothing is done twice, the
answers of every key and every one-time token have an order that explains them, and everybody was
told of every change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from tests.storm import verdict as storm
from tests.storm.history import History as StormHistory, Resource, Subscription, Told
from tests.storm.rows import Rows
from tests.storm.sinks import Sinks

from . import linear, revocation
from .history import Call, History, Request, Said
from .trouble import Spell

# Of any answer, whatever is cut or killed meanwhile, where the process itself can be reached.
ANSWER_S = 30.0

_KINDS = {"customer": "customer", "exchange": "exchange", "funding-source": "funding_source"}


async def judge(
    history: History,
    spells: Sequence[Spell],
    subscriptions: Iterable[Subscription],
    sinks: Sinks,
    rows: Rows,
    cuts: int,
) -> None:
    """Adds to `history.wrong`. `cuts`: how often a worker lost what it had under way."""
    made = await _made_is_there(history, rows)
    _keys_are_linearizable(history, made)
    _proofs_are_linearizable(history)
    _nobody_waited(history, spells)
    revocation.judge(history)
    evidence = storm.Evidence(
        _as_told(history, subscriptions), sinks, rows, {"serve": 0, "worker": cuts},
        history.counts["jumps"],
    )  # fmt: skip
    wrong, counts = await storm.judge(evidence)
    history.wrong += wrong
    for name in (
        "acknowledged changes",
        "events",
        "webhooks",
        "receipts",
        "accepted more than once",
    ):
        history.counts[name] = counts[name]


async def _made_is_there(history: History, rows: Rows) -> dict[str, set[str]]:
    """Everything acknowledged is there, and nothing besides; the ids of what is, by kind."""
    there = {}
    for kind, table in _KINDS.items():
        there[kind] = {row[0] for row in await rows.all(f"SELECT id FROM {table}")}
        requests = [each for each in history.requests if each.kind == kind]
        acknowledged = {call.value for each in requests for call in each.calls if call.value}
        history.counts[f"acknowledged {kind}s"] = len(acknowledged)
        for lost in sorted(acknowledged - there[kind]):
            history.wrong.append(f"acknowledged {kind} {lost} is lost")
        for extra in sorted(there[kind] - acknowledged):
            history.wrong.append(f"{kind} {extra} was made, and nobody was told so")
        for each in requests:
            if not each.settled:
                history.wrong.append(f"POST {each.path} was never answered: {each.key}")
    return there


def _keys_are_linearizable(history: History, there: dict[str, set[str]]) -> None:
    """A token's loser is refused under its key for ever: that key is judged with its token."""
    for request in history.requests:
        if request.proof is None:
            calls = [*request.calls, _last_look(request, there)]
            _hold(history, f"key {request.key}", calls, linear.key)


def _last_look(request: Request, there: dict[str, set[str]]) -> Call:
    """The store, at the end, as one more call that sees what there is."""
    found = request.made if request.made in there[request.kind] else None
    said = Said.DONE if found else Said.ABSENT
    at = max((call.ended for call in request.calls), default=0.0) + 1
    return Call("store", request.key, at, at, said, found)


def _proofs_are_linearizable(history: History) -> None:
    by_proof: dict[str, list[Call]] = defaultdict(list)
    for request in history.requests:
        if request.proof is not None:
            by_proof[request.proof] += request.calls
    history.counts["one-time tokens"] = len(by_proof)
    for name, calls in by_proof.items():
        if not any(call.said == Said.DONE for call in calls):
            history.counts["one-time tokens whose answer was lost"] += 1
        _hold(history, f"token {name}", calls, linear.proof)


def _hold(history: History, what: str, calls: Sequence[Call], rules: linear.Rules) -> None:
    history.counts["histories checked"] += 1
    history.counts["calls in them"] += len(calls)
    if not linear.linearizable(calls, rules):
        first = min(call.started for call in calls)
        told = "; ".join(
            f"{call.api} {call.key} {call.started - first:.2f}–{call.ended - first:.2f}"
            f" {call.said.value} {call.value or ''}"
            for call in sorted(calls, key=lambda call: call.started)
        )
        history.wrong.append(f"{what} has no order that explains it: {told}")


def _nobody_waited(history: History, spells: Sequence[Spell]) -> None:
    for call in (call for request in history.requests for call in request.calls):
        excused = any(
            each.api == call.api and each.began < call.ended and call.started < each.ended
            for each in spells
        )
        if call.ended - call.started > ANSWER_S and not excused:
            waited = call.ended - call.started
            history.wrong.append(f"{call.api} left a client waiting for {waited:.0f} s")


def _as_told(history: History, subscriptions: Iterable[Subscription]) -> StormHistory:
    """The same for the storm's rules about events and webhooks."""
    told = StormHistory()
    for each in subscriptions:
        told.add(each)
    for request in history.requests:
        made = request.made
        if made is None:
            told.unanswered.update((request.app, topic) for topic in request.topics)
            continue
        told.add(Resource(request.kind, made, request.app, request.state))
        done = min(call.ended for call in request.calls if call.said == Said.DONE)
        sent = min(call.started for call in request.calls)
        if request.topics:
            told.told.append(Told(request.app, made, request.topics, sent, done))
    return told
