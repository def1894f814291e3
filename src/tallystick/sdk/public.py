"""The names that `tallystick` itself shows."""

from __future__ import annotations

from tallystick.api.accounts.sdk import Account
from tallystick.api.available_connections.sdk import AvailableConnection
from tallystick.api.customers.sdk import Customer
from tallystick.api.events.sdk import Event
from tallystick.api.exchange_partners.sdk import ExchangePartner
from tallystick.api.exchange_sessions.sdk import ExchangeSession
from tallystick.api.exchanges.sdk import Exchange, FinicityReceipt
from tallystick.api.funding_sources.sdk import Balance, FundingSource
from tallystick.api.root.sdk import Root
from tallystick.flow import Http, Reference, Resource
from tallystick.sdk import errors
from tallystick.sdk.client import AsyncClient, Client
from tallystick.sdk.errors import *  # noqa: F403  # it lists what it shows
from tallystick.sdk.link import AsyncBankLink, BankLink
from tallystick.sdk.linking import LinkState
from tallystick.sdk.options import Retried
from tallystick.sdk.requests import Outgoing
from tallystick.sdk.results import AsyncCreated, AsyncPage, Created, Page, RawResponse
from tallystick.sdk.retries import RetryConfig
from tallystick.sdk.webhooks import Webhook, WebhookSubscription

__all__ = [
    "Account",
    "AsyncBankLink",
    "AsyncClient",
    "AsyncCreated",
    "AsyncPage",
    "AvailableConnection",
    "Balance",
    "BankLink",
    "Client",
    "Created",
    "Customer",
    "Event",
    "Exchange",
    "ExchangePartner",
    "ExchangeSession",
    "FinicityReceipt",
    "FundingSource",
    "Http",
    "LinkState",
    "Outgoing",
    "Page",
    "RawResponse",
    "Reference",
    "Resource",
    "Retried",
    "RetryConfig",
    "Root",
    "Webhook",
    "WebhookSubscription",
]
__all__ += errors.__all__
