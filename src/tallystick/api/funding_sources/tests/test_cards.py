"""Debit cards: what may be seen of one, which are refused, and the account that pays them out."""

from __future__ import annotations

import pytest

from tallystick.partners.contract import Card, DescribesCards
from tallystick.secret import Secret
from tallystick.store.db import Statement

pytestmark = pytest.mark.anyio

HOLDER = {
    "firstName": "Ada",
    "lastName": "Byron",
    "billingAddress": {
        "address1": "1 Main St",
        "address2": "Apt 2",
        "city": "Des Moines",
        "stateProvinceRegion": "IA",
        "country": "US",
        "postalCode": "50309",
    },
}


def card(**changes) -> Card:
    shown = {
        "external_id": "src_1",
        "fingerprint": Secret("same-card"),
        "brand": "Visa",
        "first_six": "402476",
        "last_four": "1519",
        "expiration_month": 12,
        "expiration_year": 2099,
        "country": "US",
        "kind": "debit",
    }
    return Card(**{**shown, **changes})


@pytest.fixture
async def linked(stage):
    """(client, principal, customer, body of a card from a fresh exchange)"""
    stage.partner.abilities = {DescribesCards}
    stage.partner.card = card()
    client, principal = await stage.application()
    customer = await client.customer()
    return client, principal, customer, await body(stage, principal, customer)


async def body(stage, principal, customer, **more):
    exchange = await stage.exchange(principal, customer)
    return {
        "_links": {"exchange": {"href": exchange}},
        "name": "Ada debit",
        "cardDetails": HOLDER,
        **more,
    }


async def test_a_card_is_verified_at_once_and_shows_what_may_be_seen(stage, linked):
    client, _, customer, posted = linked
    source = await client.create(f"{customer}/funding-sources", posted)
    shown = (await client.get(source)).json()
    assert (shown["type"], shown["status"], shown["channels"]) == ("card", "verified", [])
    assert shown["cardDetails"] == {
        "brand": "Visa",
        "lastFour": "1519",
        "expirationMonth": 12,
        "expirationYear": 2099,
        "nameOnCard": "Ada Byron",
        "bin": "402476",
        "billingAddress": HOLDER["billingAddress"],
    }
    assert {"self", "customer", "remove", "transfer-receive"} == set(shown["_links"])
    (row,) = await stage.core.db.all(Statement("SELECT * FROM funding_source WHERE type = 'card'"))
    for told in ("Byron", "50309", "402476", "same-card"):
        assert told not in str(tuple(row))


async def test_the_settlement_account_is_there_once(stage, linked):
    client, principal, customer, posted = linked
    await client.create(f"{customer}/funding-sources", posted)
    stage.partner.card = card(fingerprint=Secret("another"))
    again = await body(stage, principal, customer)
    await client.create(f"{customer}/funding-sources", again)
    account = f"/accounts/{principal.account_id}/funding-sources?removed=false"
    (settlement,) = (await client.get(account)).json()["_embedded"]["funding-sources"]
    assert settlement["bankUsageType"] == "card-network"
    source = settlement["_links"]["self"]["href"]
    balance = (await client.get(f"{source}/balance")).json()
    assert balance["available"] == {"value": "0.00", "currency": "USD"}
    for change, status in (({"removed": True}, 403), ({"name": "Mine"}, 400)):
        assert (await client.post(source, json=change)).status_code == status


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"country": "FR"}, "The card's country is not supported."),
        ({"kind": "credit"}, "The card data is invalid."),
        ({"expiration_year": 2020}, "The card data is invalid."),
    ],
)
async def test_cards_that_are_refused(stage, linked, changes, said):
    client, _, customer, posted = linked
    stage.partner.card = card(**changes)
    answer = await client.post(f"{customer}/funding-sources", json=posted)
    (error,) = answer.json()["_embedded"]["errors"]
    assert (answer.status_code, error["code"], error["path"]) == (400, "Invalid", "/token")
    assert error["message"] == said


async def test_everything_that_is_missing_is_named_at_once(linked):
    client, _, customer, posted = linked
    posted["cardDetails"] = {"firstName": "Ada", "billingAddress": {"country": "usa"}}
    answer = await client.post(f"{customer}/funding-sources", json=posted)
    wrong = {error["path"] for error in answer.json()["_embedded"]["errors"]}
    assert {
        "/cardDetails/lastName",
        "/cardDetails/billingAddress/address1",
        "/cardDetails/billingAddress/city",
        "/cardDetails/billingAddress/stateProvinceRegion",
        "/cardDetails/billingAddress/postalCode",
        "/cardDetails/billingAddress/country",
    } == wrong


async def test_the_same_card_twice_and_one_too_many(stage, linked, monkeypatch):
    client, principal, customer, posted = linked
    await client.create(f"{customer}/funding-sources", posted)
    again = await body(stage, principal, customer)
    answer = await client.post(f"{customer}/funding-sources", json=again)
    assert (answer.status_code, answer.json()["code"]) == (400, "DuplicateResource")
    monkeypatch.setattr("tallystick.api.funding_sources.cards.CARDS_MAX", 1)
    answer = await client.post(f"{customer}/funding-sources", json=again)
    (error,) = answer.json()["_embedded"]["errors"]
    assert (error["message"], error["path"]) == (
        "The maximum number of cards has been exceeded.",
        "/_links/exchange",
    )


async def test_a_card_has_no_balance_and_keeps_its_name(linked):
    client, _, customer, posted = linked
    source = await client.create(f"{customer}/funding-sources", posted)
    answer = await client.get(f"{source}/balance")
    assert answer.json()["code"] == "UnsupportedOperation"
    refused = await client.post(source, json={"name": "Other"})
    assert refused.json()["message"] == "Only funding sources of type='bank' can be updated."
    assert (await client.post(source, json={"removed": True})).json()["removed"] is True


async def test_a_card_without_an_exchange(linked):
    client, _, customer, posted = linked
    del posted["_links"]
    answer = await client.post(f"{customer}/funding-sources", json=posted)
    (error,) = answer.json()["_embedded"]["errors"]
    assert (error["code"], error["path"]) == ("Required", "/_links/exchange/href")


async def test_the_wrong_body_for_the_exchange(linked):
    client, _, customer, posted = linked
    del posted["cardDetails"]
    answer = await client.post(
        f"{customer}/funding-sources", json={**posted, "bankAccountType": "checking"}
    )
    (error,) = answer.json()["_embedded"]["errors"]
    assert error["path"] == "/cardDetails"
