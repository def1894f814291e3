"""A call of every operation of the SDK, and a server that is good for all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx2

from tallystick import FinicityReceipt
from tallystick.clock import VirtualClock
from tallystick.partners.contract import Proof

from .sdk_world import ADA, BASE, CUSTOMER, ID, answer, customer


class PaymentId(Proof, frozen=True):
    member = "token"
    token: str


CARD = {
    "first_name": "Ada",
    "last_name": "Byron",
    "billing_address": {"address1": "1 Main St", "city": "Ames", "state_province_region": "IA",
                        "country": "US", "postal_code": "50010"},
}  # fmt: skip
CLOCK = VirtualClock()
SINCE = datetime(2026, 1, 31, 12, tzinfo=UTC)
CLOCK.freeze()
CLOCK.set(1_800_000_000_000)

CALLS = {
    "accounts.get": lambda c: c.accounts.get(ID),
    "customers.create": lambda c: c.customers.create(**ADA, type="receive-only"),
    "customers.get": lambda c: c.customers.get(CUSTOMER),
    "customers.update": lambda c: c.customers.update(ID, status="suspended"),
    "customers.list_customers": lambda c: c.customers.list(
        status=["verified", "retry"], search="Ada & Co", limit=2
    ),
    "events.get": lambda c: c.events.get(ID),
    "events.list_events": lambda c: c.events.list(offset=3),
    "exchange_partners.get": lambda c: c.exchange_partners.get("MX"),
    "exchange_partners.find": lambda c: c.exchange_partners.find("checkout"),
    "exchange_partners.list_exchange_partners": lambda c: c.exchange_partners.list(),
    "exchange_sessions.create_customer_exchange_session": lambda c: (
        c.exchange_sessions.create_customer_exchange_session(
            ID, exchange_partner="plaid", redirect_url="com.example.app123"
        )
    ),
    "exchange_sessions.retrieve_customer_exchange_session": lambda c: (
        c.exchange_sessions.retrieve_customer_exchange_session(ID)
    ),
    "exchange_sessions.create_re_auth_exchange_session": lambda c: (
        c.exchange_sessions.create_re_auth_exchange_session(ID)
    ),
    "exchange_sessions.list_available_exchange_connections": lambda c: (
        c.exchange_sessions.list_available_exchange_connections(ID)
    ),
    "exchanges.create_customer_exchange": lambda c: c.exchanges.create_customer_exchange(
        ID, exchange_partner="plaid", plaid_public_token="public-sandbox-1"
    ),
    "exchanges.create_customer_exchange mx": lambda c: c.exchanges.create_customer_exchange(
        ID, exchange_partner="mx", mx_available_connection_token="t"
    ),
    "exchanges.create_customer_exchange flinks": lambda c: c.exchanges.create_customer_exchange(
        ID, exchange_partner="flinks", token="dG9rZW4="
    ),
    "exchanges.create_customer_exchange checkout": lambda c: c.exchanges.create_customer_exchange(
        ID, exchange_partner="checkout", proof=PaymentId("pay_x")
    ),
    "exchanges.create_customer_exchange finicity": lambda c: c.exchanges.create_customer_exchange(
        ID,
        exchange_partner="finicity",
        finicity=FinicityReceipt(receipt_id="cr_1", more={"payorId": "p"}),
    ),
    "exchanges.create_account_exchange": lambda c: c.exchanges.create_account_exchange(
        exchange_partner="flinks", token="dG9rZW4="
    ),
    "exchanges.get_exchange": lambda c: c.exchanges.get_exchange(ID),
    "exchanges.list_customer_exchanges": lambda c: c.exchanges.list_customer_exchanges(ID),
    "exchanges.list_account_exchanges": lambda c: c.exchanges.list_account_exchanges(),
    "funding_sources.create_customer_funding_source": lambda c: (
        c.funding_sources.create_customer_funding_source(
            ID, exchange=ID, type="checking", name="Main"
        )
    ),
    "funding_sources.create_customer_funding_source card": lambda c: (
        c.funding_sources.create_customer_funding_source(
            ID, exchange=ID, card_details=CARD, name="Card"
        )
    ),
    "funding_sources.create_customer_funding_source numbers": lambda c: (
        c.funding_sources.create_customer_funding_source(
            ID, routing_number="222222226", account_number="1234", type="loan", name="N"
        )
    ),
    "funding_sources.create_funding_source": lambda c: c.funding_sources.create_funding_source(
        exchange=ID, type="savings", name="Main"
    ),
    "funding_sources.get": lambda c: c.funding_sources.get(ID),
    "funding_sources.list_customer_funding_sources": lambda c: (
        c.funding_sources.list_customer_funding_sources(ID, removed=False)
    ),
    "funding_sources.list_account_funding_sources": lambda c: (
        c.funding_sources.list_account_funding_sources(ID)
    ),
    "funding_sources.update": lambda c: c.funding_sources.update(ID, name="New", type="savings"),
    "funding_sources.remove": lambda c: c.funding_sources.remove(ID),
    "funding_sources.balance": lambda c: c.funding_sources.balance(ID),
    "webhook_subscriptions.create": lambda c: c.webhook_subscriptions.create(
        url="http://localhost:3000/hook", secret="s3cret"
    ),
    "webhook_subscriptions.get": lambda c: c.webhook_subscriptions.get(ID),
    "webhook_subscriptions.update": lambda c: c.webhook_subscriptions.update(ID, paused=True),
    "webhook_subscriptions.delete": lambda c: c.webhook_subscriptions.delete(ID),
    "webhook_subscriptions.list_webhooks": lambda c: c.webhook_subscriptions.list_webhooks(
        ID, start_date="2026-01-01", resource_id=ID
    ),
    "webhook_subscriptions.list_webhook_subscriptions": lambda c: c.webhook_subscriptions.list(),
    "webhooks.get": lambda c: c.webhooks.get(ID),
    "webhooks.retry": lambda c: c.webhooks.retry(ID),
    "webhooks.list_retries": lambda c: c.webhooks.list_retries(ID),
    "webhooks.redeliver_failed": lambda c: c.webhooks.redeliver_failed(
        ID, since=timedelta(hours=2), clock=CLOCK
    ),
    "sandbox_simulations.simulate": lambda c: c.sandbox_simulations.simulate(),
    "sandbox_simulations.simulate directive": lambda c: c.sandbox_simulations.simulate(
        customer=ID, error_code="POBoxNotAllowed"
    ),
    "webhook_subscriptions.choose_topics": lambda c: c.webhook_subscriptions.choose_topics(
        ID, ["customer_created"]
    ),
    "webhook_subscriptions.rotate_secret": lambda c: c.webhook_subscriptions.rotate_secret(
        ID, secret="n3w", overlap=timedelta(hours=2)
    ),
    "webhooks.choose": lambda c: c.webhooks.choose(status=["dead"], since=SINCE),
    "webhooks.replay": lambda c: c.webhooks.replay(
        subscription=ID, topics=["customer_created"], until=SINCE
    ),
    "root": lambda c: c.root(),
    "get": lambda c: c.get("/some/new/endpoint", params={"a": 1}),
    "post": lambda c: c.post(f"{BASE}/some/new?b=2", {"_links": {}, "c": [3]}),
    "delete": lambda c: c.delete("some/new"),
    "link_bank_account": lambda c: c.link_bank_account(ID, partner="MX"),
}  # fmt: skip

NAMES = ["Plaid", "MX", "Flinks", "Finicity", "Checkout.com"]


def anything(request: httpx2.Request) -> httpx2.Response:
    """Good for every operation: all lists are there, and what is made has an address."""
    own = {"self": {"href": f"{BASE}/exchange-partners/{ID}"}}
    partner = {"id": ID, "status": "active", "created": "", "_links": own}
    last = request.url.path.rpartition("/")[2]
    return answer(
        {
            **customer(),
            "name": "Plaid",
            "_links": {
                "self": {"href": f"{BASE}{request.url.path}"},
                # Leads on once, and then round in a circle.
                "next": {"href": f"{BASE}{request.url.path}?limit=1&offset=1"},
            },
            "_embedded": {
                "exchange-partners": [{**partner, "name": name} for name in NAMES],
                "exchanges": [{**partner, "_links": {}}],
                "customers": [customer()],
                "available-exchange-connections": [{"availableConnectionToken": "t", "name": "n"}],
                "webhooks": [{"id": ID, "topic": "t", "attempts": []}],
            },
            "total": 1,
        },
        201 if request.method == "POST" else 200,
        location=f"{BASE}/{last}/{ID}",
    )
