"""`Client` and `AsyncClient`: the same names, only `await` added."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import msgspec

from tallystick.api.customers.sdk import Customer
from tallystick.api.exchange_partners.sdk import ExchangePartner
from tallystick.api.root.sdk import Root, get_root
from tallystick.errors import ConfigurationError
from tallystick.flow import Answer, Flow, Http, Query, Ref
from tallystick.sdk import linking
from tallystick.sdk.calls import Engine
from tallystick.sdk.direct import Address, direct
from tallystick.sdk.facades import AsyncResources, Resources
from tallystick.sdk.link import AsyncBankLink, BankLink
from tallystick.sdk.options import (
    Environment,
    Hooks,
    Options,
    Retried,
    credentials,
    is_local,
    server_url,
)
from tallystick.sdk.requests import Outgoing
from tallystick.sdk.results import RawResponse
from tallystick.sdk.retries import RetryConfig
from tallystick.sdk.token import Tokens
from tallystick.sdk.wirelog import LOG, switch_on

if TYPE_CHECKING:
    import httpx2

    from tallystick.sdk.drive import AsyncDriver, Driver
    from tallystick.sdk.raw import RawAsyncResources, RawResources

T = TypeVar("T")


def _engine(
    environment: Environment | None,
    base_url: str | None,
    key: str | None,
    secret: str | None,
    bearer_auth: str | None,
    options: Options,
    hooks: Hooks,
) -> Engine:
    switch_on()
    url = server_url(environment, base_url)
    who = credentials(url, key, secret, bearer_auth)
    if url.startswith("http://") and not is_local(url):
        LOG.warning("the credentials travel to %s without encryption: use https", url)
    return Engine(url, who, options, Tokens(time.monotonic), time.monotonic, hooks)


def _options(
    timeout: float, max_retries: int | None, retries: RetryConfig | None, *, strict: bool
) -> Options:
    if max_retries is not None and retries is not None:
        raise ConfigurationError("give max_retries or retry_config, not both")
    found = retries or RetryConfig(max_retries=2 if max_retries is None else max_retries)
    return Options(timeout_s=_positive(timeout), retries=found, strict=strict)


def _positive(timeout: float) -> float:
    if not 0 < timeout <= 86_400:
        raise ConfigurationError("timeout is in seconds, above 0 and up to a day")
    return timeout


def _changed(
    options: Options,
    max_retries: int | None,
    timeout: float | None,
    headers: Mapping[str, str] | None,
) -> Options:
    retries = options.retries
    if max_retries is not None:
        retries = replace(retries, max_retries=max_retries)
    timeout_s = options.timeout_s if timeout is None else _positive(timeout)
    merged = {**options.headers, **(headers or {})}
    return msgspec.structs.replace(options, retries=retries, timeout_s=timeout_s, headers=merged)


class _Raw:
    """Runs flows and returns the last answer around their results."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def run(self, flow: Flow[T], /, *, timeout_s: float | None = None) -> Any:
        seen: list[Answer] = []
        value = self._driver.run(flow, timeout_s=timeout_s, seen=seen)
        return RawResponse(seen[-1].http, seen[-1].body, value)


