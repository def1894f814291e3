"""The matrix: every operation × every kind of id that is not the caller's to use."""

from __future__ import annotations

import re
import uuid
from typing import Any, NamedTuple

import httpx2

from tallystick.api import routes

from .gateway import Api

NOBODY = str(uuid.UUID(int=7 << 64))
MAIN = {"bankAccountType": "checking", "name": "Main"}
NUMBERS = {**MAIN, "routingNumber": "222222226", "accountNumber": "0123456789"}
# What stands in place of an id; `{id}` is the caller's own, to which it would be no stranger.
MALFORMED = (
    "%2e%2e", "..%2f..%2fcustomers", "..%252f", "%00", "{id}%00", "%00{id}", "{id}%0a",
    "{id}%20", "%20{id}", "{id};v=1", "{id}.json", "{id}%2f..", "{id}%3f", "{id}%23", "{id},{id}",
    "%7B{id}%7D", "urn:uuid:{id}", "{bare}", "{id}0", "{short}", "{wide}", "*", "null", "0", "-1",
    "%27%20OR%201=1--", "%F0%9F%92%A9", "x" * 10_000, "{id}" * 250,
)  # fmt: skip


async def ids_of(client) -> dict[str, str]:
    """One of everything that has an id in a path.

    The webhook subscription is paused, so that nothing is written while a test compares tables.
    """
    hook = {"url": "http://127.0.0.1:1/hook", "secret": "sshhhhhh"}
    subscription = await client.create("/webhook-subscriptions", hook)
    await client.post(subscription, json={"paused": True})
    customer = await client.customer("victim@example.com")
    exchange = await client.exchange(customer)
    source = await client.funding_source(customer, exchange)
    session = await client.session(customer, "Plaid")
    event = (await client.get("/events?limit=1")).json()["_embedded"]["events"][0]
    webhook = (await client.get(f"{subscription}/webhooks")).json()["_embedded"]["webhooks"][0]
    last = lambda href: href.rpartition("/")[2]  # noqa: E731
    return {
        "customers": last(customer),
        "exchanges": last(exchange),
        "funding-sources": last(source),
        "exchange-sessions": last(session),
        "events": event["id"],
        "webhook-subscriptions": last(subscription),
        "webhooks": webhook["id"],
        "accounts": client.made["account_id"],
    }


class Caller(NamedTuple):
    """An application's client with one of everything. `ids` are by collection."""

    client: Api
    ids: dict[str, str]
    neighbour: str  # another customer of the same application
    connection_token: str  # an account that the neighbour shared with MX
    account_exchange: str  # an exchange of the account itself


async def caller(gateway) -> Caller:
    client = await gateway.application()
    ids = await ids_of(client)
    neighbour = await client.customer("neighbour@example.com")
    proof = await client.mx_proof(neighbour)
    exchange = await client.exchange(neighbour)
    ids |= {"neighbour's exchange": exchange.rpartition("/")[2]}
    token = proof["mx"]["availableConnectionToken"]
    made = await client.create("/exchanges", await processor_proof(client))
    return Caller(client, ids, neighbour.rpartition("/")[2], token, made.rpartition("/")[2])


async def processor_proof(client: Api) -> dict[str, Any]:
    """The body of POST /exchanges: a processor token such as an integrator brings along."""
    answer = await client.post(
        "/_partners/plaid/sandbox/processor_token/create",
        headers={"PLAID-CLIENT-ID": "sandbox", "PLAID-SECRET": "sandbox"},
        json={"institution_id": "ins_109508"},
    )
    assert answer.status_code == 200, answer.text
    href = await client.partner_href("Plaid")
    token = answer.json()["processor_token"]
    return {"_links": {"exchange-partner": {"href": href}}, "token": token}


def seen(answer: httpx2.Response) -> tuple[int, bytes, dict[str, str]]:
    """What tells two answers apart: everything but the ids in them."""
    headers = {k: v for k, v in answer.headers.items() if k != "x-request-id"}
    return answer.status_code, re.sub(rb"[0-9a-fA-F-]{36}", b"{id}", answer.content), headers


async def ask(client: Api, route, named: str, body: Any = None) -> httpx2.Response:
    headers = {"Idempotency-Key": uuid.uuid4().hex} if route.method == "POST" else {}
    path = route.path.replace("{id}", named)
    return await client.request(route.method, path, json=body, headers=headers)


async def bodies_of(who: Caller) -> dict[str, Any]:
    """For every POST a body that would succeed for the caller's own id."""
    href = await who.client.partner_href("Plaid")
    partner = {"_links": {"exchange-partner": {"href": href}}}
    return {
        "update": {"firstName": "Eve"},
        "createCustomerExchangeSession": partner,
        "createCustomerExchange": await who.client.plaid_proof(
            f"/customers/{who.ids['customers']}"
        ),
        "createReAuthExchangeSession": {},
        "createCustomerFundingSource": NUMBERS,
        "updateOrRemoveFundingSource": {"name": "Eve"},
        "updateWebhookSubscription": {"paused": True},
        "retryWebhook": {},
    }


