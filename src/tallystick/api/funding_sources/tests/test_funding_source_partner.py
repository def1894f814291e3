"""What the partner says, and when it is asked: creation from an exchange, and balances (6.3, 6.4)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.requirements import spec

from tallystick.api.exchanges.health import CONFIRM_MS
from tallystick.api.funding_sources import routes
from tallystick.clock import to_iso
from tallystick.partners.contract import Balance, DescribesAccounts, Grant, ReadsBalances
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    PartnerRefused,
    PartnerUnavailable,
    ProofRejected,
)
from tallystick.partners.registry import GuardedPartner
from tallystick.secret import Secret

pytestmark = pytest.mark.anyio

GRANT = Grant(Secret("access-secret"), "item")

TOKEN = "The exchange token is not valid to perform this operation."
INACTIVE = "The Exchange was removed or disabled."
USED = (
    "Duplicate funding source or validation error."
    " Authorization already associated to a funding source."
)
REAUTH = (
    "Re-authentication is required in order to access account data."
    " Please initiate the exchange session flow to regain access."
)


def body_of(exchange, kind="checking", **more):
    return {
        "_links": {"exchange": {"href": exchange}}, "bankAccountType": kind, "name": "Main", **more
    }  # fmt: skip


@pytest.fixture
async def linked(stage):
    """(client, principal, customer, exchange)"""
    client, principal = await stage.application()
    customer = await client.customer()
    return client, principal, customer, await stage.exchange(principal, customer)


async def topics(client):
    listed = (await client.get("/events?limit=50")).json()["_embedded"]["events"]
    return [each["topic"] for each in reversed(listed)]


def said(answer):
    return answer.status_code, answer.json()["code"], answer.json()["message"]


def test_answers_are_held_against_the_specification():
    """`Api` checks every answer of these tests, and can only where the document is at hand."""
    assert spec("dwolla-openapi.yml").stat().st_size > 0


# ── creation ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("kind", "bank"), [("checking", "Tally Bank"), ("savings", None)])
async def test_the_account_of_the_asked_kind_is_taken(stage, linked, kind, bank):
    client, _, customer, exchange = linked
    source = await client.create(f"{customer}/funding-sources", body_of(exchange, kind))
    shown = (await client.get(source)).json()
    assert (shown["status"], shown["bankAccountType"]) == ("verified", kind)
    assert shown.get("bankName") == bank
    assert stage.partner.calls == [f"list_accounts item-{exchange.rpartition('/')[2]}"]
    assert await topics(client) == [
        "customer_created", "customer_funding_source_added", "customer_funding_source_verified",
    ]  # fmt: skip


class Told:
    """A connector that lists these accounts."""

    def __init__(self, accounts):
        self.accounts = accounts

    async def list_accounts(self, _grant):
        return self.accounts


@pytest.mark.parametrize(
    ("institution", "bank"),
    [("First\0 \x1b[31mBank\n", "First [31mBank"), ("\ud800", None), ("x" * 5000, "x" * 200)],
)
async def test_the_name_of_a_bank_can_be_kept_and_shown(stage, linked, institution, bank):
    client, _, customer, exchange = linked
    told = Told([replace(each, institution=institution) for each in stage.partner.accounts])
    stage.partner.accounts = await GuardedPartner(stage.partner.manifest, told).list_accounts(GRANT)
    source = await client.create(f"{customer}/funding-sources", body_of(exchange))
    assert (await client.get(source)).json().get("bankName") == bank


@pytest.mark.parametrize("odd", ["a\0b", "", "\ud800", "x" * 256])
async def test_an_account_whose_id_cannot_be_kept_is_not_readable(stage, odd):
    told = Told([replace(each, external_id=odd) for each in stage.partner.accounts])
    with pytest.raises(PartnerUnavailable, match="UNREADABLE_ANSWER"):
        await GuardedPartner(stage.partner.manifest, told).list_accounts(GRANT)


async def test_no_account_of_that_kind(stage, linked):
    client, _, customer, exchange = linked
    stage.partner.accounts = stage.partner.accounts[:1]
    answer = await client.post(f"{customer}/funding-sources", json=body_of(exchange, "savings"))
    (error,) = answer.json()["_embedded"]["errors"]
    assert (answer.status_code, answer.json()["code"]) == (400, "ValidationError")
    assert (error["code"], error["path"]) == ("Invalid", "/bankAccountType")


async def test_no_transaction_is_open_while_the_partner_is_asked(stage, linked):
    client, _, customer, exchange = linked
    seen = []

    async def look():
        seen.append(stage.db.running)

    stage.partner.during = look
    await client.create(
        f"{customer}/funding-sources", body_of(exchange), headers={"Idempotency-Key": "k"}
    )
    assert seen == [0]


@pytest.mark.parametrize(
    ("failure", "status", "code", "message"),
    [
        (ConsentLost("LOGIN"), 400, "InvalidExchangeToken", TOKEN),
        (ProofRejected("NO_AUTH"), 400, "InvalidExchangeToken", TOKEN),
        (GrantRevoked("GONE"), 400, "InactiveExchange", INACTIVE),
        (PartnerUnavailable("DOWN"), 500, "RequestTimeout", "The request timed out."),
        (PartnerRefused("KEYS"), 500, "ServerError", None),
    ],
)
async def test_what_a_partners_refusal_becomes_and_that_the_key_is_free_again(
    stage, linked, failure, status, code, message
):
    client, _, customer, exchange = linked
    post = {"json": body_of(exchange), "headers": {"Idempotency-Key": "again"}}
    stage.partner.failure = failure
    answer = await client.post(f"{customer}/funding-sources", **post)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert message in (None, answer.json()["message"])
    assert (await client.get(f"{customer}/funding-sources")).json()["total"] == 0
    asks = isinstance(failure, ConsentLost | ProofRejected | GrantRevoked)
    lost = ["customer_exchange_reauth_required"] if asks else []
    assert await topics(client) == ["customer_created", *lost]
    stage.partner.failure = None
    again = await client.post(f"{customer}/funding-sources", **post)
    assert again.status_code == 201  # not even a consent that is gone is believed at once


@pytest.mark.parametrize("status", ["deactivated", "removed"])
async def test_an_exchange_that_is_not_active_is_refused_before_the_partner(stage, linked, status):
    client, _, customer, exchange = linked
    await stage.set_status(exchange, status)
    answer = await client.post(f"{customer}/funding-sources", json=body_of(exchange))
    assert said(answer) == (400, "InactiveExchange", INACTIVE)
    assert stage.partner.calls == []


async def test_a_partner_that_cannot_describe_accounts(stage, linked):
    client, _, customer, exchange = linked
    stage.partner.abilities = set()
    answer = await client.post(f"{customer}/funding-sources", json=body_of(exchange))
    assert said(answer)[:2] == (403, "Forbidden")


async def test_an_exchange_in_use_is_told_without_asking_the_partner(stage, linked):
    client, _, customer, exchange = linked
    await client.create(f"{customer}/funding-sources", body_of(exchange))
    again = await client.post(f"{customer}/funding-sources", json=body_of(exchange, "savings"))
    assert said(again) == (400, "ValidationError", USED)
    assert "_embedded" not in again.json()
    assert len(stage.partner.calls) == 1


async def test_the_same_bank_through_another_exchange_is_a_duplicate(stage, linked):
    client, principal, customer, exchange = linked
    first = await client.create(f"{customer}/funding-sources", body_of(exchange))
    other = await stage.exchange(principal, customer)
    answer = await client.post(f"{customer}/funding-sources", json=body_of(other))
    own = first.rpartition("/")[2]
    assert said(answer) == (400, "DuplicateResource", f"Bank already exists: id={own}")
    assert answer.json()["_links"]["about"]["href"] == first


async def test_those_who_lose_the_race_for_an_exchange_hear_what_late_ones_hear(stage, linked):
    client, _, customer, exchange = linked
    everyone = asyncio.Barrier(16)
    stage.partner.during = everyone.wait
    answers = await asyncio.gather(
        *(client.post(f"{customer}/funding-sources", json=body_of(exchange)) for _ in range(16))
    )
    losers = [each for each in answers if each.status_code != 201]
    assert len(losers) == 15
    assert {said(each) for each in losers} == {(400, "ValidationError", USED)}
    assert (await topics(client)).count("customer_funding_source_added") == 1


async def test_whose_exchange_it_is(stage, linked):
    client, principal, customer, exchange = linked
    stranger, foreign = await stage.application()
    for poster, where, href in [
        (stranger, f"{await stranger.customer()}/funding-sources", exchange),
        (client, f"{customer}/funding-sources", await stage.exchange(foreign, None)),
        (client, f"{customer}/funding-sources", await stage.exchange(principal, None)),
        (client, "/funding-sources", exchange),
    ]:
        answer = await poster.post(where, json=body_of(href))
        assert answer.status_code == 404, where
    assert stage.partner.calls == []


async def test_the_accounts_own_exchange(stage, linked):
    client, principal, _, _ = linked
    source = await client.create("/funding-sources", body_of(await stage.exchange(principal, None)))
    links = (await client.get(source)).json()["_links"]
    assert links["account"]["href"].endswith(principal.account_id)
    assert "customer" not in links
    assert (await topics(client))[1:] == ["funding_source_added", "funding_source_verified"]


async def test_a_key_is_taken_while_the_partner_is_asked_and_then_repeats_the_answer(stage, linked):
    client, _, customer, exchange = linked
    post = {"json": body_of(exchange), "headers": {"Idempotency-Key": "one"}}
    asked, go = asyncio.Event(), asyncio.Event()

    async def wait():
        asked.set()
        await go.wait()

    stage.partner.during = wait
    first = asyncio.create_task(client.post(f"{customer}/funding-sources", **post))
    await asked.wait()
    assert (await client.post(f"{customer}/funding-sources", **post)).status_code == 409
    go.set()
    made = (await first).headers["location"]
    again = await client.post(f"{customer}/funding-sources", **post)
    assert (again.status_code, again.headers["location"]) == (201, made)
    assert len(stage.partner.calls) == 1


# ── balances ──────────────────────────────────────────────────────────────────────────────────


async def test_a_balance(stage, linked):
    client, _, customer, exchange = linked
    source = await client.create(f"{customer}/funding-sources", body_of(exchange))
    now_ms = stage.clock.now_ms()
    stage.partner.balance = Balance(54_200, -5, "USD", now_ms)
    shown = (await client.get(f"{source}/balance")).json()
    assert shown["closing"] == {"value": "542.00", "currency": "USD"}
    assert shown["available"] == {"value": "-0.05", "currency": "USD"}
    assert shown["lastUpdated"] == to_iso(now_ms)
    assert shown["_links"]["self"]["href"] == f"{source}/balance"
    assert shown["_links"]["funding-source"]["href"] == source
    assert (
        stage.partner.calls[-1] == f"read_balance item-{exchange.rpartition('/')[2]} acc-checking"
    )


async def test_what_is_available_may_be_unknown(stage, linked):
    """The prose allows it, the specification does not (10.22): hence without the client's check."""
    client, principal, customer, exchange = linked
    source = await client.create(f"{customer}/funding-sources", body_of(exchange))
    stage.partner.balance = Balance(1, None, "USD", 0)
    reply = await routes.get_balance(stage.request(principal, source.rpartition("/")[2]))
    assert reply.body.available is None


