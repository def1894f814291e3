"""What a person or a bank does, without a browser."""

from __future__ import annotations

from typing import Any

from tallystick import Client, Customer, Exchange
from tallystick.flow import Ref, id_of
from tallystick.pytest.control import Control
from tallystick.sdk.link import LinkedExchange


class Simulate:
    """The person at the connect page, and the bank that wants them back."""

    def __init__(self, control: Control, client: Client) -> None:
        self._control = control
        self._client = client

    def link(
        self, customer: Ref[Customer], partner: str = "plaid", **signs_in: Any
    ) -> LinkedExchange:
        """A bank account, linked: session, connect page, exchange.

        `signs_in` is what the person enters, as the partner's page names it: `user`, `password`,
        `institution`. For partners that have exchange sessions.
        """
        link = self._client.link_bank_account(customer, partner=partner)
        link.simulate(**signs_in)
        return link.complete()

    def require_reauth(self, exchange: Ref[Exchange]) -> None:
        """The bank wants the person to sign in again."""
        self._drive(exchange, "require-reauth")

    def deactivate(self, exchange: Ref[Exchange]) -> None:
        self._drive(exchange, "deactivate")

    def remove(self, exchange: Ref[Exchange]) -> None:
        self._drive(exchange, "remove")

    def restore(self, exchange: Ref[Exchange]) -> None:
        """All is well again."""
        self._drive(exchange, "restore")

    def _drive(self, exchange: Ref[Exchange], state: str) -> None:
        path = f"exchanges/{id_of(exchange, Exchange)}/{state}"
        self._control.call("POST", path)
