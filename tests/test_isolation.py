"""Applications are isolated: what is another's is as absent as what never was (threats T1, T23, T32)."""

from __future__ import annotations

import re
import uuid
from typing import Any, NamedTuple

import httpx2
import pytest

from tallystick.api import routes
from tallystick.api.exchanges import store as exchange_store
from tallystick.store.db import Statement

from .gateway import Api
from .witness import partner_calls, snapshot

pytestmark = pytest.mark.anyio

NOBODY = str(uuid.UUID(int=7 << 64))
BODIES = {
    "createCustomerExchangeSession": lambda href: {"_links": {"exchange-partner": {"href": href}}},
    "createCustomerExchange": lambda href: {"_links": {"exchange-partner": {"href": href}}, "token": "x"},
    "createCustomerFundingSource": lambda _href: {
        "routingNumber": "222222226", "accountNumber": "0123456789",
        "bankAccountType": "checking", "name": "Main",
    },
    "createReAuthExchangeSession": lambda _href: {},
    "update": lambda _href: {"firstName": "Eve"},
    "updateOrRemoveFundingSource": lambda _href: {"removed": True},
}  # fmt: skip
COUNTS = {
    table: Statement(f"SELECT count(*) FROM {table}")
    for table in ("customer", "exchange", "exchange_intent", "exchange_session", "funding_source", "event", "audit")
}  # fmt: skip


async def ids_of(client) -> dict[str, str]:
    """One of everything that has an id in a path."""
    customer = await client.customer("victim@example.com")
    exchange = await client.exchange(customer)
    source = await client.funding_source(customer, exchange)
    session = await client.session(customer, "Plaid")
    event = (await client.get("/events?limit=1")).json()["_embedded"]["events"][0]
    last = lambda href: href.rpartition("/")[2]  # noqa: E731
    return {
        "customers": last(customer),
        "exchanges": last(exchange),
        "funding-sources": last(source),
        "exchange-sessions": last(session),
        "events": event["id"],
        "accounts": client.made["account_id"],
    }


async def written(gateway) -> dict[str, int]:
    return {name: (await gateway.core.db.one(each))[0] for name, each in COUNTS.items()}


async def test_what_is_anothers_is_absent_everywhere(gateway):
    victim, other = await gateway.application(), await gateway.application()
    ids = await ids_of(victim)
    href = await other.partner_href("Plaid")
    tried = 0
    before = await written(gateway)
    for route in routes():
        collection = route.path.split("/")[1]
        if "{id}" not in route.path or collection == "exchange-partners":
            continue
        answers = []
        for named in (ids[collection], NOBODY, "..%2f..", "%00", "x" * 10_000, f"{NOBODY};v=1"):
            path = route.path.replace("{id}", named)
            body = BODIES[route.operation](href) if route.method == "POST" else None
            answers.append(await other.request(route.method, path, json=body))
            tried += 1
        assert {each.status_code for each in answers} == {404}, route
        # A decoded slash or NUL changes the path itself; the others differ in nothing at all.
        bodies = {each.content for each in (answers[0], answers[1], answers[4], answers[5])}
        assert len(bodies) == 1, (route, bodies)
        mine = await victim.request(
            "GET" if route.method == "GET" else "HEAD",
            route.path.replace("{id}", ids[collection].upper()),
        )
        assert mine.status_code in (200, 405), (route, mine.text)
    assert await written(gateway) == before
    assert tried >= 6 * 14


async def test_links_to_anothers_resources_are_refused(gateway):
    victim, other = await gateway.application(), await gateway.application()
    customer = await victim.customer()
    exchange = await victim.exchange(customer)
    body = {
        "_links": {"exchange": {"href": exchange}},
        "bankAccountType": "checking",
        "name": "Main",
    }
    own = await other.customer()
    for where in (f"{own}/funding-sources", "/funding-sources", f"{customer}/funding-sources"):
        assert (await other.post(where, json=body)).status_code == 404


