"""Applications are isolated: what is another's is as absent as what never was (threats T1, T23, T32)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tallystick.api import routes
from tallystick.api.exchanges import store as exchange_store
from tallystick.store.db import Statement

from .isolation import (
    NOBODY,
    Caller,
    ask,
    bodies_of,
    body_cases,
    caller,
    differences,
    ids_of,
    leaks,
    path_cases,
    token_cases,
)
from .witness import partner_calls, snapshot

pytestmark = pytest.mark.anyio

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
    "updateWebhookSubscription": lambda _href: {"paused": False},
    "retryWebhook": lambda _href: {},
}  # fmt: skip
COUNTS = {
    table: Statement(f"SELECT count(*) FROM {table}")
    for table in ("customer", "exchange", "exchange_intent", "exchange_session", "funding_source", "event", "audit", "subscription", "webhook", "attempt", "retry")
}  # fmt: skip


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


# An operation without an id anywhere: what it lists or makes is tested below the matrix.
WITHOUT_AN_ID = {
    "getRoot", "createCustomer",
    "listEvents", "listAndSearchCustomers", "listExchangePartners", "listAccountExchanges",
    "listWebhookSubscriptions", "createWebhookSubscription",
}  # fmt: skip


def test_no_operation_is_missing_from_the_matrix():
    """A new operation has an id in its path, or somebody has to say where its ids are."""
    with_link = {
        "createFundingSource",
        "createAccountExchange",  # test_links_in_bodies
        "simulateBankTransferProcessing",  # in its own folder
    }
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
    for route in sorted(routes(), key=lambda each: each.method == "DELETE"):
        if "{id}" not in route.path:
            continue
        collection = route.path.split("/")[1]
        own = me.ids.get(collection) or (await me.client.partner_href("Plaid")).rpartition("/")[2]
        answer = await ask(me.client, route, own.upper(), bodies.get(route.operation))
        assert answer.status_code in (200, 201), (route.operation, answer.text)


async def test_the_matrix_sees_a_query_without_the_application(gateway, monkeypatch):
    """The control: queries that forget whose rows they may see."""
    me, other = await caller(gateway), await caller(gateway)
    owners = {other.ids["exchanges"]: other.client.made["id"]}

    def forgetful(real):
        return lambda reads, app_id, id_: real(reads, owners.get(id_, app_id), id_)

    for name in ("find", "find_shown"):
        monkeypatch.setattr(exchange_store, name, forgetful(getattr(exchange_store, name)))
    found = differences(await path_cases(me, other, await bodies_of(me)))
    named = ["createReAuthExchangeSession", "getExchange"]
    assert sorted({each.partition(":")[0] for each in found}) == named


async def test_lists_and_keys_are_an_applications_own(gateway):
    """What has no id: the lists, the root's account, and idempotency keys (threat T24)."""
    me, other = await caller(gateway), await caller(gateway)
    assert await leaks(me, other) == []
    headers = {"Idempotency-Key": "the same"}
    body = {"firstName": "Ada", "lastName": "Byron", "email": "key@example.com"}
    made = {await each.client.create("/customers", body, headers=headers) for each in (me, other)}
    assert len(made) == 2
