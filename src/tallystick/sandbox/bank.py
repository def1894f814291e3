"""A fictional bank: the same person at the same institution always has the same accounts.

Simulators draw from it what the partners' documentation leaves open. Numbers are derived from the
login, so they survive a restart and repeat from run to run without being stored.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

AccountKind = Literal["checking", "savings"]

# Dwolla's own sandbox routing number (contract 6.9); it passes the ABA checksum.
ROUTING = "222222226"


@dataclass(frozen=True, slots=True)
class BankAccount:
    """An account at a fictional institution. Money is in cents."""

    name: str
    kind: AccountKind
    number: str
    routing: str
    available_cents: int
    current_cents: int

    @property
    def mask(self) -> str:
        return self.number[-4:]


def account(
    *login: str, name: str, kind: AccountKind, available_cents: int, current_cents: int
) -> BankAccount:
    """The account that belongs to this login: `("mxbank", "mxuser", "checking")`, say."""
    digest = hashlib.sha256("\x1f".join((*login, name, kind)).encode()).digest()
    number = str(int.from_bytes(digest[:8]) % 9_000_000_000 + 1_000_000_000)
    return BankAccount(name, kind, number, ROUTING, available_cents, current_cents)


def pick(key: str, choices: int) -> int:
    """A number below `choices` that depends on `key` alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % choices