HOSTILE = [
    "https://evil.test/exchange-partners/{id}", "//127.0.0.1:7420/exchange-partners/{id}",
    "http://127.0.0.1:7421/exchange-partners/{id}", "http://user@127.0.0.1:7420/exchange-partners/{id}",
    "http://127.0.0.1:7420/exchange-partners/{id}/", "http://127.0.0.1:7420/exchange-partners/{id}?a=1",
    "http://127.0.0.1:7420/exchange-partners/{id}#x", "http://127.0.0.1:7420/x/../exchange-partners/{id}",
    "http://127.0.0.1:7420/customers/{id}", "http://127.0.0.1:7420//exchange-partners/{id}",
    "http://127.0.0.1:7420/exchange-partners/%7Bid%7D", "http://127.0.0.1:7420.evil.test/exchange-partners/{id}",
    "https://127.0.0.1:7420/exchange-partners/{id}", "HTTP://127.0.0.1:7420/exchange-partners/{id}",
    "http://api.dwolla.com/exchange-partners/{id}", "https://api.dwolla.com.evil.test/exchange-partners/{id}",
    "https://api.dwolla.com@evil.test/exchange-partners/{id}", "/exchange-partners/{id}", "{id}", " ",
    "javascript:alert('{id}')", "https://api.dwolla.com/exchange-partners/{id} ",
]  # fmt: skip


async def test_only_our_own_links_are_followed(gateway):
    client = await gateway.application()
    where = f"{await client.customer()}/exchange-sessions"
    own = await client.partner_href("Plaid")
    partner = own.rpartition("/")[2]
    for hostile in HOSTILE:
        href = hostile.replace("{id}", partner)
        answer = await client.post(where, json={"_links": {"exchange-partner": {"href": href}}})
        assert answer.status_code == 400, href
        assert answer.json()["_embedded"]["errors"][0]["path"] == "/_links/exchange-partner/href"
    aliases = [
        f"https://{host}/exchange-partners/{partner}"
        for host in ("api.dwolla.com", "api-sandbox.dwolla.com")
    ]
    for href in (own, own.replace(partner, partner.upper()), *aliases):
        answer = await client.post(where, json={"_links": {"exchange-partner": {"href": href}}})
        assert answer.status_code == 201, href


async def test_nothing_is_compared_across_applications(gateway):
    first, second = await gateway.application(), await gateway.application()
    numbers = {
        "routingNumber": "222222226",
        "accountNumber": "0123456789",
        "bankAccountType": "checking",
        "name": "M",
    }
    prints = set()
    for client in (first, second):
        customer = await client.customer("same@example.com")
        source = await client.create(f"{customer}/funding-sources", numbers)
        prints.add((await client.get(source)).json()["fingerprint"])
        other = await client.customer("other@example.com")
        again = await client.create(f"{other}/funding-sources", numbers)
        prints.add((await client.get(again)).json()["fingerprint"])
    assert len(prints) == 2
    for client in (first, second):
        events = (await client.get("/events?limit=200")).json()
        accounts = {each["_links"]["account"]["href"] for each in events["_embedded"]["events"]}
        assert [re.search(r"[^/]+$", each)[0] for each in accounts] == [client.made["account_id"]]


# ── the matrix: every operation × every kind of id that is not the caller's to use ────────────

MAIN = {"bankAccountType": "checking", "name": "Main"}
NUMBERS = {**MAIN, "routingNumber": "222222226", "accountNumber": "0123456789"}
# An operation without an id anywhere: what it lists or makes is tested below the matrix.
WITHOUT_AN_ID = {
    "getRoot", "createCustomer",
    "listEvents", "listAndSearchCustomers", "listExchangePartners", "listAccountExchanges",
}  # fmt: skip
# What stands in place of an id; `{id}` is the caller's own, to which it would be no stranger.
MALFORMED = (
    "%2e%2e", "..%2f..%2fcustomers", "..%252f", "%00", "{id}%00", "%00{id}", "{id}%0a",
    "{id}%20", "%20{id}", "{id};v=1", "{id}.json", "{id}%2f..", "{id}%3f", "{id}%23", "{id},{id}",
    "%7B{id}%7D", "urn:uuid:{id}", "{bare}", "{id}0", "{short}", "{wide}", "*", "null", "0", "-1",
    "%27%20OR%201=1--", "%F0%9F%92%A9", "x" * 10_000, "{id}" * 250,
)  # fmt: skip


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
    }


Cases = list[tuple[str, httpx2.Response, Any]]


