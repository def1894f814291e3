"""Every operation as a function, as in Dwolla's SDK documentation: it returns instead of raising.

    result = exchange_sessions_create_customer_exchange_session(
        client, customer, exchange_partner="plaid")
    if not result.ok:
        raise result.error
    session = result.value

With an `AsyncClient` the same call is awaited. What is created comes as a `Reference`, a list as
one page, `Listed`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from tallystick.api.accounts import sdk as accounts
from tallystick.api.available_connections import sdk as connections
from tallystick.api.customers import sdk as customers
from tallystick.api.events import sdk as events
from tallystick.api.exchange_partners import sdk as partners
from tallystick.api.exchange_sessions import sdk as sessions
from tallystick.api.exchanges import sdk as exchanges
from tallystick.api.funding_sources import sdk as sources
from tallystick.api.root.sdk import get_root
from tallystick.api.sandbox_simulations import sdk as simulations
from tallystick.errors import TallystickError
from tallystick.flow import Call, Flow, Listed
from tallystick.sdk import webhooks
from tallystick.sdk.client import AsyncClient, Client

P = ParamSpec("P")
T = TypeVar("T")


class Result(Generic[T]):
    """A value or an error."""

    def __init__(self, value: T | None = None, error: TallystickError | None = None) -> None:
        self._value = value
        self._error = error

    @property
    def ok(self) -> bool:
        return self._error is None

    @property
    def value(self) -> T:
        """Raises the error when there is one."""
        if self._error is not None:
            raise self._error
        return cast("T", self._value)

    @property
    def error(self) -> TallystickError:
        """Raises AttributeError when there is none."""
        if self._error is None:
            raise AttributeError("there is no error: the operation succeeded")
        return self._error

    def __repr__(self) -> str:
        return f"Result({self._value!r})" if self.ok else f"Result(error={self._error!r})"


class Standalone(Generic[P, T]):
    """A flow as a function of a client: the only part of it that knows of sync and async."""

    def __init__(self, flow: Callable[P, Flow[T]]) -> None:
        self.flow = flow

    @overload
    def __call__(self, client: Client, /, *args: P.args, **kwargs: P.kwargs) -> Result[T]: ...
    @overload
    def __call__(
        self, client: AsyncClient, /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[Result[T]]: ...
    def __call__(self, client: Client | AsyncClient, /, *args: Any, **kwargs: Any) -> Any:
        if isinstance(client, AsyncClient):
            return self._later(client, *args, **kwargs)
        try:
            return Result(client.run(self.flow(*args, **kwargs)))
        except TallystickError as error:
            return Result(error=error)

    async def _later(self, client: AsyncClient, *args: Any, **kwargs: Any) -> Result[T]:
        try:
            return Result(await client.run(self.flow(*args, **kwargs)))
        except TallystickError as error:
            return Result(error=error)


def _paged(
    call_of: Callable[P, Call], turn: Callable[[Call], Flow[Listed[T]]]
) -> Standalone[P, Listed[T]]:
    def flow(*args: P.args, **kwargs: P.kwargs) -> Flow[Listed[T]]:
        return turn(call_of(*args, **kwargs))

    return Standalone(flow)


root_get = Standalone(get_root)
accounts_get_account = Standalone(accounts.get_account)

customers_create_customer = Standalone(customers.create_customer)
customers_get_customer = Standalone(customers.get_customer)
customers_update = Standalone(customers.update_customer)
customers_list_and_search_customers = _paged(customers.customers_matching, customers.list_customers)

exchange_partners_list_exchange_partners = Standalone(partners.list_exchange_partners)
exchange_partners_get_exchange_partner = Standalone(partners.get_exchange_partner)

exchange_sessions_create_customer_exchange_session = Standalone(
    sessions.create_customer_exchange_session
)
exchange_sessions_retrieve_customer_exchange_session = Standalone(
    sessions.retrieve_customer_exchange_session
)
exchange_sessions_create_re_auth_exchange_session = Standalone(
    sessions.create_re_auth_exchange_session
)
exchange_sessions_list_available_exchange_connections = _paged(
    connections.available_connections_of, connections.list_available_exchange_connections
)

exchanges_create_customer_exchange = Standalone(exchanges.create_customer_exchange)
exchanges_create_account_exchange = Standalone(exchanges.create_account_exchange)
exchanges_get_exchange = Standalone(exchanges.get_exchange)
exchanges_list_customer_exchanges = _paged(exchanges.exchanges_of, exchanges.list_exchanges)
exchanges_list_account_exchanges = Standalone(exchanges.list_exchanges)

funding_sources_create_customer_funding_source = Standalone(sources.create_customer_funding_source)
funding_sources_create_funding_source = Standalone(sources.create_funding_source)
funding_sources_get_funding_source = Standalone(sources.get_funding_source)
funding_sources_update_or_remove_funding_source = Standalone(sources.update_funding_source)
funding_sources_get_funding_source_balance = Standalone(sources.get_funding_source_balance)
funding_sources_list_customer_funding_sources = _paged(
    sources.sources_of_customer, sources.list_funding_sources
)
funding_sources_list_funding_sources = _paged(
    sources.sources_of_account, sources.list_funding_sources
)

events_get_event = Standalone(events.get_event)
events_list_events = _paged(events.events_from, events.list_events)

sandbox_simulations_simulate_bank_transfer_processing = Standalone(simulations.simulate)

webhook_subscriptions_create_webhook_subscription = Standalone(webhooks.create_webhook_subscription)
webhook_subscriptions_get_webhook_subscription = Standalone(webhooks.get_webhook_subscription)
webhook_subscriptions_list_webhook_subscriptions = Standalone(webhooks.list_webhook_subscriptions)
webhook_subscriptions_update_webhook_subscription = Standalone(webhooks.update_webhook_subscription)
webhook_subscriptions_delete = Standalone(webhooks.delete_webhook_subscription)
webhook_subscriptions_list_webhooks = _paged(webhooks.webhooks_of, webhooks.list_webhooks)
webhooks_get_webhook = Standalone(webhooks.get_webhook)
webhooks_retry_webhook = Standalone(webhooks.retry_webhook)
webhooks_list_webhook_retries = _paged(webhooks.retries_of, webhooks.list_webhook_retries)
