"""Institutions, test credentials and accounts of Plaid's Sandbox.

Plaid, Sandbox institutions; Sandbox test credentials; Auth in Sandbox (account numbers).
The accounts are the same at every institution, as in the Sandbox.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from tallystick.partners.plaid.simulator.errors import LOGIN_ERRORS, Refusal

Health = Literal["HEALTHY", "DEGRADED", "DOWN", "UNSUPPORTED"]

ROUTING = "011401533"
WIRE_ROUTING = "021000021"

_PRODUCTS = ("auth", "balance", "identity", "transactions")


@dataclass(frozen=True, slots=True)
class Institution:
    institution_id: str
    name: str
    colour: str
    oauth: bool = False
    health: Health = "HEALTHY"
    country: str = "US"

    @property
    def url(self) -> str:
        # RFC 2606: a name that no one can hold, so that nobody follows it to a real site.
        return f"https://{re.sub('[^a-z]+', '-', self.name.lower()).strip('-')}.example"

    @property
    def products(self) -> tuple[str, ...]:
        return _PRODUCTS


INSTITUTIONS = (
    Institution("ins_109508", "First Platypus Bank", "#1b5e7b"),
    Institution("ins_109509", "First Gingham Credit Union", "#8a2f3c"),
    Institution("ins_109510", "Tattersall Federal Credit Union", "#3a5a2a"),
    Institution("ins_109511", "Tartan Bank", "#23408e"),
    Institution("ins_109512", "Houndstooth Bank", "#3b3b3b"),
    Institution("ins_130016", "First Platypus Balance Bank", "#0f6b6b"),
    Institution("ins_127287", "Platypus OAuth Bank", "#5b3b8c", oauth=True),
    Institution("ins_132241", "First Platypus OAuth App2App Bank", "#7a4a12", oauth=True),
    Institution("ins_135858", "Windowpane Bank", "#2d6a9f"),
    Institution("ins_132363", "Unhealthy Platypus Bank - Degraded", "#7a5c00", health="DEGRADED"),
    Institution("ins_132361", "Unhealthy Platypus Bank - Down", "#8c2d19", health="DOWN"),
    Institution("ins_133402", "Unsupported Platypus Bank", "#5a5f6b", health="UNSUPPORTED"),
    Institution("ins_43", "Tartan-Dominion Bank of Canada", "#9c1c1c", country="CA"),
)
_BY_ID = {one.institution_id: one for one in INSTITUTIONS}


def institution(institution_id: str) -> Institution:
    """Raises Refusal (INVALID_INSTITUTION)."""
    if institution_id not in _BY_ID:
        raise Refusal("INVALID_INSTITUTION")
    return _BY_ID[institution_id]


def find_institutions(
    query: str = "", countries: tuple[str, ...] = (), products: tuple[str, ...] = ()
) -> list[Institution]:
    """Those whose name has every word of the query, in the given countries, with all products."""
    words = query.lower().split()
    return [
        one
        for one in INSTITUTIONS
        if all(word in one.name.lower() for word in words)
        and (not countries or one.country in countries)
        and set(products) <= set(one.products)
    ]


@dataclass(frozen=True, slots=True)
class Holding:
    """An account that the Sandbox's person has. Money is in whole dollars, as Plaid gives it."""

    name: str
    official_name: str
    type: str
    subtype: str
    number: str
    available: int | None
    current: int
    limit: int | None = None

    @property
    def mask(self) -> str:
        return self.number[-4:]

    @property
    def has_auth(self) -> bool:
        """Only checking, savings and cash management accounts can (Plaid, NO_AUTH_ACCOUNTS)."""
        return self.subtype in {"checking", "savings"}


