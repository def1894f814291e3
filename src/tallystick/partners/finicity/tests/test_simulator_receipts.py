"""Consent receipts: how an integrator has them made, and what the gateway's connector can do."""

from __future__ import annotations

import pytest

from tallystick.clock import DAY_MS, to_iso
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    ProofExpired,
    ProofRejected,
)
from tallystick.partners.finicity.tests.finicity_world import (
    Integrator,
    World,
    answered,
    made_up,
    proof,
)
from tallystick.partners.finicity.wire import RENEW_MS

pytestmark = pytest.mark.anyio

KEYS = "/aggregation/v1/partners/accessKey"
LIVE = ("moneyTransferDetails", "availableBalanceLive")


# ── receipts, and what the gateway does with one ──────────────────────────────────────────────


async def test_a_receipt_shows_stand_ins(shop: Integrator):
    customer = await shop.customer()
    account = (await shop.accounts(customer))[0]["id"]
    receipt = await shop.receipt(customer, account, payorId="1", maxCalls=5)
    assert receipt["customerId"] != customer
    assert {each["accountId"] for each in receipt["products"]} & {account} == set()
    body = shop.key(customer, account, names=LIVE)
    path = f"{KEYS}/{receipt['receiptId']}"
    updated = (await shop.client.put(path, json=body)).json()["data"][0]["receipt"]
    assert (updated["receiptVersion"], updated["receiptId"]) == (2, receipt["receiptId"])
    assert updated["products"][0]["accountId"] == receipt["products"][0]["accountId"]
    assert (await shop.client.delete(path)).status_code == 204
    answered(await shop.client.delete(path), 404, "14001")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda b: b.pop("customerId"), "10005"),
        (lambda b: b.pop("thirdPartyPartnerId"), "10005"),
        (lambda b: b.update(partnerId="9"), "10010"),
        (lambda b: b.update(customerId="9"), "10010"),
        (lambda b: b.update(products=[]), "10005"),
        (lambda b: b.update(products=[1]), "10010"),
        (lambda b: b.update(provenance=1), "10010"),
        (lambda b: b["products"][0].update(product="voa"), "10010"),
        (lambda b: b["products"][0].update(accountId="1"), "38003"),
        (lambda b: b["products"][0].update(maxCalls=0), "10010"),
        (lambda b: b["products"][0].update(accessPeriod=None), "10005"),
        (lambda b: b["products"][0]["accessPeriod"].update(type="forever"), "10010"),
        (lambda b: b["products"][0]["accessPeriod"].update(startTime=7), "10010"),
        (lambda b: b["products"][0]["accessPeriod"].update(endTime="2020-01-01T00:00:00Z"),
         "10010"),
    ],
)  # fmt: skip
async def test_receipts_that_are_not_made(shop: Integrator, change, code):
    customer = await shop.customer()
    body = shop.key(customer, (await shop.accounts(customer))[0]["id"])
    change(body)
    answer = await shop.post(KEYS, body)
    assert answer.status_code in (400, 404)
    assert answer.json()["code"] == code


async def test_the_gateway_redeems_a_receipt(world: World, shop: Integrator):
    customer = await shop.customer()
    checking = (await shop.accounts(customer))[0]
    partner = world.connector()
    grant = await partner.redeem(proof(await shop.receipt(customer, checking["id"])))
    account = (await partner.list_accounts(grant))[0]
    own = f"/aggregation/v1/customers/{customer}/accounts/{checking['id']}"
    details = (await shop.get(f"{own}/details")).json()
    assert account.number.reveal() == details["realAccountNumber"]
    assert account.routing.reveal() == details["routingNumber"] == "222222226"
    balance = await partner.read_balance(grant, account.external_id)
    assert (balance.current_cents, balance.available_cents) == (251_033, 248_012)
    instructions = await shop.get(own.replace("/v1/", "/v3/") + "/details")
    (ach,) = instructions.json()["paymentInstruction"]
    assert ach["accountNumber"] == details["realAccountNumber"]
    assert (await shop.get(f"{own}/owner")).json()["ownerName"]
    assert (await shop.get(f"{own}/availableBalance/live")).json()["availableBalance"] == 2480.12


