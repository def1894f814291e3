"""The simulator on the wire: what it answers, and how it says no."""

from __future__ import annotations

import re

import pytest

from tallystick.clock import HOUR_MS, MINUTE_MS
from tallystick.partners.visa.tests.visa_world import HEX, PERSON, World, is_refusal

pytestmark = pytest.mark.anyio

KEYS = {"client_id": "sandbox", "client_secret": "sandbox"}
TOKEN = "/api/v1/oauth/token"
GRANT = "/api/v1/oauth/authorization-grant"
HOOKS = "/events/v2/webhook-endpoints"
LINK = "df05e4b379934cd09963197cc855bfe9"


@pytest.fixture
def world() -> World:
    return World()


# ── tokens ────────────────────────────────────────────────────────────────────────────────────


async def test_client_token(world):
    form = {**KEYS, "grant_type": "client_credentials", "scope": "user:create, user:read"}
    body = (await world.client.post(TOKEN, data=form)).json()
    assert HEX.fullmatch(body.pop("access_token"))
    assert body == {"token_type": "bearer", "expires_in": 1800, "scope": "user:create,user:read"}


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"client_id": "sandbox"}, 401),
        ({**KEYS, "client_secret": "guess"}, 401),
        ({**KEYS, "client_secret": "sändbox"}, 401),
        (KEYS, 400),
        ({**KEYS, "grant_type": "password"}, 400),
        ({**KEYS, "grant_type": "client_credentials"}, 400),
        ({**KEYS, "grant_type": "client_credentials", "scope": ",a"}, 400),
        ({**KEYS, "grant_type": "authorization_code", "code": "0"}, 400),
        ({**KEYS, "grant_type": "authorization_code"}, 400),
        ({**KEYS, "grant_type": "refresh_token", "refresh_token": "0"}, 400),
    ],
)
async def test_tokens_that_are_refused(world, form, status):
    assert is_refusal(await world.client.post(TOKEN, data=form), status)


async def test_token_bodies_that_are_no_forms(world):
    assert is_refusal(await world.client.post(TOKEN, json=KEYS), 415)
    media = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"\xff=1", b"a=1&a=2", b"&".join([b"a=1"] * 60), b"a=" + b"x" * 300_000):
        assert is_refusal(await world.client.post(TOKEN, content=body, headers=media), 400)


async def test_user_token_and_its_renewal(world):
    headers = await world.token("user:create", "authorization:grant")
    user = {"external_user_id": PERSON, "market": "US", "locale": "en_US"}
    made = await world.client.post("/api/v1/user/create", json=user, headers=headers)
    assert made.json() == {"user_id": made.json()["user_id"], "external_user_id": PERSON}
    assert is_refusal(
        await world.client.post("/api/v1/user/create", json=user, headers=headers), 409
    )
    form = {"user_id": made.json()["user_id"], "scope": "accounts:read"}
    code = (await world.client.post(GRANT, data=form, headers=headers)).json()["code"]
    swap = {**KEYS, "grant_type": "authorization_code", "code": code}
    token = (await world.client.post(TOKEN, data=swap)).json()
    assert token["scope"] == "accounts:read"
    assert is_refusal(await world.client.post(TOKEN, data=swap), 400), "a code works once"
    renew = {**KEYS, "grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    renewed = (await world.client.post(TOKEN, data=renew)).json()
    bearer = {"Authorization": f"Bearer {renewed['access_token']}"}
    accounts = await world.client.get("/data/v2/accounts", headers=bearer)
    assert accounts.json() == {"accounts": [], "nextPageToken": ""}


async def test_codes_and_tokens_run_out(world):
    headers = await world.token("user:create", "authorization:grant")
    await world.client.post(
        "/api/v1/user/create", json={"external_user_id": PERSON, "market": "US"}, headers=headers
    )
    form = {"external_user_id": PERSON, "scope": "accounts:read"}
    code = (await world.client.post(GRANT, data=form, headers=headers)).json()["code"]
    world.clock.advance(10 * MINUTE_MS)
    swap = {**KEYS, "grant_type": "authorization_code", "code": code}
    assert is_refusal(await world.client.post(TOKEN, data=swap), 400)
    world.clock.advance(20 * MINUTE_MS)
    assert is_refusal(await world.client.post(GRANT, data=form, headers=headers), 401)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"scope": "a"}, 400),
        ({"user_id": "0", "external_user_id": PERSON, "scope": "a"}, 400),
        ({"external_user_id": "nobody", "scope": "a"}, 404),
        ({"user_id": "nobody", "scope": "a"}, 404),
    ],
)
async def test_grants_that_are_refused(world, form, status):
    await world.linked()
    headers = await world.token("authorization:grant")
    assert is_refusal(await world.client.post(GRANT, data=form, headers=headers), status)
    delegated = {**form, "id_hint": "x", "actor_client_id": LINK}
    path = f"{GRANT}/delegate"
    assert is_refusal(await world.client.post(path, data=delegated, headers=headers), status)


