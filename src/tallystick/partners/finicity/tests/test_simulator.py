"""The simulator as an integrator's server sees it: signing in, customers, Connect, state."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from tallystick.clock import HOUR_MS
from tallystick.partners.errors import PartnerRefused
from tallystick.partners.finicity.tests.finicity_world import (
    CREDENTIALS,
    INTEGRATOR,
    Integrator,
    World,
    answered,
    made_up,
    proof,
    query_of,
    shelf_path,
)

pytestmark = pytest.mark.anyio

AUTHENTICATE = "/aggregation/v2/partners/authentication"


# ── partner authentication ────────────────────────────────────────────────────────────────────


GATEWAY = {"partnerId": "sandbox", "partnerSecret": "sandbox"}


async def test_five_wrong_secrets_lock_the_partner(world: World, shop: Integrator):
    for _ in range(5):
        answered(await shop.post(AUTHENTICATE, {**GATEWAY, "partnerSecret": "x"}), 401, "10001")
    answered(await shop.post(AUTHENTICATE, GATEWAY), 401, "10021")
    assert (await shop.post(AUTHENTICATE, CREDENTIALS)).status_code == 200
    with pytest.raises(PartnerRefused):
        await world.connector().redeem(proof(made_up()))
    assert (await shop.post("/_control/unlock")).status_code == 204
    assert (await shop.post(AUTHENTICATE, GATEWAY)).status_code == 200


async def test_a_right_secret_forgives_the_wrong_ones(shop: Integrator):
    for secret in ("x", "x", "x", "x", INTEGRATOR, "x", INTEGRATOR):
        answer = await shop.post(AUTHENTICATE, {**CREDENTIALS, "partnerSecret": secret})
        assert answer.status_code == (200 if secret == INTEGRATOR else 401)
    answered(await shop.post(AUTHENTICATE, {**GATEWAY, "partnerId": "nobody"}), 401, "10001")


async def test_the_gateway_does_not_lock_itself_out(world: World, shop: Integrator):
    partner = world.connector(partner_secret="mistyped")
    for _ in range(20):
        with pytest.raises(PartnerRefused):
            await partner.redeem(proof(made_up()))
    assert (await shop.post(AUTHENTICATE, GATEWAY)).status_code == 200


async def test_the_two_headers(world: World, shop: Integrator):
    path = "/aggregation/v1/customers"
    token = shop.client.headers.pop("finicity-app-token")
    answered(await shop.get(path), 401, "10024")
    shop.client.headers["finicity-app-token"] = "nonsense"
    answered(await shop.get(path), 401, "10022")
    shop.client.headers["finicity-app-token"] = token
    shop.client.headers["finicity-app-key"] = "nonsense"
    answered(await shop.get(path), 401, "10027")
    del shop.client.headers["finicity-app-key"]
    answered(await shop.get(path), 401, "10026")
    shop.client.headers["finicity-app-key"] = INTEGRATOR
    assert (await shop.get(path)).status_code == 200
    world.clock.advance(2 * HOUR_MS)
    answered(await shop.get(path), 401, "10023")


@pytest.mark.parametrize("body", [None, [], {"partnerId": INTEGRATOR}, {"partnerId": {}}])
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
    answered(await shop.get(f"/aggregation/v1/customers/{customer}"), 404, "14001")


async def test_usernames_are_unique_and_long_enough(shop: Integrator):
    await shop.customer("customer-1")
    path = "/aggregation/v2/customers/active"
    answered(await shop.post(path, {"username": "customer-1"}), 409, "110002")
    answered(await shop.post(path, {"username": "short"}), 400, "10010")
    answered(await shop.post(path, {}), 400, "10005")
    answered(await shop.post(path, {"username": "with\u0000nul"}), 400, "10010")


async def test_institutions_are_searched(shop: Integrator):
    found = (await shop.get("/institution/v2/institutions", search="profiles a")).json()
    assert [each["name"] for each in found["institutions"]] == ["FinBank Profiles - A"]


# ── Connect, without a browser ────────────────────────────────────────────────────────────────


async def test_accounts_come_from_connect(shop: Integrator):
    customer = await shop.customer()
    link = await shop.link(customer)
    asked = query_of(link)
    assert (asked["customerId"], asked["partnerId"]) == (customer, INTEGRATOR)
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
    answered(await shop.get(one), 404, "38003")


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
    body = {"partnerId": INTEGRATOR, "customerId": await shop.customer(), **more}
    answered(await shop.post("/connect/v2/generate", body), 400, "10010")


async def test_a_lite_link_has_one_institution(shop: Integrator):
    customer = await shop.customer()
    path = "/connect/v2/generate/lite"
    link = await shop.link(customer, path, institutionId="102106")
    done = await shop.complete(link)
    assert done.status_code == 200
    answered(await shop.complete(link, institution="FinBank"), 400, "14020")
    body = {"partnerId": INTEGRATOR, "customerId": customer, "institutionId": "9"}
    answered(await shop.post(path, body), 404, "14001")


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
        signature = hmac.new(INTEGRATOR.encode(), body, hashlib.sha256).hexdigest()
        assert (url, headers["X-Finicity-Signature"]) == ("https://shop.example/hook", signature)
        assert headers["X-Shop"] == "1"


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


# ── callers who mean no good ──────────────────────────────────────────────────────────────────

WRONG: tuple[Any, ...] = (
    None, True, -1, 1.5, 10**30, "", "x" * 5_000, "\x00", "\ud800", "../..", "1" * 40, [], {},
    [None], [{}], {"a": {}},
)  # fmt: skip


def posts(person: str, link: str, login: int) -> dict[str, dict[str, Any]]:
    """Every path that takes a body, with one that is good."""
    own = {"partnerId": INTEGRATOR, "customerId": person}
    return {
        AUTHENTICATE: CREDENTIALS,
        "/aggregation/v2/customers/testing": {"username": "customer-2", "phone": "1"},
        "/connect/v2/generate": {**own, "webhook": "https://a.example", "webhookHeaders": {}},
        "/connect/v2/generate/lite": {**own, "institutionId": "102105"},
        "/connect/v2/generate/fix": {**own, "institutionLoginId": str(login)},
        "/aggregation/v1/partners/accessKey": {
            **own, "thirdPartyPartnerId": "1", "provenance": {}, "products": [],
        },
        "/_control/complete": {
            "handle": link, "institution": 102105, "user": "demo", "password": "go", "mfa": [],
            "accounts": ["Checking"],
        },
        f"/_control/institutionLogins/{login}": {"aggregationStatusCode": 0},
        "/_connect/search": {"query": "fin"},
        "/_connect/login": {"institutionId": 102105, "username": "demo", "password": "go"},
        "/_connect/answer": {"answer": "a"},
        "/_connect/add": {"accounts": ["Checking"]},
    }  # fmt: skip


async def test_nothing_that_is_posted_breaks_it(shop: Integrator):
    person = await shop.customer()
    account = (await shop.accounts(person))[0]
    link = await shop.link(person)
    shop.client.headers["Authorization"] = f"Bearer {query_of(link)['signature']}"
    for path, good in posts(person, link, account["institutionLoginId"]).items():
        bodies = [{**good, name: wrong} for name in good for wrong in WRONG] + list(WRONG)
        for body in bodies:
            answer = await shop.client.post(path, content=json.dumps(body))
            assert answer.status_code < 500, (path, body)
        for raw in (b"", b"{", b"\xff", b"[" * 100_000, b" " * 300_000, b'{"a": NaN}'):
            assert (await shop.client.post(path, content=raw)).status_code < 500
        await shop.post("/_control/unlock")


async def test_no_path_breaks_it(shop: Integrator):
    person = await shop.customer()
    account = (await shop.accounts(person))[0]["id"]
    for wrong in ("%00", "%ff", "..", "1" * 400, "-1", "%F0%9F%92%B0", "%ED%A0%80"):
        for path in (
            f"/aggregation/v1/customers/{wrong}",
            f"/aggregation/v1/customers/{wrong}/accounts",
            f"/aggregation/v1/customers/{wrong}/accounts/{account}/details",
            f"/aggregation/v1/customers/{person}/accounts/{wrong}/availableBalance/live",
            f"/aggregation/v1/customers?start={wrong}&limit={wrong}&username={wrong}",
            f"/institution/v2/institutions?search={wrong}",
            f"/connect?signature={wrong}",
            f"/_pages/{wrong}",
        ):
            assert (await shop.get(path)).status_code < 500, path
