"""What the checker takes for linearizable and what it does not, on histories small enough to read."""

from __future__ import annotations

import itertools
import random

import pytest

from .history import Call, Said
from .linear import key, linearizable, proof


def call(started, ended, said, value=None, under="k"):
    return Call("api", under, started, ended, Said(said), value)


KEYS = [
    ("one made it, the other heard so", True, [(0, 2, "done", "a"), (1, 3, "done", "a")]),
    ("two were made", False, [(0, 2, "done", "a"), (1, 3, "done", "b")]),
    ("busy while it was made", True, [(0, 3, "done", "a"), (1, 2, "busy")]),
    ("busy after it was made", False, [(0, 1, "done", "a"), (2, 3, "busy")]),
    ("made by who never heard", True, [(0, 1, "unknown"), (2, 3, "done", "a")]),
    ("made late by who never heard", True, [(0, 1, "unknown"), (2, 3, "busy"), (4, 5, "done", "a")]),
    ("refused by its own key", False, [(0, 1, "unknown"), (2, 3, "refused")]),
    ("lost", False, [(0, 1, "done", "a"), (9, 9, "absent")]),
    ("never made", True, [(0, 1, "unknown"), (9, 9, "absent")]),
    ("found", True, [(0, 1, "unknown"), (9, 9, "done", "a")]),
]  # fmt: skip
PROOFS = [
    ("the other is refused", True, [(0, 2, "done", "a", "k"), (1, 3, "refused", None, "l")]),
    ("both have it", False, [(0, 2, "done", "a", "k"), (1, 3, "done", "a", "l")]),
    ("two were made", False, [(0, 2, "done", "a", "k"), (5, 6, "done", "b", "l")]),
    ("refused before anybody came", False, [(0, 1, "refused", None, "l"), (2, 3, "done", "a", "k")]),
    ("refused, and nobody has it", False, [(0, 1, "refused", None, "k"), (0, 1, "busy", None, "l")]),
    ("lost with who never heard", True, [(0, 1, "unknown", None, "k"), (2, 3, "refused", None, "l")]),
    ("lost, and found again", False,
     [(0, 1, "unknown", None, "k"), (2, 3, "refused", None, "k"), (4, 5, "done", "a", "k")]),
    ("the winner is refused later", False, [(0, 1, "done", "a", "k"), (2, 3, "refused", None, "k")]),
    ("the winner asks again", True,
     [(0, 1, "done", "a", "k"), (2, 3, "refused", None, "l"), (4, 5, "done", "a", "k")]),
    ("busy after it was made", False, [(0, 1, "done", "a", "k"), (2, 3, "busy", None, "l")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("calls", "right"), [(c, r) for _, r, c in KEYS], ids=[n for n, _, _ in KEYS]
)
def test_a_key(calls, right):
    assert linearizable([call(*each) for each in calls], key) is right


@pytest.mark.parametrize(
    ("calls", "right"), [(c, r) for _, r, c in PROOFS], ids=[n for n, _, _ in PROOFS]
)
def test_a_token(calls, right):
    assert linearizable([call(*each) for each in calls], proof) is right


@pytest.mark.parametrize("rules", [key, proof])
def test_it_says_what_trying_every_order_says(rules):
    """On a thousand random histories of five calls, most of them wrong."""
    rng = random.Random(1)
    verdicts = []
    for _ in range(1_000):
        calls = []
        for _ in range(5):
            started = rng.randrange(8)
            said = rng.choice(["done", "done", "busy", "refused", "unknown", "unknown", "absent"])
            made = rng.choice("ab") if said == "done" else None
            calls.append(call(started, started + rng.randrange(6), said, made, rng.choice("kl")))
        found = linearizable(calls, rules)
        assert found == any(explains(order, rules) for order in orders(calls)), calls
        verdicts.append(found)
    assert 20 < sum(verdicts) < 980


def orders(calls):
    """Every order that keeps who ended before another started, with any of the unknown left out."""
    certain = [each for each in calls if each.said != Said.UNKNOWN]
    unknown = [each for each in calls if each.said == Said.UNKNOWN]
    for count in range(len(unknown) + 1):
        for some in itertools.combinations(unknown, count):
            for order in itertools.permutations([*certain, *some]):
                if not any(
                    later.said != Said.UNKNOWN and later.ended < earlier.started
                    for n, earlier in enumerate(order)
                    for later in order[n + 1 :]
                ):
                    yield order


def explains(order, rules):
    states = {None}
    for each in order:
        states = {after for state in states for after in rules(state, each)}
    return bool(states)
