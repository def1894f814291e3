"""Funding sources: made from exchanges and from numbers, shown, changed, removed (contract 6.3)."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, strategies as st

from tallystick.api.funding_sources import service
from tallystick.api.funding_sources.numbers import canonical, is_routing
from tallystick.api.funding_sources.wire import Amount
from tallystick.clock import HOUR_MS
from tallystick.store.db import Statement

pytestmark = pytest.mark.anyio

MAIN = {"bankAccountType": "checking", "name": "Main"}
NUMBERS = {**MAIN, "routingNumber": "222222226", "accountNumber": "0123456789"}


@pytest.fixture
async def client(gateway):
    return await gateway.application()


@pytest.fixture
async def customer(client):
    return await client.customer()


async def paths(client, where, body):
    answer = await client.post(where, json=body)
    assert answer.status_code == 400, answer.text
    return [each["path"] for each in answer.json()["_embedded"]["errors"]]


@pytest.mark.parametrize("partner", ["Plaid", "MX"])
async def test_from_an_exchange_it_is_verified_at_once(client, customer, partner):
    exchange = await client.exchange(customer, partner)
    source = await client.funding_source(customer, exchange)
    shown = (await client.get(source)).json()
    assert (shown["status"], shown["type"], shown["channels"]) == ("verified", "bank", ["ach"])
    assert len(shown["fingerprint"]) == 64
    assert set(shown["_links"]) == {
        "self", "customer", "remove", "balance", "transfer-send", "transfer-receive",
    }  # fmt: skip
    balance = (await client.get(f"{source}/balance")).json()
    assert balance["closing"]["currency"] == "USD"
    assert balance["closing"]["value"].partition(".")[2].isdigit()
    events = (await client.get("/events?limit=2")).json()["_embedded"]["events"]
    assert [each["topic"] for each in events] == [
        "customer_funding_source_verified",
        "customer_funding_source_added",
    ]
    assert events[0]["_links"]["resource"]["href"] == source
    assert events[0]["_links"]["customer"]["href"] == customer


async def test_from_numbers_it_is_unverified(client, customer):
    source = await client.create(f"{customer}/funding-sources", NUMBERS)
    shown = (await client.get(source)).json()
    assert (shown["status"], shown["bankName"]) == ("unverified", "SANDBOX TEST BANK")
    assert "initiate-micro-deposits" in shown["_links"]


async def test_every_problem_at_once(client, customer):
    where = f"{customer}/funding-sources"
    assert await paths(client, where, {}) == [
        "/routingNumber", "/accountNumber", "/bankAccountType", "/name",
    ]  # fmt: skip
    wrong = {
        "routingNumber": "222222227",
        "accountNumber": "12",
        "bankAccountType": "x",
        "name": "n" * 51,
    }
    assert await paths(client, where, wrong) == [
        "/accountNumber", "/bankAccountType", "/name", "/routingNumber",
    ]  # fmt: skip
    for href in ("nonsense", 5, {}, f"{customer}/exchanges", "http://127.0.0.1:7420/exchanges/1"):
        body = {"_links": {"exchange": {"href": href}}, "bankAccountType": "loan"}
        assert await paths(client, where, body) == [
            "/_links/exchange/href", "/bankAccountType", "/name",
        ]  # fmt: skip


async def test_another_customers_exchange_is_absent(client, customer):
    exchange = await client.exchange(customer)
    other = await client.customer()
    body = {**MAIN, "_links": {"exchange": {"href": exchange}}}
    for where in (f"{other}/funding-sources", "/funding-sources"):
        assert (await client.post(where, json=body)).status_code == 404


async def test_a_kind_that_the_exchange_does_not_have(client, customer):
    proof = await client.plaid_proof(customer, accounts=["Plaid Checking"])
    exchange = await client.create(f"{customer}/exchanges", proof)
    body = {"_links": {"exchange": {"href": exchange}}, "bankAccountType": "savings", "name": "S"}
    assert await paths(client, f"{customer}/funding-sources", body) == ["/bankAccountType"]
    assert (await client.get(f"{customer}/funding-sources")).json()["total"] == 0


async def test_sixteen_at_once_make_one(client, customer):
    exchange = await client.exchange(customer)
    bodies = [{**MAIN, "_links": {"exchange": {"href": exchange}}}, NUMBERS]
    for count, body in enumerate(bodies, start=1):
        answers = await asyncio.gather(
            *(client.post(f"{customer}/funding-sources", json=body) for _ in range(16))
        )
        assert sorted(each.status_code for each in answers) == [201] + [400] * 15
        assert (await client.get(f"{customer}/funding-sources")).json()["total"] == count


async def test_the_account_has_funding_sources_of_its_own(client):
    source = await client.create("/funding-sources", NUMBERS)
    account = client.made["account_id"]
    listed = (await client.get(f"/accounts/{account}/funding-sources")).json()
    assert [each["_links"]["self"]["href"] for each in listed["_embedded"]["funding-sources"]] == [
        source
    ]
    event = (await client.get("/events?limit=1")).json()["_embedded"]["events"][0]
    assert event["topic"] == "funding_source_added"
    assert "customer" not in event["_links"]


async def test_renamed_corrected_and_removed(client, customer):
    source = await client.create(f"{customer}/funding-sources", NUMBERS)
    before = (await client.get(source)).json()
    renamed = (await client.post(source, json={"name": "Other"})).json()
    assert (renamed["name"], renamed["fingerprint"]) == ("Other", before["fingerprint"])
    corrected = (await client.post(source, json={"accountNumber": "987 654-321"})).json()
    assert corrected["fingerprint"] != before["fingerprint"]
    back = (await client.post(source, json={"accountNumber": "0123456789"})).json()
    assert back["fingerprint"] == before["fingerprint"]
    removed = (await client.post(source, json={"removed": True})).json()
    assert removed["removed"] is True
    assert set(removed["_links"]) == {"self", "customer"}
    for query, count in (("", 1), ("?removed=true", 1), ("?removed=false", 0), ("?removed=x", 1)):
        assert (await client.get(f"{customer}/funding-sources{query}")).json()["total"] == count


async def test_a_verified_bank_keeps_its_numbers(client, customer):
    source = await client.funding_source(customer, await client.exchange(customer))
    assert await paths(client, source, {"accountNumber": "123456"}) == ["/accountNumber"]
    assert (await client.post(source, json={"name": "Other"})).json()["name"] == "Other"


async def test_correcting_to_numbers_that_are_taken(client, customer):
    first = await client.create(f"{customer}/funding-sources", NUMBERS)
    other = await client.create(f"{customer}/funding-sources", {**NUMBERS, "accountNumber": "5555"})
    answer = await client.post(other, json={"accountNumber": NUMBERS["accountNumber"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "DuplicateResource")
    assert answer.json()["_links"]["about"]["href"] == first


async def test_numbers_of_what_was_removed_are_destroyed_after_48_hours(gateway, client, customer):
    source = await client.create(f"{customer}/funding-sources", NUMBERS)
    kept = await client.create(f"{customer}/funding-sources", {**NUMBERS, "accountNumber": "98765"})
    await client.post(source, json={"removed": True})
    left = Statement("SELECT id FROM funding_source WHERE numbers_sealed IS NOT NULL")
    for hours, forgotten in ((47, 0), (1, 1), (99, 0)):
        gateway.clock.advance(hours * HOUR_MS)
        assert await service.forget(gateway.core) == forgotten
    assert [row[0] for row in await gateway.core.db.all(left)] == [kept.rpartition("/")[2]]


async def test_an_unverified_bank_comes_back_under_its_id_for_48_hours(gateway, client, customer):
    source = await client.create(f"{customer}/funding-sources", NUMBERS)
    await client.post(source, json={"removed": True})
    assert await client.create(f"{customer}/funding-sources", NUMBERS) == source
    await client.post(source, json={"removed": True})
    gateway.clock.advance(49 * HOUR_MS)
    await client.sign_in(client.made["client_id"], client.made["client_secret"])
    assert await client.create(f"{customer}/funding-sources", NUMBERS) != source


async def test_an_exchange_serves_again_after_its_source_was_removed(client, customer):
    exchange = await client.exchange(customer)
    first = await client.funding_source(customer, exchange)
    await client.post(first, json={"removed": True})
    assert await client.funding_source(customer, exchange) != first


async def test_numbers_are_nowhere_in_clear(gateway, client, customer):
    await client.create(f"{customer}/funding-sources", {**NUMBERS, "accountNumber": "90817263"})
    rows = await gateway.core.db.all(Statement("SELECT * FROM funding_source"))
    assert "90817263" not in str([tuple(row) for row in rows])
    assert "222222226" not in str([tuple(row) for row in rows])


@given(st.integers(0, 99_999_999))
def test_exactly_one_check_digit_fits(head):
    text = f"{head:08d}"
    assert sum(is_routing(f"{text}{digit}") for digit in range(10)) == 1


@pytest.mark.parametrize("text", ["", "22222222", "2222222260", "22222222a", "２２２２２２２２６"])
def test_what_is_no_routing_number(text):
    assert not is_routing(text)


def test_leading_zeros_stay():
    assert canonical(" 00-12 3 ") == "00123"


@pytest.mark.parametrize(
    ("cents", "value"),
    [(0, "0.00"), (5, "0.05"), (54_200, "542.00"), (-1, "-0.01"), (-150, "-1.50")],
)
def test_amounts_have_two_decimals(cents, value):
    assert Amount.of(cents, "USD").value == value


async def test_the_sandbox_may_take_a_verification_back(gateway):
    client = await gateway.application()
    customer = await client.customer()
    source = await client.funding_source(customer, await client.exchange(customer))
    path = f"/_tallystick/control/funding-sources/{source.rpartition('/')[2]}/unverify"
    answers = [await client.post(path) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 403]
    assert (await client.get(source)).json()["status"] == "unverified"
    newest = (await client.get("/events")).json()["_embedded"]["events"][0]
    assert newest["topic"] == "customer_funding_source_unverified"
    for wrong in (path.replace("unverify", "unverfy"), path.replace(source[-36:], "0" * 36)):
        assert (await client.post(wrong)).status_code == 404
