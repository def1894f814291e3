"""Tink's Demo Bank: who may log in, what becomes of it, and what there is to share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tallystick.sandbox.bank import AccountKind, BankAccount, account

Behaviour = Literal["good", "empty", "wrong", "down"]

MARKET = "US"

# The test users of Dwolla's page on Visa; the last one is of its older sample.
LOGINS: dict[tuple[str, str], Behaviour] = {
    ("u35490150", "ckr403"): "good",
    ("u51613239", "cty440"): "empty",
    ("u92721594", "nbs589"): "wrong",
    ("u91902655", "jtx720"): "down",
    ("u30915384", "bsw325"): "good",
}
GOOD_USER, GOOD_PASSWORD = "u35490150", "ckr403"  # a published test login
HOLDER = "Jane Doe"


@dataclass(frozen=True, slots=True)
class Provider:
    """A bank on Tink Link's list."""

    name: str
    label: str


PROVIDERS = (
    Provider("us-demobank", "Demo Bank"),
    Provider("us-demobank-credit-union", "Demo Credit Union"),
)
BY_NAME = {provider.name: provider for provider in PROVIDERS}


@dataclass(frozen=True, slots=True)
class Holding:
    """An account that every good login has. Money is in cents."""

    kind: AccountKind
    name: str
    available_cents: int
    current_cents: int


HOLDINGS = (
    Holding("checking", "Everyday Checking", 184_250, 190_000),
    Holding("savings", "Rainy Day Savings", 542_000, 542_000),
)


def behave(username: str, password: str) -> Behaviour:
    """What becomes of a login; whatever is not in the table is wrong."""
    return LOGINS.get((username, password), "wrong")


def holdings_of(provider: str, username: str) -> list[BankAccount]:
    """The accounts behind a login: the same for the same login."""
    return [
        account(
            provider,
            username,
            name=each.name,
            kind=each.kind,
            available_cents=each.available_cents,
            current_cents=each.current_cents,
        )
        for each in HOLDINGS
    ]
