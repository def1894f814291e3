"""MX's test institutions, their login fields and what each test password brings about.

The table of passwords is MX's ("Testing with MX Bank"), the numbers of the statuses are those of
its Connect page (mxenabled/connect-widget, Statuses). The institutions' guids are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tallystick.partners.mx.simulator.picture import draw

TEST_USER = "mxuser"
RIGHT_ANSWER = "correct"

ChallengeKind = Literal["TEXT", "OPTIONS", "IMAGE_DATA"]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing an institution asks for at login."""

    guid: str
    name: str
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Institution:
    code: str
    guid: str
    name: str
    url: str
    fields: tuple[Field, ...]
    oauth: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a login leads to: a connection status, and the challenge when it is CHALLENGED."""

    status: str
    challenge: ChallengeKind | None = None


STATUS_NUMBERS = {
    "CREATED": 0,
    "PREVENTED": 1,
    "DENIED": 2,
    "CHALLENGED": 3,
    "REJECTED": 4,
    "LOCKED": 5,
    "CONNECTED": 6,
    "IMPEDED": 7,
    "RECONNECTED": 8,
    "DEGRADED": 9,
    "DISCONNECTED": 10,
    "DISCONTINUED": 11,
    "CLOSED": 12,
    "DELAYED": 13,
    "FAILED": 14,
    "UPDATED": 15,
    "DISABLED": 16,
    "IMPORTED": 17,
    "RESUMED": 18,
    "EXPIRED": 19,
    "IMPAIRED": 20,
    "PENDING": 21,
}

# New credentials are what MX asks for in these (Nexus API, connection statuses).
NEEDS_CREDENTIALS = frozenset({"PREVENTED", "DENIED", "IMPEDED", "EXPIRED", "IMPAIRED", "IMPORTED"})

WAITS_FOR_ANSWER = frozenset({"CHALLENGED", "REJECTED"})

_CONNECTED = Outcome("CONNECTED")

_PASSWORDS = {
    "challenge": Outcome("CHALLENGED", "TEXT"),
    "options": Outcome("CHALLENGED", "OPTIONS"),
    "image": Outcome("CHALLENGED", "IMAGE_DATA"),
    "BAD_REQUEST": Outcome("FAILED"),
    "SERVER_ERROR": Outcome("FAILED"),
    "UNAVAILABLE": Outcome("FAILED"),
    "UNAUTHORIZED": Outcome("DENIED"),
    "INVALID": Outcome("DENIED"),
    "DISABLED": Outcome("DENIED"),
    "LOCKED": Outcome("LOCKED"),
}

# "This password may also be used as an MFA answer."
_ANSWERS = {name: _PASSWORDS[name] for name in ("DISABLED", "SERVER_ERROR", "UNAVAILABLE")}


def judge_login(username: str, password: str) -> Outcome:
    """What MX Bank makes of these credentials."""
    if username != TEST_USER:
        return Outcome("DENIED")
    return _PASSWORDS.get(password, _CONNECTED)


def judge_answer(answer: str) -> Outcome:
    """What MX Bank makes of the answer to a challenge."""
    if answer == RIGHT_ANSWER:
        return _CONNECTED
    return _ANSWERS.get(answer, Outcome("REJECTED"))


def describe(status: str, name: str) -> str:
    """The sentence for a person; those on failures are what MX's Connect page says."""
    return _SENTENCES.get(status, "The connection to {name} needs attention.").format(name=name)


_SENTENCES = {
    "CREATED": "Connecting to {name}.",
    "PENDING": "Waiting for you to finish at {name}.",
    "CONNECTED": "Connected to {name}",
    "CHALLENGED": "To authenticate your connection to {name}, please answer the following.",
    "REJECTED": "The answer or answers provided were incorrect. Please try again.",
    "DENIED": (
        "The credentials entered do not match those at {name}. "
        "Please correct them below to continue."
    ),
    "PREVENTED": (
        "The last 3 attempts to connect have failed. Please re-enter your credentials to continue."
    ),
    "LOCKED": (
        "Your account is locked. Please log in to the appropriate website for {name} "
        "and follow the steps to resolve the issue."
    ),
    "FAILED": (
        "There was a problem validating your credentials with {name}. Please try again later."
    ),
    "IMPEDED": "Your attention is needed at {name} before the connection can be updated.",
    "EXPIRED": "The time to answer {name} has run out. Please try again.",
}


@dataclass(frozen=True, slots=True)
class ChallengeText:
    """The wording of one kind of challenge."""

    label: str
    options: tuple[str, ...] = ()
    image: str | None = None


CHALLENGES: dict[str, ChallengeText] = {
    "TEXT": ChallengeText("What is the answer to your security question?"),
    "OPTIONS": ChallengeText(
        "Choose the answer you gave when you signed up.", ("correct", "incorrect", "UNAVAILABLE")
    ),
    "IMAGE_DATA": ChallengeText("Type the word in the picture.", image=draw(RIGHT_ANSWER)),
}


def _login_fields(user_guid: str, password_guid: str) -> tuple[Field, ...]:
    return (
        Field(user_guid, "LOGIN", "TEXT", "Username"),
        Field(password_guid, "PASSWORD", "PASSWORD", "Password"),
    )


INSTITUTIONS = (
    Institution(
        "mxbank",
        "INS-5f9d3c1e-6a74-4a52-9d0e-1b7c40f3a861",
        "MX Bank",
        "https://www.mxbank.com",
        _login_fields(
            "CRD-0a4f2b8d-3e57-4d19-8c6b-72f1e9a0d531", "CRD-9b61c7e4-58d2-4f0a-b3a7-c40e8d25f716"
        ),
    ),
    Institution(
        "mx_bank_oauth",
        "INS-c27b80e4-19d5-4c36-8f4a-e0637d95b21a",
        "MX Bank (OAuth)",
        "https://mxbank.mx.com",
        (),
        oauth=True,
    ),
)

BY_CODE = {institution.code: institution for institution in INSTITUTIONS}


@dataclass(frozen=True, slots=True)
class Holding:
    """An account everyone has at the test institutions. Money is in cents."""

    name: str
    kind: Literal["checking", "savings"]
    available_cents: int
    current_cents: int


HOLDINGS = (
    Holding("Checking", "checking", 120_455, 125_000),
    Holding("Savings", "savings", 530_000, 530_000),
)