HOLDINGS = (
    Holding(
        "Plaid Checking",
        "Plaid Gold Standard 0% Interest Checking",
        "depository",
        "checking",
        "1111222233330000",
        100,
        110,
    ),
    Holding(
        "Plaid Saving",
        "Plaid Silver Standard 0.1% Interest Saving",
        "depository",
        "savings",
        "1111222233331111",
        200,
        210,
    ),
    Holding(
        "Plaid CD",
        "Plaid Bronze Standard 0.2% Interest CD",
        "depository",
        "cd",
        "1111222233332222",
        None,
        1000,
    ),
    Holding(
        "Plaid Credit Card",
        "Plaid Diamond 12.5% APR Interest Credit Card",
        "credit",
        "credit card",
        "1111222233333333",
        None,
        410,
        2000,
    ),
    Holding(
        "Plaid Money Market",
        "Plaid Platinum Standard 1.85% Interest Money Market",
        "depository",
        "money market",
        "1111222233334444",
        43200,
        43200,
    ),
)
BY_NAME = {holding.name: holding for holding in HOLDINGS}

OWNER = "Alberta Bobbeth Charleson"

USER, PASSWORD = "user_good", "pass_good"  # the Sandbox's published login


def judge_login(username: str, password: str) -> str | None:
    """What this login leads to: None when the person is in, else the MFA plan to walk through.

    Raises Refusal with the error that Plaid's documentation gives for it; anything that is not a
    documented test login is INVALID_CREDENTIALS.
    """
    if username == USER:
        if password == PASSWORD:
            return None
        code = password.removeprefix("error_")
        if code != password and code in LOGIN_ERRORS:
            raise Refusal(code)
        if _plan(password):
            return password
    raise Refusal("INVALID_CREDENTIALS")


# MFA: a plan is the password that asked for it; a round is what one page shows.

_DEVICE_CODE = "1234"
_DEVICES = ("Text message to ***-***-1234", "E-mail to t***t@example.com")
_QUESTIONS = re.compile(r"mfa_questions_([1-9])_([1-9])", re.ASCII)
_SELECTIONS = re.compile(r"mfa_selections_([1-9])_([1-9])_([2-9])", re.ASCII)

Round = dict[str, Any]


def rounds(plan: str) -> list[Round]:
    """The rounds of an MFA plan: `type`, and `prompts` with `question`, `options`, `answers`."""
    found = _plan(plan)
    if found is None:
        raise Refusal("MFA_NOT_SUPPORTED")
    return found


def _plan(password: str) -> list[Round] | None:
    if password == "mfa_device":  # noqa: S105  # a published test password
        return [
            _round("device", _prompt("How should your bank send the code?", _DEVICES, _DEVICES)),
            _round("code", _prompt("Enter the code", (), (_DEVICE_CODE,))),
        ]
    if password == "mfa_selections":  # noqa: S105  # a published test password
        return [_round("selections", _prompt("Is this your account?", ("Yes", "No"), ("Yes",)))]
    if asked := _QUESTIONS.fullmatch(password):
        many, each = int(asked[1]), int(asked[2])
        return [
            _round(
                "questions",
                *(
                    _prompt(f"Security question {j + 1} of round {i + 1}", (), (f"answer_{i}_{j}",))
                    for j in range(each)
                ),
            )
            for i in range(many)
        ]
    if asked := _SELECTIONS.fullmatch(password):
        many, each, options = int(asked[1]), int(asked[2]), int(asked[3])
        return [
            _round(
                "selections",
                *(_selection(i, j, options) for j in range(1, each + 1)),
            )
            for i in range(1, many + 1)
        ]
    return None


def _selection(i: int, j: int, options: int) -> dict[str, Any]:
    # Plaid's example of a right answer is answer_1_1_0, for the m-th question in the n-th round:
    # read as counting rounds and questions from one.
    names = tuple(f"answer_{i}_{j}_{k}" for k in range(options))
    return _prompt(f"Security question {j} of round {i}", names, names[:1])


def _round(kind: str, *prompts: dict[str, Any]) -> Round:
    return {"type": kind, "prompts": list(prompts)}


def _prompt(question: str, options: tuple[str, ...], answers: tuple[str, ...]) -> dict[str, Any]:
    return {"question": question, "options": list(options), "answers": list(answers)}
