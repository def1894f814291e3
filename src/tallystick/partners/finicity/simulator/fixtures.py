"""Mastercard's test banks, their test sign-ins and the accounts behind them.

Sources: "Test the APIs", its tables of sign-in authentication profiles and of bank account
profiles; the id of FinBank Profiles - A from Mastercard's setup script. Our reading: the id of
FinBank Profiles - B, and which accounts each profile has, with which amounts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

PROFILE = re.compile(r"profile_\d{2,4}", re.ASCII)

ChallengeKind = Literal["text", "choice", "image"]


@dataclass(frozen=True, slots=True)
class Institution:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """A security question. `options` are the answers to choose from; `picture` a data URI."""

    kind: ChallengeKind
    text: str
    options: tuple[str, ...] = ()
    picture: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sign-in leads to: an aggregation status code, and the question when it is 185."""

    code: int
    challenge: Challenge | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """An account of a test person. Only the first two kinds have numbers for a transfer."""

    name: str
    type: Literal["checking", "savings", "creditCard"]
    available_cents: int
    current_cents: int


INSTITUTIONS = (
    Institution(101732, "FinBank"),
    Institution(102105, "FinBank Profiles - A"),
    Institution(102106, "FinBank Profiles - B"),
)
BY_ID = {institution.id: institution for institution in INSTITUTIONS}

HOLDINGS = (
    Holding("Checking", "checking", 248_012, 251_033),
    Holding("Savings", "savings", 1_090_500, 1_090_500),
)
CARD = Holding("Credit Card", "creditCard", 300_000, 57_893)
# Who has a card as well: an account that has no numbers to transfer to.
WITH_CARD = frozenset({"profile_03", "demo"})

SUCCESS, BAD_CREDENTIALS, CHALLENGED, WRONG_ANSWER = 0, 103, 185, 187

_QUESTION = "What is the name of your first pet?"


def _word(text: str) -> str:
    svg = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 200 60' width='200' height='60'>"
        "<rect width='200' height='60' fill='#e6e8ee'/><text x='100' y='40' fill='#16181d' "
        f"font-family='monospace' font-size='28' text-anchor='middle'>{text}</text></svg>"
    )
    return f"data:image/svg+xml,{quote(svg)}"


_CHALLENGES = {
    "tfa_text": Challenge("text", _QUESTION),
    "tfa_choice": Challenge("choice", "Where shall the code go?", ("Text", "Call", "fail")),
    "tfa_image": Challenge("image", "Type the word in the picture.", picture=_word("tally")),
    "tfa_multi": Challenge("choice", "Which picture is yours?", ("Tree", "House", "Boat")),
}
# Passwords of `demo` that end with the code they name, or ask which picture is the right one.
_CODES = frozenset({"123", "125", "127", "128", "130"})
_PICTURES = frozenset({"imagechoice", "imagechoice2"})


def judge_login(username: str, password: str) -> Outcome:
    """What Mastercard's test banks make of a sign-in."""
    if PROFILE.fullmatch(username) and username == password:
        return Outcome(SUCCESS)
    if username in _CHALLENGES and password == "go":  # noqa: S105  # a published test password
        return Outcome(CHALLENGED, _CHALLENGES[username])
    if username == "demo" and password in _CODES:
        return Outcome(int(password))
    if username == "demo" and password in _PICTURES:
        return Outcome(CHALLENGED, _CHALLENGES["tfa_multi"])
    return Outcome(SUCCESS if (username, password) == ("demo", "go") else BAD_CREDENTIALS)


def judge_answer(challenge: Challenge, answer: str) -> Outcome:
    """`mfa` to a text brings another question, `fail` to a choice fails; any other is right."""
    if challenge.kind == "text" and answer.lower() == "mfa":
        return Outcome(CHALLENGED, challenge)
    if challenge.kind == "choice" and (answer == "fail" or answer not in challenge.options):
        return Outcome(WRONG_ANSWER)
    return Outcome(SUCCESS)


def holdings_of(username: str) -> tuple[Holding, ...]:
    return (*HOLDINGS, CARD) if username in WITH_CARD else HOLDINGS


def search(query: str) -> list[Institution]:
    """Those of whose name some word begins with each word of the query."""
    words = query.lower().split()
    return [each for each in INSTITUTIONS if all(_begins(each.name, word) for word in words)]


def _begins(name: str, word: str) -> bool:
    return any(part.startswith(word) for part in name.lower().split())