async def path_cases(me: Caller, other: Caller, bodies: dict[str, Any]) -> Cases:
    """(case, answer, the answer for what never was) for every operation with an id in its path."""
    found: Cases = []
    for route in (each for each in routes() if "{id}" in each.path):
        collection, body = route.path.split("/")[1], bodies.get(route.operation)
        absent = seen(await ask(me.client, route, NOBODY, body))
        named = {"another kind": me.ids["events" if collection != "events" else "customers"]}
        own = me.ids.get(collection) or (await me.client.partner_href("Plaid")).rpartition("/")[2]
        if collection in other.ids:
            named["foreign"] = other.ids[collection]
            named["foreign, upper case"] = other.ids[collection].upper()
        wide = own.translate({ord("0") + n: chr(0xFF10 + n) for n in range(10)})
        for text in MALFORMED:
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


def test_no_operation_is_missing_from_the_matrix():
    """A new operation has an id in its path, or somebody has to say where its ids are."""
    with_link = {"createFundingSource", "createAccountExchange"}  # the latter: test_links_in_bodies
    in_path = {route.operation for route in routes() if "{id}" in route.path}
    assert {route.operation for route in routes()} == WITHOUT_AN_ID | with_link | in_path


async def test_the_matrix(gateway, monkeypatch):
    me, other = await caller(gateway), await caller(gateway)
    bodies = await bodies_of(me)
    posts = {r.operation for r in routes() if r.method == "POST" and "{id}" in r.path}
    assert posts == set(bodies)
    before = await snapshot(gateway)
    calls = partner_calls(monkeypatch)
    cases = await path_cases(me, other, bodies) + await body_cases(me, other)
    assert differences(cases) == []
    assert len(cases) >= 550, len(cases)
    assert await snapshot(gateway) == before
    tokens = await token_cases(me, other)
    assert differences(tokens, 401) == []
    after = await snapshot(gateway)
    assert {table for table in after if after[table] != before[table]} == {"exchange_intent"}
    assert len(after["exchange_intent"]) == len(before["exchange_intent"]) + len(tokens) + 1
    # What the services ask is refused before it leaves: the token opens for nobody else.
    assert calls == []
    await the_same_in_upper_case(me, bodies)
    assert calls


async def the_same_in_upper_case(me: Caller, bodies: dict[str, Any]) -> None:
    """Dwolla's own samples have upper-case ids: for their owner they work (threat T23)."""
    for route in (each for each in routes() if "{id}" in each.path):
        collection = route.path.split("/")[1]
        own = me.ids.get(collection) or (await me.client.partner_href("Plaid")).rpartition("/")[2]
        answer = await ask(me.client, route, own.upper(), bodies.get(route.operation))
        assert answer.status_code in (200, 201), (route.operation, answer.text)


async def test_the_matrix_sees_a_query_without_the_application(gateway, monkeypatch):
    """The control: one query that forgets whose rows it may see."""
    me, other = await caller(gateway), await caller(gateway)
    real = exchange_store.find

    async def forgetful(reads, _app_id, exchange_id):
        owner = next((app for (app, found) in owners if found == exchange_id), me.client.made["id"])
        return await real(reads, owner, exchange_id)

    owners = [(other.client.made["id"], other.ids["exchanges"])]
    monkeypatch.setattr(exchange_store, "find", forgetful)
    found = differences(await path_cases(me, other, await bodies_of(me)))
    named = ["createReAuthExchangeSession", "getExchange"]
    assert sorted({each.partition(":")[0] for each in found}) == named


async def test_lists_and_keys_are_an_applications_own(gateway):
    """What has no id: the lists, the root's account, and idempotency keys (threat T24)."""
    me, other = await caller(gateway), await caller(gateway)
    theirs = {*other.ids.values(), other.neighbour, other.account_exchange}
    for path in ("/", "/events", "/customers", "/exchanges", "/exchange-partners"):
        for query in ("", "?limit=200", f"?search=victim&email=victim@example.com&app_id={other.client.made['id']}"):  # fmt: skip
            text = (await me.client.get(path + query)).text
            assert not [each for each in theirs if each in text], path
    headers = {"Idempotency-Key": "the same"}
    body = {"firstName": "Ada", "lastName": "Byron", "email": "key@example.com"}
    made = {await each.client.create("/customers", body, headers=headers) for each in (me, other)}
    assert len(made) == 2
