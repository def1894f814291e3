"""Flinks Capital, the dummy institution, and the people who bank there.

Names, password, questions and errors are Flinks' ("Test users"); `jane_doe_2_accounts` has a US
routing number (Dwolla, integration examples). `test_pending` and what the accounts hold are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tallystick.clock import SECOND_MS
from tallystick.sandbox.bank import ROUTING, AccountKind

INSTITUTION = "FlinksCapital"
INSTITUTION_NAME = "Flinks Capital"
PASSWORD = "Everyday"  # noqa: S105  # published by Flinks

# A client polls every ten seconds while Flinks works ("GetAccountsDetail").
WORK_MS = 10 * SECOND_MS

Currency = Literal["CAD", "USD"]


@dataclass(frozen=True, slots=True)
class Question:
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Holding:
    """An account. `transit` is a US account's routing number, `institution` is None there."""

    title: str
    kind: AccountKind
    currency: Currency
    transit: str
    institution: str | None
    available_cents: int
    current_cents: int


@dataclass(frozen=True, slots=True)
class Person:
    """A login. `refused` is the FlinksCode it always ends with, `waits` the one it works under."""

    holdings: tuple[Holding, ...] = ()
    questions: tuple[Question, ...] = ()
    refused: str | None = None
    waits: str | None = None


CANADIAN_QUESTIONS = (
    Question("What city were you born in?", "Montreal"),
    Question("What is the best country on earth?", "Canada"),
    Question("What shape do people like most?", "Triangle"),
)

_CANADIAN = (
    Holding("Chequing CAD", "checking", "CAD", "77777", "777", 457_106, 457_106),
    Holding("Savings CAD", "savings", "CAD", "77777", "777", 1_250_000, 1_250_000),
    Holding("Chequing USD", "checking", "USD", "77777", "777", 90_211, 90_211),
)
_AMERICAN = (
    Holding("Checking", "checking", "USD", ROUTING, None, 240_155, 251_120),
    Holding("Savings", "savings", "USD", ROUTING, None, 780_000, 780_000),
)

# By lower-case name: Flinks writes both `Greatday` and `greatday`.
PEOPLE = {
    "greatday": Person(_CANADIAN, CANADIAN_QUESTIONS),
    "greatday_nomfa": Person(_CANADIAN),
    "jane_doe_2_accounts": Person(_AMERICAN),
    "test_disabled_account": Person(refused="DISABLED_LOGIN"),
    "test_service_unavailable": Person(refused="RETRY_LATER"),
    "test_dispatched": Person(_AMERICAN, waits="OPERATION_DISPATCHED"),
    "test_pending": Person(_AMERICAN, waits="OPERATION_PENDING"),
}

# The sentences for a person and for `Message`.
MESSAGES = {
    "INVALID_USERNAME": "That username is not the one the bank expects.",
    "INVALID_PASSWORD": "That password is not the one the bank expects.",
    "INVALID_SECURITY_RESPONSE": "That answer is not the one the bank expects.",
    "INVALID_SECURITY_RESPONSE_NO_RETRY": "Too many wrong answers. Log in again.",
    "SECURITYRESPONSES_INCOMPLETE": "A question has no answer.",
    "UNKNOWN_CHALLENGE_KEY": "That question was not asked.",
    "DISABLED_LOGIN": "The bank has disabled this login. Log in at the bank's own site first.",
    "RETRY_LATER": "The bank does not answer at the moment. Try again later.",
    "OPERATION_PENDING": "Your operation is still processing.",
    "OPERATION_DISPATCHED": "Your operation goes on in the background.",
}
