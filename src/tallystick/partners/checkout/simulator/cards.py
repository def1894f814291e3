"""Checkout.com's published test cards, and what each of them does.

These numbers are public and belong to nobody. Only they are accepted, so that nobody can leave a
real one here; and even they are not kept: a card is remembered by its first eight and last four
digits, which tell them apart.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

APPROVED = "10000"

# What Checkout.com calls the response codes that the cards lead to.
SUMMARIES = {
    "10000": "Approved",
    "20001": "Refer to card issuer",
    "20005": "Declined - Do not honour",
    "20012": "Invalid transaction",
    "20014": "Invalid account number (no such number)",
    "20020": "Invalid response",
    "20051": "Insufficient funds",
    "20054": "Expired card",
    "20057": "Transaction not permitted to cardholder",
    "20059": "Suspected fraud",
    "20061": "Activity amount limit exceeded",
    "20062": "Restricted card",
    "20063": "Security violation",
    "20068": "Response received too late / timeout",
    "200N7": "Decline for CVV2 failure",
    "30015": "No such issuer",
    "30041": "Lost card - Pick up",
    "30043": "Stolen card - Pick up",
}


@dataclass(frozen=True, slots=True)
class SandboxCard:
    """A card and how it answers.

    - `response`: to a payment of nothing. `paying`: to any other, when that differs.
    - `payout`: the response that a payout to it would get. Nothing here pays out.
    - `born_expired`: it is refused as expired until its expiry is changed.
    """

    bin: str
    last4: str
    scheme: str
    card_type: str = "DEBIT"
    country: str = "US"
    response: str = APPROVED
    paying: str | None = None
    payout: str = APPROVED
    born_expired: bool = False

    @property
    def key(self) -> str:
        return f"{self.bin}-{self.last4}"

    @property
    def fingerprint(self) -> str:
        """The same for the same card, and not made from its number."""
        return hashlib.sha1(f"card {self.key}".encode(), usedforsecurity=False).hexdigest().upper()

    def answer(self, amount: int) -> str:
        return self.paying if amount and self.paying else self.response


_PREFIXES = {"4": "Visa", "5": "Mastercard"}


def _cards(*numbers: str, **how: Any) -> list[tuple[str, SandboxCard]]:
    return [
        (number, SandboxCard(number[:8], number[-4:], _PREFIXES[number[0]], **how))
        for number in numbers
    ]


_LISTED = [
    *_cards("4024764449971519", "5318773012490080"),
    *_cards("4921817844445119", "5355224968521878", country="GB"),
    *_cards("4978313915783283", "5132728491870081", country="FR"),
    *_cards("4076613139850359", "5526303170157160", country="SG"),
    *_cards("4610179846730147", "5109110000000030", payout="20005"),
    *_cards("4818192525595285", "5574357535453624", payout="20005", country="GB"),
    *_cards("4610174464118832", "5109119931560251", payout="20057"),
    *_cards("4818192160565981", "5355224739676852", payout="20057", country="GB"),
    *_cards("4242424242424242", card_type="CREDIT", country="GB"),
    *_cards("4000020000000000", card_type="CREDIT"),
    *_cards("4659105569051157", country="GB"),
    *_cards("4000148147058142", card_type="PREPAID", response="20020"),
    *_cards("4000141680788456", card_type="PREPAID"),
    *_cards("4644968546281686", "5355228287185489", paying="20012"),
    *_cards("4546381219393284", "5355229757805879", paying="20051"),
    *_cards("4543611423334994", paying="20061"),
    *_cards("4857662623668665", paying="20062"),
    *_cards("4407108123937239", paying="20063"),
    *_cards("4111111111111129", response="20001"),
    *_cards("4485381577182090", response="20014"),
    *_cards("4544249167673670", response="20051"),
    *_cards("4897453568485113", response="20059"),
    *_cards("4818924250131070", response="20062"),
    *_cards("4556253752712245", response="20063"),
    *_cards("4095254802642505", response="20068"),
    *_cards("4734868958733862", response="200N7"),
    *_cards("4941202060999329", response="30041"),
    *_cards("4539253655711767", response="30043"),
    *_cards("4024007162185267", response="30015"),
    *_cards("4532446037926437", "5287286878576972", born_expired=True),
]

BY_NUMBER: dict[str, SandboxCard] = dict(_LISTED)
BY_KEY: dict[str, SandboxCard] = {card.key: card for card in BY_NUMBER.values()}

# The debit card that Dwolla's own example names (contract 6.9).
FIRST_NUMBER = "4024764449971519"


def is_luhn_valid(number: str) -> bool:
    """Whether the last digit is the checksum of the others (ISO/IEC 7812-1). Skips spaces."""
    digits = [int(digit) for digit in number if digit.isascii() and digit.isdigit()]
    doubled = [digit * 2 for digit in digits[-2::-2]]
    return sum(digits[-1::-2] + [digit - 9 if digit > 9 else digit for digit in doubled]) % 10 == 0
