"""What every resource works with, and who is asking."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from tallystick.clock import Clock
from tallystick.ids import Entropy, Ids
from tallystick.partners.contract import Partners
from tallystick.store.db import Database
from tallystick.store.vault import Vault

Codes = Literal["seed", "pascal"]


class Principal(msgspec.Struct, frozen=True):
    """The application behind an access token. `withheld` are the scopes switched off for it."""

    app_id: str
    account_id: str
    account_name: str
    created_at: int
    withheld: frozenset[str] = frozenset()
    redirect_urls: Sequence[str] = ()


class Bearer(NamedTuple):
    """What is known of an access token."""

    principal: Principal
    expires_at: int
    status: str
    account_status: str


class Bearers:
    """Authorization headers that were looked up within the last second, so that a burst asks once.

    A second is how long a revocation may take to be seen everywhere (invariant I10). It is a
    second of the process, not of the virtual clock, which may stand still.
    """

    LIFETIME_S = 1.0
    HEADERS_MAX = 10_000
    # A token may stand behind as many blanks as a head has room for; such a header is not kept.
    HEADER_CHARS_MAX = 256

    def __init__(self) -> None:
        self._known: dict[str | None, tuple[float, Bearer]] = {}

    def get(self, header: str | None) -> Bearer | None:
        known = self._known.get(header)
        if known is None or known[0] <= time.monotonic():
            return None
        return known[1]

    def put(self, header: str, bearer: Bearer, asked_at: float) -> None:
        """`asked_at`: by `time.monotonic()`, before the store was asked, which may answer late."""
        if len(header) > self.HEADER_CHARS_MAX:
            return
        if len(self._known) >= self.HEADERS_MAX:
            self._known.clear()
        self._known[header] = (asked_at + self.LIFETIME_S, bearer)

    def clear(self) -> None:
        self._known.clear()


@dataclass(frozen=True, slots=True)
class Core:
    """The gateway without its HTTP: built once per process, handed to every service.

    - `alias_bases`: base URLs that a client's links may carry besides our own (decision 4).
    - `codes`: how error codes are spelled where Dwolla's two documents differ (contract 10, no. 4).
    - `live`: real money and real people; else a sandbox.
    - `webhook_hosts`: hosts that webhooks may go to in live whatever their address, scheme, port.
    - `webhook_ports`: the ports that all others may have there (threat T4).
    """

    db: Database
    vault: Vault
    clock: Clock
    entropy: Entropy
    ids: Ids
    partners: Partners
    alias_bases: Sequence[str] = ()
    codes: Codes = "seed"
    public_url: str | None = None
    live: bool = False
    webhook_hosts: Sequence[str] = ()
    webhook_ports: Sequence[int] = (443, 8443)
    bearers: Bearers = field(default_factory=Bearers)
