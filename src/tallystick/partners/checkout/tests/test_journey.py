"""From a session to a card funding source, through the gateway's own API (contract 7.3)."""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import Any

import pytest
from tests.gateway import BASE, Api, InProcess, in_process
from tests.notices import assert_heard_as_signed

from tallystick.api.exchanges import redemption
from tallystick.api.exchanges.health import CONFIRM_MS
from tallystick.clock import SECOND_MS
from tallystick.partners.checkout.tests.checkout_world import (
    BRITISH_DEBIT,
    CREDIT,
    MASTERCARD_DEBIT,
    NO_FUNDS,
    VISA_DEBIT,
)
from tallystick.server.inbound import Inbound
from tallystick.store.db import Statement

pytestmark = pytest.mark.anyio

NAME = "Checkout.com"
ADDRESS = {"address1": "1 Main St", "city": "Des Moines", "stateProvinceRegion": "IA", "country": "US", "postalCode": "50309"}  # fmt: skip
SIMULATOR = "/_partners/checkout"
SECRET_KEY = {"Authorization": "Bearer sandbox", "Accept": "application/json"}


@pytest.fixture
async def api(gateway: InProcess) -> Api:
    return await gateway.application()


async def paid(api: Api, customer: str, **card: str) -> str:
    return (await api.complete(await api.session(customer, NAME), **card))["token"]


async def proof(api: Api, token: str) -> dict[str, Any]:
    href = await api.partner_href(NAME)
    return {"_links": {"exchange-partner": {"href": href}}, "token": token}


async def exchange(api: Api, customer: str, **card: str) -> str:
    return await api.create(f"{customer}/exchanges", await proof(api, await paid(api, customer, **card)))  # fmt: skip


def source(exchange: str) -> dict[str, Any]:
    details = {"firstName": "Ada", "lastName": "Byron", "billingAddress": ADDRESS}
    return {"_links": {"exchange": {"href": exchange}}, "name": "Ada debit", "cardDetails": details}


async def test_a_session_shows_what_flow_needs(api):
    customer = await api.customer()
    session = await api.session(customer, NAME)
    data = (await api.get(session)).json()["externalProviderSessionData"]
    assert set(data) == {"id", "payment_session_secret", "payment_session_token"}
    assert data["payment_session_token"].startswith("YmFzZTY0:")
    path = f"/_tallystick/control/sessions/{session.rpartition('/')[2]}/complete"
    declined = await api.post(path, json={"card": NO_FUNDS})
    assert declined.json()["error_codes"] == ["payment_declined", "not_enough_funds"]
    assert (await api.complete(session))["token"].startswith("pay_")


@pytest.mark.parametrize(
    ("number", "brand"), [(VISA_DEBIT, "Visa"), (MASTERCARD_DEBIT, "Mastercard")]
)
async def test_a_card_becomes_a_funding_source(api, number, brand):
    customer = await api.customer()
    linked = await exchange(api, customer, card=number)
    made = await api.create(f"{customer}/funding-sources", source(linked))
    shown = (await api.get(made)).json()
    assert (shown["type"], shown["status"]) == ("card", "verified")
    assert shown["cardDetails"]["brand"] == brand
    assert shown["cardDetails"]["lastFour"] == number[-4:]
    assert number not in str(shown)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (CREDIT, "The card data is invalid."),
        (BRITISH_DEBIT, "The card's country is not supported."),
    ],
)
async def test_a_card_without_use_is_no_funding_source(api, number, message):
    customer = await api.customer()
    linked = await exchange(api, customer, card=number)
    refused = await api.post(f"{customer}/funding-sources", json=source(linked))
    assert refused.status_code == 400
    assert [each["message"] for each in refused.json()["_embedded"]["errors"]] == [message]


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("John", "Doe", "full-match"),
        ("John", "John", "partial-match"),
        ("James", "Taylor", "no-match"),
        ("Carol", "Anne", "not-performed"),
        ("Lisa", "Rose", "not-supported"),
        ("Zoë", "Ng", "full-match"),  # no test name: ours
    ],
)
async def test_an_exchange_tells_whose_card_it_is(api, first, last, said):
    customer = await api.customer()
    linked = await exchange_of(api, customer, first, last, asks=True)
    shown = (await api.get(linked)).json()
    assert shown["cardDetails"] == {"accountNameInquiry": said}
    listed = (await api.get(f"{customer}/exchanges")).json()["_embedded"]["exchanges"]
    assert listed == [shown]


async def test_nobody_is_asked_about_a_name_unless_told_to(api):
    customer = await api.customer()
    for linked in (
        await exchange_of(api, customer, "James", "Taylor", asks=False),
        await exchange(api, customer),
    ):
        assert "cardDetails" not in (await api.get(linked)).json()


async def exchange_of(api: Api, customer: str, first: str, last: str, *, asks: bool) -> str:
    body = {
        "_links": {"exchange-partner": {"href": await api.partner_href(NAME)}},
        "cardDetails": {"firstName": first, "lastName": last, "accountNameInquiry": asks},
    }
    session = await api.create(f"{customer}/exchange-sessions", body)
    token = (await api.complete(session))["token"]
    return await api.create(f"{customer}/exchanges", await proof(api, token))


