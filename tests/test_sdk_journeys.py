"""The whole way through each partner with our own SDK, over a socket, on both engines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tallystick import (
    ArgumentError,
    AsyncClient,
    Client,
    InvalidExchangeTokenError,
    LinkNotCompletedError,
    ValidationError,
)
from tallystick.clock import HOUR_MS
from tallystick.partners import registry

from .gateway import BASE, InProcess, Served, served

PARTNERS = [each.key for each in registry.manifests() if each.key in ("plaid", "mx")]
TOPICS = ["customer_funding_source_verified", "customer_funding_source_added", "customer_created"]
ADA = {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.com"}


@pytest.fixture
def credentials(server: Served) -> dict[str, str]:
    made = server.application()
    return {"base_url": server.url, "key": made["client_id"], "secret": made["client_secret"]}


@pytest.mark.parametrize("partner", PARTNERS)
def test_a_bank_account_is_linked(server, credentials, partner):
    with Client(**credentials) as client:
        customer = client.customers.create(**ADA)
        session = client.exchange_sessions.create_customer_exchange_session(
            customer, exchange_partner=partner
        )
        shown = session.fetch()
        done = server.complete(session.id)
        if partner == "plaid":
            assert shown.external_provider_session_token.startswith("link-")
            assert shown.connect_url is None
            exchange = client.exchanges.create_customer_exchange(
                customer, exchange_partner="plaid", plaid_public_token=done["publicToken"]
            )
        else:
            assert shown.connect_url == shown.redirect_url
            connections = client.exchange_sessions.list_available_exchange_connections(customer)
            exchange = client.exchanges.create_customer_exchange(
                customer,
                exchange_partner="mx",
                mx_available_connection_token=connections[0].available_connection_token,
            )
        assert exchange.fetch().status == "active"
        bank = client.funding_sources.create_customer_funding_source(
            customer, exchange=exchange, type="checking", name="Main"
        ).fetch()
        assert (bank.status, bank.bank_account_type, bank.name) == ("verified", "checking", "Main")
        assert client.funding_sources.balance(bank).closing.currency == "USD"
        assert [each.topic for each in client.events.list(limit=1)] == TOPICS
        assert client.events.list()[0].resource(client) == bank
        listed = client.funding_sources.list_customer_funding_sources(customer, removed=False)
        assert [each.id for each in listed] == [bank.id]
        assert client.funding_sources.remove(bank).removed is True


@pytest.mark.skipif(
    "checkout" not in {each.key for each in registry.manifests()}, reason="no cards in this tree"
)
def test_the_issuer_of_a_card_is_asked_about_a_name(server, credentials):
    with Client(**credentials) as client:
        customer = client.customers.create(**ADA)
        session = client.exchange_sessions.create_customer_exchange_session(
            customer,
            exchange_partner="checkout",
            card_details={"first_name": "John", "last_name": "John", "account_name_inquiry": True},
        )
        token = server.complete(session.id)["token"]
        exchange = client.exchanges.create_customer_exchange(
            customer, exchange_partner="checkout", token=token
        ).fetch()
        assert exchange.card_details.account_name_inquiry == "partial-match"
        assert client.exchanges.list_customer_exchanges(customer).items == [exchange]


@pytest.mark.anyio
@pytest.mark.parametrize("partner", PARTNERS)
async def test_a_bank_account_is_linked_asynchronously(server, credentials, partner):
    async with AsyncClient(**credentials) as client:
        customer = await client.customers.create(**ADA)
        session = await client.exchange_sessions.create_customer_exchange_session(
            customer, exchange_partner=partner
        )
        shown = await session.fetch()
        done = server.complete(session.id)
        if partner == "plaid":
            assert shown.external_provider_session_token.startswith("link-")
            exchange = await client.exchanges.create_customer_exchange(
                customer, exchange_partner="plaid", plaid_public_token=done["publicToken"]
            )
        else:
            assert shown.connect_url == shown.redirect_url
            connections = await client.exchange_sessions.list_available_exchange_connections(
                customer
            )
            exchange = await client.exchanges.create_customer_exchange(
                customer,
                exchange_partner="mx",
                mx_available_connection_token=connections[0].available_connection_token,
            )
        assert (await exchange.fetch()).status == "active"
        made = await client.funding_sources.create_customer_funding_source(
            customer, exchange=exchange, type="checking", name="Main"
        )
        bank = await made.fetch()
        assert (bank.status, bank.bank_account_type) == ("verified", "checking")
        assert (await client.funding_sources.balance(bank)).closing.currency == "USD"
        assert [each.topic async for each in client.events.list(limit=1)] == TOPICS
        assert await (await client.events.list())[0].resource(client) == bank
        assert (await client.funding_sources.remove(bank)).removed is True


@pytest.mark.parametrize("partner", PARTNERS)
def test_a_bank_account_is_linked_as_one_thing(credentials, partner):
    with Client(**credentials) as client:
        link = client.link_bank_account(client.customers.create(**ADA), partner=partner)
        link.simulate()
        account = "MX Bank Checking" if partner == "mx" else None
        exchange = link.wait(timeout=20, account=account)
        bank = exchange.create_funding_source(name="Main", type="checking")
        assert bank.status == "verified"


@pytest.mark.anyio
@pytest.mark.parametrize("partner", PARTNERS)
async def test_a_bank_account_is_linked_as_one_thing_asynchronously(credentials, partner):
    async with AsyncClient(**credentials) as client:
        customer = await client.customers.create(**ADA)
        link = await client.link_bank_account(customer, partner=partner)
        await link.simulate()
        account = "MX Bank Checking" if partner == "mx" else None
        exchange = await link.wait(timeout=20, account=account)
        bank = await exchange.create_funding_source(name="Main", type="checking")
        assert bank.status == "verified"


@pytest.mark.skipif("plaid" not in PARTNERS, reason="Plaid is not in this tree")
def test_a_link_goes_on_in_another_request(server, credentials):
    with Client(**credentials) as client:
        link = client.link_bank_account(client.customers.create(**ADA), partner="Plaid")
        done = server.complete(link.state["session"])
        resumed = client.resume_link(dict(link.state))
        exchange = resumed.complete(public_token=done["publicToken"])
        # A form that is sent twice makes one exchange.
        assert resumed.complete(public_token=done["publicToken"]) == exchange
        # Whoever waits elsewhere sees it too.
        assert client.resume_link(dict(link.state)).wait(timeout=5).id == exchange.id
        assert repr(resumed) == f"BankLink(partner='Plaid', session={link.state['session']!r})"


def test_a_partner_that_is_not_there_is_told_with_those_that_are(credentials):
    with Client(**credentials) as client, pytest.raises(ArgumentError) as caught:
        client.exchange_partners.find("plaidd")
    assert "called 'plaidd'; there is " in str(caught.value)
    assert all(each in str(caught.value).casefold() for each in PARTNERS)


@pytest.mark.skipif("plaid" not in PARTNERS, reason="Plaid is not in this tree")
def test_a_bad_proof_is_one_error_whatever_its_status(credentials):
    with Client(**credentials) as client:
        customer = client.customers.create(**ADA)
        with pytest.raises(InvalidExchangeTokenError) as caught:
            client.exchanges.create_customer_exchange(
                customer, exchange_partner="plaid", token="bad"
            )
        assert caught.value.status_code == 401
        assert caught.value.request_id
        assert client.customers.get(customer).id == customer.id


def test_every_failing_member_is_named(credentials):
    with Client(**credentials) as client, pytest.raises(ValidationError) as caught:
        client.customers.create(first_name="", last_name="Byron", email="ada")
    assert {each.path for each in caught.value.errors} == {"/firstName", "/email"}
    assert "/firstName: " in str(caught.value)
    assert caught.value.request_id in str(caught.value)


def test_pages_follow_each_other(credentials):
    with Client(**credentials) as client:
        made = {
            client.customers.create(**{**ADA, "email": f"ada{n}@example.com"}).id for n in range(5)
        }
        page = client.customers.list(limit=2)
        assert (page.total, len(page.items)) == (5, 2)
        assert len(page.next_page().items) == 2
        assert {each.id for each in page} == made
        assert [len(each.items) for each in page.pages()] == [2, 2, 1]
        assert [each.email for each in client.customers.list(email="ada3@example.com")] == [
            "ada3@example.com"
        ]


def test_a_repeated_key_makes_one_customer(credentials):
    with Client(**credentials) as client:
        first = client.customers.create(**ADA, idempotency_key="order-7")
        again = client.customers.create(**ADA, idempotency_key="order-7")
        assert first == again
        assert client.customers.list().total == 1


def test_threads_share_a_client(credentials):
    """Each creation is its own: had two the same key, one would be a repetition of the other."""
    with Client(**credentials) as client, ThreadPoolExecutor(8) as threads:
        made = threads.map(
            lambda n: client.customers.create(**{**ADA, "email": f"ada{n}@example.com"}).id,
            range(40),
        )
        assert len(set(made)) == 40
        assert client.customers.list().total == 40


@pytest.mark.anyio
async def test_a_token_that_expired_is_renewed(gateway: InProcess):
    """The gateway's clock is ahead of the client's: the 401 tells it."""
    made = await gateway.client().post("/_tallystick/control/applications", json={})
    async with AsyncClient(
        base_url=BASE,
        key=made.json()["client_id"],
        secret=made.json()["client_secret"],
        transport=httpx2.ASGITransport(app=gateway.process),
    ) as client:
        customer = await client.customers.create(**ADA)
        gateway.clock.advance(2 * HOUR_MS)
        found = await customer.fetch()
        assert (found.first_name, found.http.retries) == ("Ada", 0)


def test_what_the_gateway_answers_is_what_the_models_say(credentials):
    """`strict` raises when a member is missing or of another type."""
    with Client(**credentials, strict=True) as client:
        customer = client.customers.create(**ADA).fetch()
        assert not customer.unknown
        root = client.root()
        account = client.accounts.get(root.link("account") or "")
        partners = list(client.exchange_partners.list())
        events = list(client.events.list())
        exchanges = client.exchanges.list_customer_exchanges(customer)
        sources = client.funding_sources.list_account_funding_sources(account)
        assert (len(events), exchanges.total, sources.total) == (1, 0, 0)
        for each in (root, account, *partners, *events):
            assert not each.unknown


# ── those with whom the integrator has a contract, and those that come back by redirect ────────


KEYS = {each.key for each in registry.manifests()}
BACK = "https://shop.example.com/back"


def own_proof(server: Served, partner: str) -> dict[str, object]:
    """What the partner's own page gives an integrator, as keywords."""
    done = httpx2.post(f"{server.url}/_partners/{partner}/_control/complete", json={})
    return done.json()["proof"]