async def test_delegation_is_to_tink_link_alone(world):
    await world.linked()
    headers = await world.token("authorization:grant")
    form = {"external_user_id": PERSON, "scope": "a", "id_hint": "x"}
    for actor in ({}, {"actor_client_id": "somebody"}):
        answer = await world.client.post(
            f"{GRANT}/delegate", data={**form, **actor}, headers=headers
        )
        assert is_refusal(answer, 400)
    form |= {"actor_client_id": LINK}
    code = (await world.client.post(f"{GRANT}/delegate", data=form, headers=headers)).json()["code"]
    swap = {**KEYS, "grant_type": "authorization_code", "code": code}
    assert is_refusal(await world.client.post(TOKEN, data=swap), 400), "it is not ours to use"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"market": "SE"}',
        b'{"market": 7}',
        b'{"external_user_id": 7, "market": "US"}',
        b'{"market": "US", "locale": {}}',
        b"[" * 100_000,
    ],
)
async def test_users_that_are_refused(world, body):
    headers = await world.token("user:create")
    answer = await world.client.post("/api/v1/user/create", content=body, headers=headers)
    assert is_refusal(answer, 400)


# ── data ──────────────────────────────────────────────────────────────────────────────────────


async def test_every_door_wants_its_scope(world):
    for method, path in [
        ("GET", "/data/v2/accounts"),
        ("GET", "/data/v2/accounts/1/balances"),
        ("GET", "/data/v2/accounts/1/parties"),
        ("GET", "/api/v1/provider-consents"),
        ("GET", "/api/v1/credentials/list"),
        ("POST", "/api/v1/credentials/1/refresh"),
        ("DELETE", "/api/v1/credentials/1"),
        ("POST", "/api/v1/balance-refresh"),
        ("GET", "/api/v1/balance-refresh/1"),
        ("GET", "/api/v1/account-verification-reports/1"),
        ("POST", "/api/v1/user/create"),
        ("POST", "/api/v1/user/delete"),
        ("GET", HOOKS),
        ("POST", HOOKS),
        ("PATCH", f"{HOOKS}/1"),
    ]:
        call = world.client.request
        assert is_refusal(await call(method, path), 401)
        assert is_refusal(await call(method, path, headers={"Authorization": "Bearer 0"}), 401)
        weak = await world.token("user:read")
        assert is_refusal(await call(method, path, headers=weak), 403)


async def test_client_token_reads_nobodys_accounts(world):
    headers = await world.token("accounts:read")
    assert is_refusal(await world.client.get("/data/v2/accounts", headers=headers), 403)


async def test_accounts_balances_and_consents(world):
    grant = await world.linked()
    scopes = ("accounts:read", "accounts.balances:readonly", "accounts.parties:readonly")
    headers = await world.user_token(PERSON, *scopes, "credentials:read", "provider-consents:read")
    [account] = (await world.client.get("/data/v2/accounts", headers=headers)).json()["accounts"]
    assert account["balances"]["booked"] == {
        "amount": {"value": {"scale": "2", "unscaledValue": "190000"}, "currencyCode": "USD"}
    }
    path = f"/data/v2/accounts/{account['id']}"
    balances = (await world.client.get(f"{path}/balances", headers=headers)).json()
    assert balances["accountId"] == account["id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", balances["refreshed"])
    parties = (await world.client.get(f"{path}/parties", headers=headers)).json()
    assert parties["parties"][0]["role"] == "HOLDER"
    listed = (await world.client.get("/api/v1/credentials/list", headers=headers)).json()
    assert [each["id"] for each in listed["credentials"]] == [grant.external_id]
    consents = (await world.client.get("/api/v1/provider-consents", headers=headers)).json()
    assert consents["providerConsents"][0]["accountIds"] == [account["id"]]


async def test_nobody_reads_what_is_anothers(world):
    grant = await world.linked()
    [account] = await world.partner.list_accounts(grant)
    await world.linked("stranger")
    headers = await world.user_token(
        "stranger", "accounts.balances:readonly", "credentials:write", "balance-refresh"
    )
    path = f"/data/v2/accounts/{account.external_id}/balances"
    assert is_refusal(await world.client.get(path, headers=headers), 404)
    path = f"/api/v1/credentials/{grant.external_id}"
    assert is_refusal(await world.client.delete(path, headers=headers), 404)
    body = {"accountId": account.external_id}
    answer = await world.client.post("/api/v1/balance-refresh", json=body, headers=headers)
    assert is_refusal(answer, 404)


