"""What a type checker must refuse: there is one mistake in each line that says so."""

from __future__ import annotations

from tallystick import AsyncClient, Client, Created, Customer, Exchange


def wrong(client: Client, customer: Customer, exchange: Created[Exchange]) -> None:
    create = client.exchanges.create_customer_exchange
    create(customer, exchange_partner="plaid")  # refused: no proof
    create(customer, exchange_partner="plaid", plaid_public_token="p", token="t")  # refused: two
    create(customer, exchange_partner="mx", plaid_public_token="p")  # refused: another's proof
    create(customer, exchange_partner="plaid", mx_available_connection_token="t")  # refused
    create(customer, exchange_partner="flinks", plaid_public_token="p")  # refused
    create(customer, exchange_partner="finicity", token="t")  # refused: a receipt is needed
    create(customer, exchange_partner="checkout", finicity={})  # refused
    create(customer, exchange_partner="plaid", plaid_public_token=None)  # refused
    create(customer, plaid_public_token="p")  # refused: which partner?
    create(exchange, exchange_partner="plaid", token="t")  # refused: that is no customer
    client.exchanges.create_account_exchange(exchange_partner="mx", plaid={})  # refused
    client.exchanges.get_exchange(customer)  # refused: that is no exchange
    client.exchanges.get_exchange(7)  # refused
    client.customers.get(exchange)  # refused
    client.customers.create(first_name="Ada")  # refused: last_name and email are needed
    client.customers.create(first_name="Ada", last_name="B", email="a", typ="x")  # refused
    client.customers.create(first_name="Ada", last_name="B", email="a", type="x")  # refused
    client.customers.update(customer, nick="x")  # refused
    client.funding_sources.update("0192", nick="x")  # refused
    fund = client.funding_sources.create_customer_funding_source
    fund(customer, type="checking", name="N")  # refused: from what?
    fund(customer, exchange=exchange, type="loan", name="N")  # refused: not from an exchange
    fund(customer, exchange=exchange, name="N")  # refused
    client.funding_sources.balance(customer)  # refused
    client.exchange_sessions.create_customer_exchange_session(customer)  # refused
    client.exchange_sessions.retrieve_customer_exchange_session(exchange)  # refused
    client.webhooks.unwrap("text", {}, secret="s")  # refused: the raw body is bytes
    Client(environment="prod")  # refused
    Client(timeout="5")  # refused
    print(customer.first_nam)  # refused
    raw = client.with_raw_response
    print(raw.customers.get(customer).id)  # refused: not parsed
    raw.exchanges.create_customer_exchange(customer, exchange_partner="plaid")  # refused
    raw.exchange.get(exchange)  # refused
    for page in client.customers.list(limit="2"):  # refused
        print(page)


async def wrong_asynchronously(client: AsyncClient, customer: Customer) -> None:
    print((await client.customers.get(customer)).nothing)  # refused
    print(client.customers.get(customer).id)  # refused: not awaited
    for each in client.customers.list():  # refused: async for
        print(each)
    create = client.exchanges.create_customer_exchange
    await create(customer, exchange_partner="mx", plaid_public_token="p")  # refused