@pytest.mark.parametrize("partner", sorted({"flinks", "finicity"} & KEYS))
def test_a_proof_of_an_own_contract_makes_an_exchange(server, credentials, partner):
    with Client(**credentials) as client:
        customer = client.customers.create(**ADA)
        proof = own_proof(server, partner)
        exchange = client.exchanges.create_customer_exchange(
            customer, exchange_partner=partner, **proof
        )
        bank = client.funding_sources.create_customer_funding_source(
            customer, exchange=exchange, type="checking", name="Main"
        ).fetch()
        assert (bank.status, exchange.fetch().status) == ("verified", "active")


@pytest.mark.skipif("mx" not in PARTNERS, reason="MX is not in this tree")
def test_at_mx_what_came_of_a_link_is_given_again(credentials):
    with Client(**credentials) as client:
        customer = client.customers.create(**ADA)
        link = client.link_bank_account(customer, partner="mx")
        link.simulate()
        exchange = link.complete(account="MX Bank Checking")
        assert client.resume_link(dict(link.state)).complete().id == exchange.id
        listed = client.exchanges.list_customer_exchanges(customer)
        assert [each.id for each in listed.items] == [exchange.id]


@pytest.mark.skipif("checkout" not in KEYS, reason="Checkout.com is not in this tree")
def test_a_card_is_linked_as_one_thing(credentials):
    address = {"address1": "1 Main St", "city": "Ames", "state_province_region": "IA",
               "country": "US", "postal_code": "50010"}  # fmt: skip
    with Client(**credentials) as client:
        link = client.link_bank_account(client.customers.create(**ADA), partner="checkout")
        assert link.session.external_provider_session_data
        link.simulate()
        card = link.complete().create_funding_source(
            name="Card",
            card_details={"first_name": "Ada", "last_name": "Byron", "billing_address": address},
        )
        assert (card.type, card.status) == ("card", "verified")


@pytest.mark.skipif("visa" not in KEYS, reason="Visa is not in this tree")
def test_who_comes_back_by_redirect_is_linked_as_one_thing(tmp_path, database_url):
    """Visa's exchange is made by the gateway, when the browser comes back."""
    with (
        served(tmp_path, database_url, compat={"visa": True}) as server,
        Client(base_url=server.url) as client,
    ):
        customer = client.customers.create(**ADA)
        link = client.link_bank_account(customer, partner="visa", redirect_url=BACK)
        assert "/_partners/visa/" in link.connect_url
        with pytest.raises(LinkNotCompletedError):
            link.complete()
        link.simulate()
        linked = link.wait(timeout=20)
        assert linked.create_funding_source(name="Main", type="checking").status == "verified"
        assert client.resume_link(link.state).complete().id == linked.id