class Client(Resources):
    """The API, synchronously. Safe to share between threads.

    - `environment`: `local` (the gateway on this machine), or Dwolla's `sandbox` or `production`;
      or `base_url`. With neither: TALLYSTICK_URL, else local. Production is never a default.
    - `key`, `secret`: the application's; or `bearer_auth`, a token that you look after yourself.
    - `timeout`: seconds for a whole operation, retries included. `max_retries`, or all of it as
      `retry_config`.
    - `http_client`: yours stays yours to close. `transport`: only how bytes travel.
    - `strict`: raise when an answer is not shaped as documented, instead of making the best of it.
    """

    def __init__(
        self,
        *,
        environment: Environment | None = None,
        base_url: str | None = None,
        key: str | None = None,
        secret: str | None = None,
        bearer_auth: str | None = None,
        timeout: float = 30.0,
        max_retries: int | None = None,
        retry_config: RetryConfig | None = None,
        http_client: httpx2.Client | None = None,
        transport: httpx2.BaseTransport | None = None,
        strict: bool = False,
        on_request: Callable[[Outgoing], object] | None = None,
        on_response: Callable[[Outgoing, Http], object] | None = None,
        on_retry: Callable[[Retried], object] | None = None,
    ) -> None:
        import httpx2  # most of the time that importing takes, so not before it is needed

        from tallystick.sdk.drive import Driver

        options = _options(timeout, max_retries, retry_config, strict=strict)
        hooks = Hooks(on_request, on_response, on_retry)
        engine = _engine(environment, base_url, key, secret, bearer_auth, options, hooks)
        self._owns_http = http_client is None
        self._begin(Driver(engine, http_client or httpx2.Client(transport=transport)))

    def _begin(self, driver: Driver) -> None:
        self._driver = driver
        super().__init__(self)

    @property
    def base_url(self) -> str:
        return self._driver.engine.base_url

    def run(self, flow: Flow[T], /, *, timeout_s: float | None = None) -> T:
        """Run a flow: what every operation does."""
        return self._driver.run(flow, timeout_s=timeout_s)

    def root(self) -> Root:
        """The entry point and its links."""
        return self.run(get_root())

    def link_bank_account(
        self,
        customer: Ref[Customer],
        *,
        partner: Ref[ExchangePartner],
        redirect_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> BankLink:
        """Start a session; what it returns waits for the person, or is completed by your page."""
        started = self.run(linking.start(customer, partner, redirect_url, idempotency_key))
        return BankLink(self, started.state, started.session)

    def resume_link(self, state: Mapping[str, Any]) -> BankLink:
        """Go on with a link in another process or request, from its `state`."""
        return BankLink(self, linking.resume(state))

    def with_options(
        self,
        *,
        max_retries: int | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Client:
        """The same client, token and connections, with other patience or more headers."""
        engine = self._driver.engine
        options = _changed(engine.options, max_retries, timeout, headers)
        other = object.__new__(type(self))
        other._owns_http = False
        other._begin(self._driver.sharing(replace(engine, options=options)))
        return other

    @property
    def with_raw_response(self) -> RawResources:
        """The same operations, each returning a `RawResponse` with headers and body."""
        return cast("RawResources", Resources(_Raw(self._driver), self))

    def get(self, address: Address, *, params: Query | None = None) -> RawResponse[bytes]:
        """GET any address of the API."""
        return self.run(direct("GET", self.base_url, address, params))

    def post(
        self,
        address: Address,
        body: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> RawResponse[bytes]:
        """POST to any address of the API."""
        flow = direct("POST", self.base_url, address, None, body, idempotency_key)
        return self.run(flow)

    def delete(self, address: Address) -> RawResponse[bytes]:
        """DELETE any address of the API."""
        return self.run(direct("DELETE", self.base_url, address))

    def close(self) -> None:
        if self._owns_http:
            self._driver.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"


class _AsyncRaw:
    """Runs flows and returns the last answer around their results."""

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver = driver

    async def run(self, flow: Flow[T], /, *, timeout_s: float | None = None) -> Any:
        seen: list[Answer] = []
        value = await self._driver.run(flow, timeout_s=timeout_s, seen=seen)
        return RawResponse(seen[-1].http, seen[-1].body, value)


class AsyncClient(AsyncResources):
    """The API, in asyncio. Safe to share between tasks of one event loop.

    - `environment`: `local` (the gateway on this machine), or Dwolla's `sandbox` or `production`;
      or `base_url`. With neither: TALLYSTICK_URL, else local. Production is never a default.
    - `key`, `secret`: the application's; or `bearer_auth`, a token that you look after yourself.
    - `timeout`: seconds for a whole operation, retries included. `max_retries`, or all of it as
      `retry_config`.
    - `http_client`: yours stays yours to close. `transport`: only how bytes travel.
    - `strict`: raise when an answer is not shaped as documented, instead of making the best of it.
    """

    def __init__(
        self,
        *,
        environment: Environment | None = None,
        base_url: str | None = None,
        key: str | None = None,
        secret: str | None = None,
        bearer_auth: str | None = None,
        timeout: float = 30.0,
        max_retries: int | None = None,
        retry_config: RetryConfig | None = None,
        http_client: httpx2.AsyncClient | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        strict: bool = False,
        on_request: Callable[[Outgoing], object] | None = None,
        on_response: Callable[[Outgoing, Http], object] | None = None,
        on_retry: Callable[[Retried], object] | None = None,
    ) -> None:
        import httpx2  # most of the time that importing takes, so not before it is needed

        from tallystick.sdk.drive import AsyncDriver

        options = _options(timeout, max_retries, retry_config, strict=strict)
        hooks = Hooks(on_request, on_response, on_retry)
        engine = _engine(environment, base_url, key, secret, bearer_auth, options, hooks)
        self._owns_http = http_client is None
        self._begin(AsyncDriver(engine, http_client or httpx2.AsyncClient(transport=transport)))

    def _begin(self, driver: AsyncDriver) -> None:
        self._driver = driver
        super().__init__(self)

    @property
    def base_url(self) -> str:
        return self._driver.engine.base_url

    async def run(self, flow: Flow[T], /, *, timeout_s: float | None = None) -> T:
        """Run a flow: what every operation does."""
        return await self._driver.run(flow, timeout_s=timeout_s)

    async def root(self) -> Root:
        """The entry point and its links."""
        return await self.run(get_root())

    async def link_bank_account(
        self,
        customer: Ref[Customer],
        *,
        partner: Ref[ExchangePartner],
        redirect_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncBankLink:
        """Start a session; what it returns waits for the person, or is completed by your page."""
        started = await self.run(linking.start(customer, partner, redirect_url, idempotency_key))
        return AsyncBankLink(self, started.state, started.session)

    def resume_link(self, state: Mapping[str, Any]) -> AsyncBankLink:
        """Go on with a link in another process or request, from its `state`."""
        return AsyncBankLink(self, linking.resume(state))

    def with_options(
        self,
        *,
        max_retries: int | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncClient:
        """The same client, token and connections, with other patience or more headers."""
        engine = self._driver.engine
        options = _changed(engine.options, max_retries, timeout, headers)
        other = object.__new__(type(self))
        other._owns_http = False
        other._begin(self._driver.sharing(replace(engine, options=options)))
        return other

    @property
    def with_raw_response(self) -> RawAsyncResources:
        """The same operations, each returning a `RawResponse` with headers and body."""
        return cast("RawAsyncResources", AsyncResources(_AsyncRaw(self._driver), self))

    async def get(self, address: Address, *, params: Query | None = None) -> RawResponse[bytes]:
        """GET any address of the API."""
        return await self.run(direct("GET", self.base_url, address, params))

    async def post(
        self,
        address: Address,
        body: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> RawResponse[bytes]:
        """POST to any address of the API."""
        flow = direct("POST", self.base_url, address, None, body, idempotency_key)
        return await self.run(flow)

    async def delete(self, address: Address) -> RawResponse[bytes]:
        """DELETE any address of the API."""
        return await self.run(direct("DELETE", self.base_url, address))

    async def close(self) -> None:
        if self._owns_http:
            await self._driver.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"
