"""A bank account on its way, as the two clients show it; see `linking.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tallystick.api.exchange_sessions.sdk import ExchangeSession
from tallystick.api.exchanges.sdk import Exchange
from tallystick.api.funding_sources.sdk import CardDetails, FundingSource
from tallystick.flow import Reference, Runs, RunsAsync
from tallystick.sdk import linking
from tallystick.sdk.linking import Kind, LinkState
from tallystick.sdk.results import AsyncCreated, Created


@dataclass(frozen=True, slots=True)
class LinkedExchange(Created[Exchange]):
    """The exchange that came of a link; good wherever an exchange is asked for."""

    state: LinkState

    def create_funding_source(
        self,
        *,
        name: str,
        type: Kind | None = None,  # noqa: A002  # the wire's word, shortened
        card_details: CardDetails | None = None,
    ) -> FundingSource:
        """The last step: a bank account needs its `type`, a card its holder's `card_details`."""
        return self.runner.run(linking.fund(self.state, self.id, name, type, card_details))


@dataclass(frozen=True, slots=True)
class AsyncLinkedExchange(AsyncCreated[Exchange]):
    """The exchange that came of a link; good wherever an exchange is asked for."""

    state: LinkState

    async def create_funding_source(
        self,
        *,
        name: str,
        type: Kind | None = None,  # noqa: A002  # the wire's word, shortened
        card_details: CardDetails | None = None,
    ) -> FundingSource:
        """The last step: a bank account needs its `type`, a card its holder's `card_details`."""
        return await self.runner.run(linking.fund(self.state, self.id, name, type, card_details))


class BankLink:
    """A bank account on its way. `state` survives between two requests, with `resume_link`."""

    def __init__(
        self, runner: Runs, state: LinkState, session: ExchangeSession | None = None
    ) -> None:
        self._runner = runner
        self.state = state
        self.session = session
        self._proof: dict[str, str] = {}

    def __repr__(self) -> str:
        partner, session = self.state.get("partner_name"), self.state.get("session")
        return f"{type(self).__name__}(partner={partner!r}, session={session!r})"

    @property
    def connect_url(self) -> str | None:
        """What the person opens; None where the page is yours (`session` has its token)."""
        return self.session.connect_url if self.session else None

    def complete(
        self,
        *,
        public_token: str | None = None,
        token: str | None = None,
        account: str | None = None,
        idempotency_key: str | None = None,
    ) -> LinkedExchange:
        """Make the exchange, from Plaid's public token or Checkout's payment id (`token`).

        At MX from what was shared: `account` names the one, if it was more than one; without it the
        exchange that came of this link before is given again. At Visa the gateway made it when the
        person came back. Raises LinkNotCompletedError.
        """
        proof = _proof(public_token, token) or self._proof
        return self._linked(
            self._runner.run(linking.complete(self.state, proof, account, idempotency_key))
        )

    def wait(
        self,
        *,
        timeout: float = 300.0,
        account: str | None = None,
        idempotency_key: str | None = None,
    ) -> LinkedExchange:
        """Wait until the person is done. Raises LinkNotCompletedError after `timeout` seconds."""
        if self._proof:
            return self.complete(idempotency_key=idempotency_key)
        return self._linked(
            self._runner.run(linking.wait(self.state, account, idempotency_key), timeout_s=timeout)
        )

    def simulate(self, **signs_in: Any) -> Mapping[str, Any]:
        """Finish the page without a browser (`user`, `password`, …); sandbox only."""
        done = self._runner.run(linking.simulate(self.state, signs_in))
        self._proof = _simulated(done)
        return done

    def _linked(self, made: Reference[Exchange]) -> LinkedExchange:
        return LinkedExchange(made.model, made.id, made.href, made.http, self._runner, self.state)


class AsyncBankLink:
    """A bank account on its way. `state` survives between two requests, with `resume_link`."""

    def __init__(
        self, runner: RunsAsync, state: LinkState, session: ExchangeSession | None = None
    ) -> None:
        self._runner = runner
        self.state = state
        self.session = session
        self._proof: dict[str, str] = {}

    def __repr__(self) -> str:
        partner, session = self.state.get("partner_name"), self.state.get("session")
        return f"{type(self).__name__}(partner={partner!r}, session={session!r})"

    @property
    def connect_url(self) -> str | None:
        """What the person opens; None where the page is yours (`session` has its token)."""
        return self.session.connect_url if self.session else None

    async def complete(
        self,
        *,
        public_token: str | None = None,
        token: str | None = None,
        account: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncLinkedExchange:
        """Make the exchange, from Plaid's public token or Checkout's payment id (`token`).

        At MX from what was shared: `account` names the one, if it was more than one; without it the
        exchange that came of this link before is given again. At Visa the gateway made it when the
        person came back. Raises LinkNotCompletedError.
        """
        proof = _proof(public_token, token) or self._proof
        return self._linked(
            await self._runner.run(linking.complete(self.state, proof, account, idempotency_key))
        )

    async def wait(
        self,
        *,
        timeout: float = 300.0,  # noqa: ASYNC109  # the same name as on the sync client
        account: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncLinkedExchange:
        """Wait until the person is done. Raises LinkNotCompletedError after `timeout` seconds."""
        if self._proof:
            return await self.complete(idempotency_key=idempotency_key)
        return self._linked(
            await self._runner.run(
                linking.wait(self.state, account, idempotency_key), timeout_s=timeout
            )
        )

    async def simulate(self, **signs_in: Any) -> Mapping[str, Any]:
        """Finish the page without a browser (`user`, `password`, …); sandbox only."""
        done = await self._runner.run(linking.simulate(self.state, signs_in))
        self._proof = _simulated(done)
        return done

    def _linked(self, made: Reference[Exchange]) -> AsyncLinkedExchange:
        return AsyncLinkedExchange(
            made.model, made.id, made.href, made.http, self._runner, self.state
        )


def _proof(public_token: str | None, token: str | None) -> dict[str, str]:
    found = {"plaid_public_token": public_token, "token": token}
    return {name: value for name, value in found.items() if value is not None}


def _simulated(done: Mapping[str, Any]) -> dict[str, str]:
    """The proof that the page would have been given, if the partner gives it one."""
    keywords = {"publicToken": "plaid_public_token", "token": "token"}
    return {
        keyword: done[name] for name, keyword in keywords.items() if isinstance(done.get(name), str)
    }