Cases = list[tuple[str, httpx2.Response, Any]]


async def path_cases(
    me: Caller,
    other: Caller,
    bodies: dict[str, Any],
    malformed: tuple[str, ...] = MALFORMED,
    methods: tuple[str, ...] = ("GET", "POST", "DELETE"),
) -> Cases:
    """(case, answer, the answer for what never was) for every operation with an id in its path."""
    found: Cases = []
    for route in (each for each in routes() if "{id}" in each.path and each.method in methods):
        collection, body = route.path.split("/")[1], bodies.get(route.operation)
        absent = seen(await ask(me.client, route, NOBODY, body))
        named = {"another kind": me.ids["events" if collection != "events" else "customers"]}
        own = me.ids.get(collection) or (await me.client.partner_href("Plaid")).rpartition("/")[2]
        if collection in other.ids:
            named["foreign"] = other.ids[collection]
            named["foreign, upper case"] = other.ids[collection].upper()
        wide = own.translate({ord("0") + n: chr(0xFF10 + n) for n in range(10)})
        for text in malformed:
            named[f"malformed {text[:30]}"] = text.format(
                id=own, bare=own.replace("-", ""), short=own[:-1], wide=wide
            )
        for kind, text in named.items():
            answer = await ask(me.client, route, text, body)
            found.append((f"{route.operation}: {kind}", answer, absent))
    return found


async def body_cases(me: Caller, other: Caller) -> Cases:
    """The same for operations with a link to an exchange in their body."""
    found: Cases = []
    by_name = {route.operation: route for route in routes()}
    strangers = {
        "foreign": other.ids["exchanges"],
        "foreign, of the account": other.account_exchange,
        "neighbour's": me.ids["neighbour's exchange"],
    }
    for operation, more in (
        ("createCustomerFundingSource", {"own, of the account": me.account_exchange}),
        ("createFundingSource", {"own, of a customer": me.ids["exchanges"]}),
    ):

        async def link(exchange: str, route=by_name[operation]) -> httpx2.Response:
            href = f"http://127.0.0.1:7420/exchanges/{exchange}"
            body = {**MAIN, "_links": {"exchange": {"href": href}}}
            return await ask(me.client, route, me.ids["customers"], body)

        absent = seen(await link(NOBODY))
        for kind, exchange in (strangers | more).items():
            found += [(f"{operation}: {kind}", await link(exchange), absent)]
            found += [(f"{operation}: {kind}, upper case", await link(exchange.upper()), absent)]
    return found


async def token_cases(me: Caller, other: Caller) -> Cases:
    """Tokens of available connections, each good for one customer only (threat T31)."""
    partner = {"_links": {"exchange-partner": {"href": await me.client.partner_href("MX")}}}
    route = next(route for route in routes() if route.operation == "createCustomerExchange")

    async def redeem(token: str) -> httpx2.Response:
        body = {**partner, "mx": {"availableConnectionToken": token}}
        return await ask(me.client, route, me.ids["customers"], body)

    absent = seen(await redeem("ts1.AAAA"))
    tokens = {"foreign": other.connection_token, "neighbour's": me.connection_token}
    tokens |= {"changed": me.connection_token[:-9] + me.connection_token[-9:].swapcase()}
    tokens |= {"Dwolla's own form": "eyJhY2NvdW50SWQiOiJBQ1QtMSIsIm1lbWJlcklkIjoiTUJSLTEifQ=="}
    return [(f"token, {kind}", await redeem(token), absent) for kind, token in tokens.items()]


def differences(cases: Cases, status: int = 404) -> list[str]:
    wrong = []
    for case, answer, absent in cases:
        # A decoded slash makes another path, which is absent in general words.
        code = answer.json().get("code", "") if answer.content else ""
        other_path = "malformed" in case and code.lower() == "notfound"
        if answer.status_code != status or (seen(answer) != absent and not other_path):
            wrong.append(f"{case}: {seen(answer)} instead of {absent}")
    return wrong


async def leaks(me: Caller, other: Caller) -> list[str]:
    """Every list without an id in its path that shows something of the other's, or counts it."""
    theirs = {*other.ids.values(), other.neighbour, other.account_exchange}
    found = []
    narrow = f"?search=victim&email=victim@example.com&app_id={other.client.made['id']}"
    for route in routes():
        if route.method != "GET" or "{id}" in route.path:
            continue
        for query in ("", "?limit=200", narrow):
            answer = await me.client.get(route.path + query)
            if [each for each in theirs if each in answer.text]:
                found.append(f"{route.path}{query}: shows another's")
            shown = next(iter(answer.json().get("_embedded", {}).values()), [])
            if query == "?limit=200" and answer.json().get("total", len(shown)) != len(shown):
                found.append(f"{route.path}{query}: counts another's")
    return found
