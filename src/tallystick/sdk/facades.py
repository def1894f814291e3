"""All resources of a client, sync and async."""

from __future__ import annotations

from tallystick.api.accounts.sdk import Accounts, AsyncAccounts
from tallystick.api.customers.sdk import AsyncCustomers, Customers
from tallystick.api.events.sdk import AsyncEvents, Events
from tallystick.api.exchange_partners.sdk import AsyncExchangePartners, ExchangePartners
from tallystick.api.exchange_sessions.sdk import AsyncExchangeSessions, ExchangeSessions
from tallystick.api.exchanges.sdk import AsyncExchanges, Exchanges
from tallystick.api.funding_sources.sdk import AsyncFundingSources, FundingSources
from tallystick.api.sandbox_simulations.sdk import AsyncSandboxSimulations, SandboxSimulations
from tallystick.flow import Runs, RunsAsync
from tallystick.sdk.replays import (
    AsyncChosenSubscriptions,
    AsyncChosenWebhooks,
    ChosenSubscriptions,
    ChosenWebhooks,
)


class Resources:
    """The operations, one attribute for each resource."""

    def __init__(self, runner: Runs, owner: Runs | None = None) -> None:
        self.accounts = Accounts(runner, owner)
        self.customers = Customers(runner, owner)
        self.events = Events(runner, owner)
        self.exchange_partners = ExchangePartners(runner, owner)
        self.exchange_sessions = ExchangeSessions(runner, owner)
        self.exchanges = Exchanges(runner, owner)
        self.funding_sources = FundingSources(runner, owner)
        self.sandbox_simulations = SandboxSimulations(runner, owner)
        self.webhook_subscriptions = ChosenSubscriptions(runner, owner)
        self.webhooks = ChosenWebhooks(runner, owner)


class AsyncResources:
    """The operations, one attribute for each resource."""

    def __init__(self, runner: RunsAsync, owner: RunsAsync | None = None) -> None:
        self.accounts = AsyncAccounts(runner, owner)
        self.customers = AsyncCustomers(runner, owner)
        self.events = AsyncEvents(runner, owner)
        self.exchange_partners = AsyncExchangePartners(runner, owner)
        self.exchange_sessions = AsyncExchangeSessions(runner, owner)
        self.exchanges = AsyncExchanges(runner, owner)
        self.funding_sources = AsyncFundingSources(runner, owner)
        self.sandbox_simulations = AsyncSandboxSimulations(runner, owner)
        self.webhook_subscriptions = AsyncChosenSubscriptions(runner, owner)
        self.webhooks = AsyncChosenWebhooks(runner, owner)