async def test_the_balance_link_is_there_where_the_partner_reads_balances(stage, linked):
    client, _, customer, exchange = linked
    source = await client.create(f"{customer}/funding-sources", body_of(exchange))
    account = await client.create(
        f"{customer}/funding-sources",
        {"routingNumber": "222222226", "accountNumber": "4444",
         "bankAccountType": "loan", "name": "L"},
    )  # fmt: skip

    async def with_link():
        listed = (await client.get(f"{customer}/funding-sources")).json()["_embedded"]
        found = [
            each["_links"] for each in listed["funding-sources"] if "balance" in each["_links"]
        ]
        assert ("balance" in (await client.get(source)).json()["_links"]) == bool(found)
        renamed = await client.post(source, json={"name": "Other"})
        assert ("balance" in renamed.json()["_links"]) == bool(found)
        return [each["self"]["href"] for each in found]

    assert await with_link() == [source]
    stage.partner.abilities = {DescribesAccounts}
    assert await with_link() == []
    assert said(await client.get(f"{source}/balance")) == (
        400, "UnsupportedOperation", "Balance Check is not supported by your exchange partner.",
    )  # fmt: skip
    stage.partner.abilities = {ReadsBalances}
    for address in (account, source):
        await client.post(address, json={"removed": True})
        assert said(await client.get(f"{address}/balance")) == (
            400,
            "UnsupportedOperation",
            "Retrieving the balance is not supported for this type of funding source.",
        )