async def test_the_answer_outlives_a_crash_and_the_name_is_not_kept(gateway, api, monkeypatch):
    """Between the grant and the exchange: what the issuer said is in the sealed grant."""
    recording = redemption._record

    async def crash(*_args: Any) -> Any:
        raise RuntimeError("arranged")

    monkeypatch.setattr(redemption, "_record", crash)
    customer = await api.customer()
    with pytest.raises(AssertionError, match="ServerError"):
        await exchange_of(api, customer, "James", "Taylor", asks=True)
    monkeypatch.setattr(redemption, "_record", recording)
    gateway.clock.advance(redemption.LEASE_MS + SECOND_MS)
    assert await redemption.resume(gateway.core) == 1
    (shown,) = (await api.get(f"{customer}/exchanges")).json()["_embedded"]["exchanges"]
    assert shown["cardDetails"] == {"accountNameInquiry": "no-match"}
    for table in ("exchange", "exchange_session", "exchange_intent", "audit"):
        rows = await gateway.core.db.all(Statement(f"SELECT * FROM {table}"))
        assert rows
        assert "Taylor" not in str([tuple(row) for row in rows])


async def test_a_payment_works_once(api):
    customer = await api.customer()
    body = await proof(api, await paid(api, customer))
    await api.create(f"{customer}/exchanges", body)
    again = await api.post(f"{customer}/exchanges", json=body)
    assert (again.status_code, again.json()["code"]) == (401, "InvalidExchangeToken")


async def test_a_payment_of_another_customer_is_refused(api):
    mine, theirs = await api.customer(), await api.customer()
    body = await proof(api, await paid(api, theirs))
    for path, status in ((f"{mine}/exchanges", 401), ("/exchanges", 400)):
        refused = await api.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (status, "InvalidExchangeToken")
    assert (await api.get("/exchanges")).json()["total"] == 0


@pytest.mark.parametrize("token", ["pay_" + "a" * 26, VISA_DEBIT, "zzz-none"])
async def test_what_is_no_payment_of_ours_is_no_exchange(api, token):
    customer = await api.customer()
    refused = await api.post(f"{customer}/exchanges", json=await proof(api, token))
    assert (refused.status_code, refused.json()["code"]) == (401, "InvalidExchangeToken")
    assert token not in refused.text


async def test_a_card_that_was_deleted_at_the_partner_removes_the_exchange(gateway, api):
    customer = await api.customer()
    token = await paid(api, customer)
    linked = await api.create(f"{customer}/exchanges", await proof(api, token))
    payment = await api.get(f"{SIMULATOR}/payments/{token}", headers=SECRET_KEY)
    path = f"{SIMULATOR}/instruments/{payment.json()['source']['id']}"
    assert (await api.delete(path, headers=SECRET_KEY)).status_code == 204
    for status in ("active", "removed"):
        refused = await api.post(f"{customer}/funding-sources", json=source(linked))
        assert refused.status_code == 400
        assert (await api.get(linked)).json()["status"] == status
        gateway.clock.advance(CONFIRM_MS)


async def test_a_webhook_makes_the_gateway_look(tmp_path, database_url, monkeypatch):
    """What the notice says is not believed; that the card is gone is seen by looking."""
    settings = {"checkout": {"webhook_secret": "a key"}}
    async with in_process(tmp_path, database_url, partners=settings) as gateway:
        api = await gateway.application()
        customer = await api.customer()
        token = await paid(api, customer)
        await api.create(f"{customer}/exchanges", await proof(api, token))
        payment = await api.get(f"{SIMULATOR}/payments/{token}", headers=SECRET_KEY)
        card = f"{SIMULATOR}/instruments/{payment.json()['source']['id']}"
        body = json.dumps({"type": "payment_voided", "data": {"id": token}}).encode()

        def sign(content: bytes, key: bytes = b"a key", digest: str = "sha256") -> dict[str, str]:
            return {"Cko-Signature": hmac.new(key, content, digest).hexdigest()}

        forged = {
            "another key": sign(body, key=b"another"),
            "another algorithm": sign(body, digest="sha512"),
        }
        await assert_heard_as_signed(
            gateway, api, monkeypatch, key="checkout", body=body, sign=sign, forged=forged,
            lose=lambda: api.delete(card, headers=SECRET_KEY), doorbell=True,
        )  # fmt: skip


async def test_the_simulator_tells_the_gateway(tmp_path, monkeypatch):
    told: asyncio.Queue[int] = asyncio.Queue()
    take = Inbound._take

    async def watched(self: Inbound, *args: Any) -> int:
        status = await take(self, *args)
        told.put_nowait(status)
        return status

    monkeypatch.setattr(Inbound, "_take", watched)
    url = f"sqlite:///{tmp_path}/t.db"
    settings = {"checkout": {"webhook_secret": "a key"}}
    async with in_process(tmp_path, url, partners=settings) as gateway:
        api = await gateway.application()
        signature = {"method": "HMACSHA256", "key": "a key"}
        action = {"type": "webhook", "url": f"{BASE}/_inbound/checkout", "signature": signature}
        workflow = {"name": "tallystick", "actions": [action]}
        await api.post(f"{SIMULATOR}/workflows", json=workflow, headers=SECRET_KEY)
        await paid(api, await api.customer())
        async with asyncio.timeout(60):
            assert await told.get() == 200
