"""The most common usages of the SDK, typed: mypy and pyright read this file, and tests run it.

Nothing here is an annotation that a caller would have to write: what is annotated is what the
checkers must find out by themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol, assert_type

import httpx2

from tallystick import (
    AsyncClient,
    AsyncCreated,
    AvailableConnection,
    Balance,
    Client,
    Created,
    Customer,
    Event,
    Exchange,
    ExchangePartner,
    ExchangeSession,
    FinicityReceipt,
    FundingSource,
    InvalidExchangeTokenError,
    LinkState,
    Page,
    RawResponse,
    RetryConfig,
    UpdateCredentialsError,
    ValidationError,
    WebhookSubscription,
)
from tallystick.sdk.functions import (
    exchange_sessions_create_customer_exchange_session,
    exchange_sessions_list_available_exchange_connections,
)

log = logging.getLogger(__name__)
KEY, SECRET = "key", "secret"


def usage_01_connect() -> list[Client]:
    return [
        Client(),  # the gateway on this machine, or TALLYSTICK_URL
        Client(environment="sandbox", key=KEY, secret=SECRET),  # Dwolla's own sandbox
        Client(base_url="https://links.internal", key=KEY, secret=SECRET),
        Client(base_url="https://links.internal", bearer_auth="a token"),
    ]


async def usage_02_async_is_the_same_with_await(client: AsyncClient, customer: str) -> None:
    async with client:
        partners = [each async for each in client.exchange_partners.list()]
        assert_type(partners, list[ExchangePartner])
        session = await client.exchange_sessions.create_customer_exchange_session(
            customer, exchange_partner="plaid"
        )
        assert_type(session, AsyncCreated[ExchangeSession])
        assert_type(await session.fetch(), ExchangeSession)
        connections = await client.exchange_sessions.list_available_exchange_connections(customer)
        assert_type(connections[0], AvailableConnection)
        raw = await client.with_raw_response.customers.get(customer)
        assert_type(raw, RawResponse[Customer])
        assert_type((await client.link_bank_account(customer, partner="mx")).state, LinkState)


def usage_03_partners(client: Client) -> None:
    plaid = client.exchange_partners.find("plaid")
    assert_type(plaid, ExchangePartner)
    for by in ("plaid", plaid.id, plaid.href, plaid):
        assert client.exchange_partners.get(by).id == plaid.id


def usage_04_session(client: Client, customer: Customer) -> None:
    created = client.exchange_sessions.create_customer_exchange_session(
        customer, exchange_partner="plaid"
    )
    assert_type(created, Created[ExchangeSession])
    assert created.id in created.href
    assert str(created) == created.href


def usage_05_session_on_a_phone(client: Client, customer: str) -> None:
    client.exchange_sessions.create_customer_exchange_session(
        customer, exchange_partner="plaid", redirect_url="com.example.app123"
    )


def usage_06_what_the_device_needs(client: Client, customer: str) -> None:
    created = client.exchange_sessions.create_customer_exchange_session(
        customer, exchange_partner="mx"
    )
    s = created.fetch()
    assert_type(s, ExchangeSession)
    assert_type(s.external_provider_session_token, str | None)  # Plaid's link token
    assert_type(s.redirect_url, str | None)  # the page of MX or Visa
    assert_type(s.external_provider_session_data, dict[str, str] | None)  # Checkout.com
    assert_type(s.connect_url, str | None)  # what the person can simply open


def usage_07_the_whole_thing(client: Client, customer: str) -> None:
    link = client.link_bank_account(customer, partner="plaid")
    print("open", link.connect_url)
    bank = link.wait(timeout=300).create_funding_source(name="Main", type="checking")
    assert_type(bank, FundingSource)
    assert_type(bank.status, str)


def usage_08_across_two_requests(client: Client, customer: str, session: dict[str, Any]) -> None:
    session["link"] = client.link_bank_account(customer, partner="plaid").state
    link = client.resume_link(session.pop("link"))
    exchange = link.complete(public_token="public-sandbox-1")
    client.exchanges.get_exchange(exchange)


def usage_09_one_of_the_shared_accounts(client: Client, customer: str) -> None:
    conns = client.exchange_sessions.list_available_exchange_connections(customer)
    assert_type(conns, Page[AvailableConnection])
    ex = client.exchanges.create_customer_exchange(
        customer,
        exchange_partner="mx",
        mx_available_connection_token=conns[0].available_connection_token,
    )
    assert_type(ex, Created[Exchange])


def usage_10_one_proof_for_each_partner(client: Client, customer: str) -> None:
    create = client.exchanges.create_customer_exchange
    create(customer, exchange_partner="plaid", plaid_public_token="public-sandbox-1")
    create(customer, exchange_partner="flinks", token="QXV0aFNlY3JldDpBY2Nlc3NUb2tlbg==")
    create(customer, exchange_partner="checkout", token="pay_rxmbrxkpjdxezdhjcdsnqpkqcu")
    receipt = FinicityReceipt(receipt_id="cr_1", customer_id="5", partner_id=2445583946651)
    create(customer, exchange_partner="finicity", finicity=receipt)
    create(customer, exchange_partner="finicity", finicity={"receiptId": "cr_1"})


def usage_11_funding_source(client: Client, customer: str, ex: Created[Exchange]) -> None:
    fs = client.funding_sources.create_customer_funding_source(
        customer, exchange=ex, type="checking", name="Main"
    )
    assert_type(fs, Created[FundingSource])


def usage_12_re_authentication(client: Client, fs: str, ex: Exchange) -> None:
    try:
        assert_type(client.funding_sources.balance(fs), Balance)
    except UpdateCredentialsError as e:
        again = client.exchange_sessions.create_re_auth_exchange_session(ex, redirect_url=None)
        log.info("sign in again: %s (%s)", again.fetch().connect_url, e.about)


def usage_13_pages(client: Client) -> None:
    for c in client.customers.list(status="verified", limit=200):
        assert_type(c, Customer)
        break
    page = client.customers.list()
    assert_type(page.total, int)
    assert_type(list(page.items), list[Customer])
    assert_type(page.next_page(), Page[Customer] | None)


def usage_14_errors(client: Client, customer: str, form: dict[str, str]) -> None:
    try:
        client.exchanges.create_customer_exchange(customer, exchange_partner="plaid", token="bad")
    except InvalidExchangeTokenError as e:
        log.warning("%s (request %s)", e.message, e.request_id)
    except ValidationError as e:
        form.update({f.path: f.message for f in e.errors})


def usage_15_patience_for_each_call(client: Client, customer: str, order_id: str) -> None:
    client.with_options(max_retries=5, timeout=5).exchanges.create_customer_exchange(
        customer,
        exchange_partner="plaid",
        plaid_public_token="public-sandbox-1",
        idempotency_key=order_id,
    )


class Request(Protocol):
    """Of FastAPI, Starlette, Quart, …"""

    @property
    def headers(self) -> Mapping[str, str]: ...
    async def body(self) -> bytes: ...


async def usage_16_webhook(client: Client, request: Request, new: str, old: str) -> str:
    event = client.webhooks.unwrap(await request.body(), request.headers, secret=[new, old])
    assert_type(event, Event)
    match event.topic:
        case "customer_exchange_reauth_required":
            return "reauth"
        case "customer_funding_source_verified":
            fs = event.resource(client)
            return fs.href
        case _:
            return ""


def usage_17_redelivery(client: Client) -> None:
    sub = client.webhook_subscriptions.create(url="http://localhost:3000/hook", secret="s3cret")
    assert_type(sub, Created[WebhookSubscription])
    client.webhooks.redeliver_failed(sub, since=timedelta(hours=2))


def usage_18_raw_responses(client: Client, cid: str) -> None:
    s = client.customers.get(cid)
    log.info("%s %s %d", s.http.request_id, s.http.status_code, s.http.retries)
    raw = client.with_raw_response.customers.get(cid)
    assert_type(raw, RawResponse[Customer])
    log.info("%s %s", raw.headers["x-request-id"], raw.parse().id)
    made = client.with_raw_response.exchanges.create_customer_exchange(
        cid, exchange_partner="plaid", plaid_public_token="public-sandbox-1"
    )
    assert_type(made, RawResponse[Created[Exchange]])
    assert_type(client.with_raw_response.customers.list(), RawResponse[Page[Customer]])
    client.get("/some/new/endpoint", params={"a": 1}).json()
    log.info("%s %s", s.unknown, s.raw["id"])


def usage_19_hooks_and_your_own_http_client(calls: list[str]) -> list[Client]:
    return [
        Client(
            on_request=lambda request: calls.append(request.path),
            on_response=lambda request, http: calls.append(f"{request.path} {http.status_code}"),
            on_retry=lambda retried: calls.append(f"again in {retried.wait_s}"),
        ),
        Client(http_client=httpx2.Client(trust_env=False), retry_config=RetryConfig(max_retries=0)),
        Client(transport=httpx2.HTTPTransport(retries=0)),
    ]


def usage_20_functions_that_do_not_raise(client: Client, customer: str) -> None:
    result = exchange_sessions_create_customer_exchange_session(
        client, customer, exchange_partner="plaid"
    )
    if not result.ok:
        raise result.error
    assert_type(result.value.id, str)
    listed = exchange_sessions_list_available_exchange_connections(client, customer)
    assert listed.ok
    assert_type(listed.value.items[0], AvailableConnection)
