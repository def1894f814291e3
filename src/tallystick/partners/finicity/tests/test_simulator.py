"""The simulator as an integrator's server sees it, and as the gateway's connector does."""

from __future__ import annotations

import hashlib
import hmac
import json

import msgspec
import pytest

from tallystick.clock import DAY_MS, HOUR_MS, to_iso
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    PartnerRefused,
    ProofExpired,
    ProofRejected,
)
from tallystick.partners.finicity.proof import FinicityReceipt
from tallystick.partners.finicity.tests.finicity_world import (
    CREDENTIALS,
    Integrator,
    World,
    query_of,
    shelf_path,
)
from tallystick.partners.finicity.wire import TOKEN_MS

pytestmark = pytest.mark.anyio

AUTHENTICATE = "/aggregation/v2/partners/authentication"
KEYS = "/aggregation/v1/partners/accessKey"
LIVE = ("moneyTransferDetails", "availableBalanceLive")


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def world(tmp_path):
    world = World(shelf_path(tmp_path))
    yield world
    assert world.inspector.complaints == []
    assert world.inspector.checked > 0
    world.db.close()


@pytest.fixture
async def shop(world):
    async with world.integrator() as shop:
        yield shop


def proof(receipt: dict) -> FinicityReceipt:
    return msgspec.convert(receipt, FinicityReceipt)