async def test_the_token_is_renewed_in_time_and_after(world: World, shop: Integrator):
    customer = await shop.customer()
    account = (await shop.accounts(customer))[0]["id"]
    partner = world.connector()
    grant = await partner.redeem(proof(await shop.receipt(customer, account)))
    world.clock.advance(RENEW_MS)
    assert await partner.list_accounts(grant)
    for token in world.db.execute("SELECT id FROM document WHERE kind = 'token'").fetchall():
        world.kit.shelf.drop("token", token[0])
    assert await partner.list_accounts(grant)


async def test_a_person_has_to_sign_in_again(world: World, shop: Integrator):
    customer = await shop.customer()
    checking = (await shop.accounts(customer))[0]
    partner = world.connector()
    cached = await partner.redeem(proof(await shop.receipt(customer, checking["id"])))
    live = await partner.redeem(proof(await shop.receipt(customer, checking["id"], names=LIVE)))
    login = checking["institutionLoginId"]
    await shop.post(f"/_control/institutionLogins/{login}", {"aggregationStatusCode": 185})
    for grant in (cached, live):
        account = (await partner.list_accounts(grant))[0].external_id
        with pytest.raises(ConsentLost):
            await partner.read_balance(grant, account)
    fix = await shop.link(customer, "/connect/v2/generate/fix", institutionLoginId=str(login))
    assert (await shop.complete(fix)).json()["repaired"] is True
    for grant in (cached, live):
        account = (await partner.list_accounts(grant))[0].external_id
        assert await partner.read_balance(grant, account)


async def test_what_a_receipt_does_not_open(world: World, shop: Integrator):
    customer = await shop.customer()
    account = await shop.accounts(customer, user="profile_03")
    checking, card = account[0]["id"], account[2]["id"]
    partner = world.connector()

    with pytest.raises(ProofRejected):  # made up
        await partner.redeem(proof(made_up()))
    own = {"product": "moneyTransferDetails", "accountId": checking}
    with pytest.raises(ProofRejected):  # the integrator's own ids instead of the receipt's
        await partner.redeem(proof({**made_up(), "customerId": customer, "products": [own]}))
    with pytest.raises(ProofRejected) as caught:  # a card has no numbers
        await partner.redeem(proof(await shop.receipt(customer, card)))
    assert caught.value.code == "14020"
    body = shop.key(customer, checking)
    body["thirdPartyPartnerId"] = "2445583871234"
    other = (await shop.post(KEYS, body)).json()["data"][0]["receipt"]
    with pytest.raises(ProofRejected):  # made for somebody else
        await partner.redeem(proof(other))
    with pytest.raises(ProofRejected):  # used up
        once = await shop.receipt(customer, checking, maxCalls=1)
        grant = await partner.redeem(proof(once))
        with pytest.raises(GrantRevoked):
            await partner.list_accounts(grant)
        await partner.redeem(proof(once))


async def test_a_receipt_that_was_revoked(world: World, shop: Integrator):
    customer = await shop.customer()
    account = (await shop.accounts(customer))[0]["id"]
    partner = world.connector()
    receipt = await shop.receipt(customer, account)
    grant = await partner.redeem(proof(receipt))
    await shop.client.delete(f"{KEYS}/{receipt['receiptId']}")
    with pytest.raises(GrantRevoked):
        await partner.list_accounts(grant)
    with pytest.raises(ProofRejected):
        await partner.redeem(proof(receipt))


async def test_a_receipt_whose_time_is_over(world: World, shop: Integrator):
    customer = await shop.customer()
    account = (await shop.accounts(customer))[0]["id"]
    receipt = await shop.receipt(customer, account)
    partner = world.connector()
    grant = await partner.redeem(proof(receipt))
    world.clock.advance(91 * DAY_MS)
    with pytest.raises(ProofExpired):
        await partner.redeem(proof(receipt))
    with pytest.raises(ProofExpired):
        await partner.list_accounts(grant)
    for product in receipt["products"]:  # the simulator judges for itself
        product["accessPeriod"]["endTime"] = to_iso(world.clock.now_ms() + DAY_MS)
    with pytest.raises(ProofRejected):
        await partner.redeem(proof(receipt))


async def test_a_customer_who_is_deleted_takes_the_receipts_along(world: World, shop: Integrator):
    customer = await shop.customer()
    account = (await shop.accounts(customer))[0]["id"]
    partner = world.connector()
    grant = await partner.redeem(proof(await shop.receipt(customer, account)))
    await shop.client.delete(f"/aggregation/v1/customers/{customer}")
    with pytest.raises(GrantRevoked):
        await partner.list_accounts(grant)