async def test_lost_consent_names_the_way_out(stage, linked):
    client, _, customer, exchange = linked
    source = await client.create(f"{customer}/funding-sources", body_of(exchange))
    stage.partner.failure = ConsentLost("LOGIN")
    answer = await client.get(f"{source}/balance")
    assert said(answer) == (400, "UpdateCredentials", REAUTH)
    about = answer.json()["_links"]["about"]
    assert (about["href"], about["resource-type"]) == (
        f"{exchange}/exchange-sessions", "exchange-session",
    )  # fmt: skip


async def test_a_consent_that_is_gone_removes_the_exchange(stage, linked):
    client, _, customer, exchange = linked
    source = await client.create(f"{customer}/funding-sources", body_of(exchange))
    stage.partner.failure = GrantRevoked("GONE")
    for status in ("active", "active", "removed", "removed"):
        answer = await client.get(f"{source}/balance")
        assert said(answer)[:2] == (400, "InvalidExchange")
        assert (await client.get(exchange)).json()["status"] == status
        if len(stage.partner.calls) == 3:
            stage.clock.advance(CONFIRM_MS)
    assert len(stage.partner.calls) == 4  # the last time nobody is asked


async def test_a_deactivated_exchange_is_asked_and_may_work_again(stage, linked):
    client, _, customer, exchange = linked
    source = await client.create(f"{customer}/funding-sources", body_of(exchange))
    await stage.set_status(exchange, "deactivated")
    stage.partner.balance = Balance(100, 100, "USD", stage.clock.now_ms())
    assert (await client.get(f"{source}/balance")).status_code == 200
    assert (await client.get(exchange)).json()["status"] == "active"


async def test_a_partner_that_is_down(stage, linked):
    client, _, customer, exchange = linked
    source = await client.create(f"{customer}/funding-sources", body_of(exchange))
    stage.partner.failure = PartnerUnavailable("DOWN")
    assert said(await client.get(f"{source}/balance"))[:2] == (500, "RequestTimeout")