async def refused(answer, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


# ── partner authentication ────────────────────────────────────────────────────────────────────


async def test_five_wrong_secrets_lock_the_partner(world: World, shop: Integrator):
    wrong = {**CREDENTIALS, "partnerSecret": "guess"}
    for _ in range(5):
        await refused(await shop.post(AUTHENTICATE, wrong), 401, "10001")
    await refused(await shop.post(AUTHENTICATE, CREDENTIALS), 401, "10021")
    with pytest.raises(PartnerRefused):
        await world.connector().redeem(proof({**_blank(), "receiptId": "cr_1"}))
    assert (await shop.post("/_control/unlock")).status_code == 204
    assert (await shop.post(AUTHENTICATE, CREDENTIALS)).status_code == 200


async def test_the_gateway_does_not_lock_itself_out(world: World, shop: Integrator):
    partner = world.connector(partner_secret="mistyped")
    for _ in range(20):
        with pytest.raises(PartnerRefused):
            await partner.redeem(proof(_blank()))
    assert (await shop.post(AUTHENTICATE, CREDENTIALS)).status_code == 200


def _blank() -> dict:
    return {
        "receiptId": "cr_none",
        "customerId": "1234567890123456789",
        "products": [{"product": "moneyTransferDetails", "accountId": "1"}],
    }


async def test_the_two_headers(world: World, shop: Integrator):
    path = "/aggregation/v1/customers"
    token = shop.client.headers.pop("finicity-app-token")
    await refused(await shop.get(path), 401, "10024")
    shop.client.headers["finicity-app-token"] = "nonsense"
    await refused(await shop.get(path), 401, "10022")
    shop.client.headers["finicity-app-token"] = token
    shop.client.headers["finicity-app-key"] = "nonsense"
    await refused(await shop.get(path), 401, "10027")
    del shop.client.headers["finicity-app-key"]
    await refused(await shop.get(path), 401, "10026")
    shop.client.headers["finicity-app-key"] = "sandbox"
    assert (await shop.get(path)).status_code == 200
    world.clock.advance(2 * HOUR_MS)
    await refused(await shop.get(path), 401, "10023")


@pytest.mark.parametrize("body", [None, [], {"partnerId": "sandbox"}, {"partnerId": {}}])
async def test_an_incomplete_authentication(shop: Integrator, body):
    assert (await shop.post(AUTHENTICATE, body)).status_code == 400


# ── customers and institutions ────────────────────────────────────────────────────────────────


async def test_customers_come_and_go(shop: Integrator):
    customer = await shop.customer("customer-1", firstName="Ada", email="ada@example.com")
    other = await shop.customer("customer-2")
    found = (await shop.get("/aggregation/v1/customers")).json()
    assert [each["id"] for each in found["customers"]] == [customer, other]
    page = (await shop.get("/aggregation/v1/customers", limit="1", start="2")).json()
    assert (page["found"], page["displaying"], page["moreAvailable"]) == (2, 1, False)
    shown = (await shop.get(f"/aggregation/v1/customers/{customer}")).json()
    assert (shown["firstName"], shown["type"]) == ("Ada", "testing")
    gone = await shop.client.delete(f"/aggregation/v1/customers/{customer}")
    assert gone.status_code == 204
    await refused(await shop.get(f"/aggregation/v1/customers/{customer}"), 404, "14001")


async def test_usernames_are_unique_and_long_enough(shop: Integrator):
    await shop.customer("customer-1")
    path = "/aggregation/v2/customers/active"
    await refused(await shop.post(path, {"username": "customer-1"}), 409, "110002")
    await refused(await shop.post(path, {"username": "short"}), 400, "10010")
    await refused(await shop.post(path, {}), 400, "10005")
    await refused(await shop.post(path, {"username": "with\u0000nul"}), 400, "10010")


async def test_institutions_are_searched(shop: Integrator):
    found = (await shop.get("/institution/v2/institutions", search="profiles a")).json()
    assert [each["name"] for each in found["institutions"]] == ["FinBank Profiles - A"]


# ── Connect, without a browser ────────────────────────────────────────────────────────────────


async def test_accounts_come_from_connect(shop: Integrator):
    customer = await shop.customer()
    link = await shop.link(customer)
    asked = query_of(link)
    assert (asked["customerId"], asked["partnerId"]) == (customer, "sandbox")
    assert int(asked["ttl"]) - int(asked["timestamp"]) == 2 * HOUR_MS
    done = (await shop.complete(link, user="profile_09", accounts=["Checking"])).json()
    listed = (await shop.get(f"/aggregation/v1/customers/{customer}/accounts")).json()["accounts"]
    assert [each["id"] for each in listed] == done["accountIds"]
    assert (listed[0]["type"], listed[0]["institutionId"]) == ("checking", "102105")
    again = await shop.accounts(customer)
    assert [each["type"] for each in again] == ["checking", "savings"]
    assert again[0]["id"] == listed[0]["id"]
    login = done["institutionLoginId"]
    of_login = f"/aggregation/v1/customers/{customer}/institutionLogins/{login}/accounts"
    assert (await shop.get(of_login)).json()["accounts"] == (await shop.post(of_login)).json()[
        "accounts"
    ]
    one = f"/aggregation/v2/customers/{customer}/accounts/{listed[0]['id']}"
    assert (await shop.get(one)).json() == (await shop.get(of_login)).json()["accounts"][0]
    gone = await shop.client.delete(one.replace("/v2/", "/v1/"))
    assert gone.status_code == 204
    await refused(await shop.get(one), 404, "38003")


@pytest.mark.parametrize(
    ("signs_in", "code"),
    [
        ({"user": "invalid_user", "password": "go"}, "103"),
        ({"user": "profile_09", "password": "profile_10"}, "103"),
        ({"user": "demo", "password": "128"}, "128"),
        ({"user": "tfa_text", "password": "go"}, "185"),
        ({"user": "tfa_text", "password": "go", "mfa": ["mfa"]}, "185"),
        ({"user": "tfa_choice", "password": "go", "mfa": ["fail"]}, "187"),
        ({"institution": "No Bank"}, "14001"),
        ({"accounts": ["Pension"]}, "14020"),
        ({"accounts": []}, "14020"),
        ({"accounts": "Checking"}, "14020"),
        ({"user": 7}, "14020"),
        ({"mfa": 7}, "14020"),
    ],
)
async def test_connect_ends_with_an_error(shop: Integrator, signs_in, code):
    customer = await shop.customer()
    answer = await shop.complete(await shop.link(customer), **signs_in)
    assert answer.status_code in (400, 404)
    assert answer.json()["code"] == code
    assert (await shop.get(f"/aggregation/v1/customers/{customer}/accounts")).json() == {
        "accounts": []
    }


@pytest.mark.parametrize(
    "signs_in",
    [
        {"user": "demo", "password": "go"},
        {"user": "tfa_text", "password": "go", "mfa": ["mfa", "Rex"]},
        {"user": "tfa_choice", "password": "go", "mfa": ["Text"]},
        {"user": "tfa_image", "password": "go", "mfa": ["tally"]},
        {"user": "tfa_multi", "password": "go", "mfa": ["House"]},
        {"user": "demo", "password": "imagechoice", "mfa": ["Tree"]},
        {"user": "profile_03", "institution": "FinBank Profiles - B"},
    ],
)
async def test_published_test_sign_ins(shop: Integrator, signs_in):
    customer = await shop.customer()
    assert await shop.accounts(customer, **signs_in)


async def test_links_end(world: World, shop: Integrator):
    customer = await shop.customer()
    once = await shop.link(customer, singleUseUrl=True)
    assert (await shop.complete(once)).status_code == 200
    assert (await shop.complete(once)).status_code == 401
    old = await shop.link(customer)
    world.clock.advance(2 * HOUR_MS)
    assert (await shop.complete(old)).status_code == 401
    assert (await shop.complete("https://elsewhere.example/connect")).status_code == 404
    page = await shop.client.get(old)
    assert page.status_code == 401
    assert "too long" in page.text


@pytest.mark.parametrize(
    "more",
    [
        {"partnerId": "other"}, {"customerId": "1"}, {"redirectUri": "javascript:alert(1)"},
        {"webhook": "file:///etc/passwd"}, {"webhook": "http://["}, {"webhookHeaders": {"a": 1}},
        {"webhookHeaders": []}, {"webhookData": 7},
    ],
)  # fmt: skip
async def test_links_that_are_not_made(shop: Integrator, more):
    body = {"partnerId": "sandbox", "customerId": await shop.customer(), **more}
    await refused(await shop.post("/connect/v2/generate", body), 400, "10010")


async def test_a_lite_link_has_one_institution(shop: Integrator):
    customer = await shop.customer()
    path = "/connect/v2/generate/lite"
    link = await shop.link(customer, path, institutionId="102106")
    done = await shop.complete(link)
    assert done.status_code == 200
    await refused(await shop.complete(link, institution="FinBank"), 400, "14020")
    body = {"partnerId": "sandbox", "customerId": customer, "institutionId": "9"}
    await refused(await shop.post(path, body), 404, "14001")


async def test_connect_webhooks_are_signed(world: World, shop: Integrator):
    customer = await shop.customer()
    link = await shop.link(
        customer, webhook="https://shop.example/hook", webhookHeaders={"X-Shop": "1"}
    )
    await shop.complete(link, user="tfa_text", password="go", mfa=["Rex"])
    events = [json.loads(body) for _, body, _ in world.posted]
    assert [each["eventType"] for each in events] == [
        "started", "discovered", "adding", "added", "done",
    ]  # fmt: skip
    assert {each["customerId"] for each in events} == {customer}
    for url, body, headers in world.posted:
        signature = hmac.new(b"sandbox", body, hashlib.sha256).hexdigest()
        assert (url, headers["X-Finicity-Signature"]) == ("https://shop.example/hook", signature)
        assert headers["X-Shop"] == "1"


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
    await refused(await shop.client.delete(path), 404, "14001")


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
    world.clock.advance(TOKEN_MS)
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
        await partner.redeem(proof(_blank()))
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


# ── state, and what is not there ──────────────────────────────────────────────────────────────


async def test_state_survives_a_restart(world: World, shop: Integrator, tmp_path):
    customer = await shop.customer()
    account = (await shop.accounts(customer))[0]["id"]
    receipt = await shop.receipt(customer, account)
    later = World(shelf_path(tmp_path))
    assert await later.connector().redeem(proof(receipt))
    later.db.close()


async def test_nothing_is_kept_of_a_sign_in(world: World, shop: Integrator):
    signs_in = {"user": "tfa_text", "password": "go", "mfa": ["Rex the Dog"]}
    await shop.accounts(await shop.customer(), **signs_in)
    kept = " ".join(body for (body,) in world.db.execute("SELECT body FROM document"))
    assert "tfa_text" in kept
    assert '"go"' not in kept
    assert "Rex" not in kept


async def test_unknown_paths_are_refused_in_finicitys_shape(shop: Integrator):
    for path in ("/nothing", "/_pages/../app.py", "/_pages/app.py"):
        answer = await shop.get(path)
        assert answer.status_code == 404
        assert answer.json()["code"] == "14001"
    assert (await shop.client.put("/aggregation/v1/customers")).status_code == 405


async def test_the_shelf_is_cleared(shop: Integrator):
    await shop.customer()
    assert (await shop.post("/_control/reset")).status_code == 204
    await shop.sign_in()
    assert (await shop.get("/aggregation/v1/customers")).json()["found"] == 0