async def test_accounts_by_the_page(world):
    for _ in range(3):
        await world.linked()
    headers = await world.user_token(PERSON, "accounts:read")
    seen, token = [], ""
    for _ in range(3):
        query = {"pageSize": "1", "pageToken": token}
        page = await world.client.get("/data/v2/accounts", params=query, headers=headers)
        seen += [each["id"] for each in page.json()["accounts"]]
        token = page.json()["nextPageToken"]
    assert (len(set(seen)), token) == (3, "")
    for query in ({"pageSize": "201"}, {"pageSize": "0"}, {"pageSize": "x"}, {"pageToken": "-1"}):
        answer = await world.client.get("/data/v2/accounts", params=query, headers=headers)
        assert is_refusal(answer, 400)


async def test_report_is_gone_after_an_hour(world):
    proof = (await world.returned()).proof
    path = f"/api/v1/account-verification-reports/{proof.report_id}"
    headers = await world.token("account-verification-reports:read")
    report = (await world.client.get(path, headers=headers)).json()
    assert report["id"] == proof.report_id
    [provider] = report["userDataByProvider"]
    assert provider["accounts"][0]["accountIdentifiers"]["us"]["routingNumber"] == "222222226"
    world.clock.advance(HOUR_MS)
    headers = await world.token("account-verification-reports:read")
    assert is_refusal(await world.client.get(path, headers=headers), 404)


async def test_refreshing_broken_credentials_tells_so(world):
    headers = await world.token("webhook-endpoints")
    hook = {"url": "https://gw.example/in", "enabledEvents": ["refresh:finished"]}
    await world.client.post(HOOKS, json=hook, headers=headers)
    grant = await world.linked()
    await world.degrade(grant, "AUTHENTICATION_ERROR")
    headers = await world.user_token(PERSON, "credentials:refresh")
    path = f"/api/v1/credentials/{grant.external_id}/refresh"
    assert (await world.client.post(path, headers=headers)).status_code == 204
    assert [b"AUTHENTICATION_ERROR" in body for _, body, _ in world.sent] == [False, True, True]


async def test_balance_refresh_of_broken_credentials_fails(world):
    grant = await world.linked()
    [account] = await world.partner.list_accounts(grant)
    headers = await world.user_token(PERSON, "balance-refresh", "balance-refresh:readonly")
    body = {"accountId": account.external_id}
    path = "/api/v1/balance-refresh"
    started = (await world.client.post(path, json=body, headers=headers)).json()
    assert started["credentialId"] == grant.external_id
    await world.degrade(grant, "SESSION_EXPIRED")
    path = f"{path}/{started['balanceRefreshId']}"
    said = [(await world.client.get(path, headers=headers)).json()["status"] for _ in range(2)]
    assert said == ["refreshing", "failed"]


# ── webhook endpoints ─────────────────────────────────────────────────────────────────────────


async def test_endpoint_is_made_changed_and_deleted(world):
    headers = await world.token("webhook-endpoints")
    hook = {"url": "https://gw.example/in", "enabledEvents": ["refresh:finished"]}
    made = (await world.client.post(HOOKS, json=hook, headers=headers)).json()
    path = f"{HOOKS}/{made['id']}"
    shown = (await world.client.get(path, headers=headers)).json()
    assert "secret" in made
    assert "secret" not in shown
    change = {
        "disabled": True,
        "description": "off",
        "url": "http://x.example",
        "enabledEvents": ["account:created"],
    }
    changed = (await world.client.patch(path, json=change, headers=headers)).json()
    assert changed == {**shown, **change, "updatedAt": changed["updatedAt"]}
    await world.linked()
    assert world.sent == []
    assert len((await world.client.get(HOOKS, headers=headers)).json()["webhookEndpoints"]) == 1
    assert (await world.client.delete(path, headers=headers)).status_code == 204
    assert is_refusal(await world.client.get(path, headers=headers), 404)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": None},
        {"url": "ftp://x"},
        {"url": "http://[x"},
        {"enabledEvents": []},
        {"enabledEvents": ["transaction.created"]},
        {"enabledEvents": "refresh:finished"},
        {"enabledEvents": [{}]},
        {"description": 7},
    ],
)
async def test_endpoints_that_are_refused(world, wrong):
    headers = await world.token("webhook-endpoints")
    hook = {"url": "https://gw.example/in", "enabledEvents": ["refresh:finished"], **wrong}
    assert is_refusal(await world.client.post(HOOKS, json=hook, headers=headers), 400)
