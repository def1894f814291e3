"""Somebody signs in again, and not where the linked account is: it is noticed, told and mended.

The exchange goes on meaning the account that was linked. It is never another account's balance that
is read, and an exchange that answers well about other accounts is not a healthy one.
"""

from __future__ import annotations

import pytest

from tallystick.api.exchanges import health

from .linked_account import Linked

pytestmark = pytest.mark.anyio

# A bank with a page of its own, on which accounts are chosen in update mode as well (Plaid).
OAUTH_BANK = "ins_127287"
CHECKING, SAVINGS = "Plaid Checking", "Plaid Saving"


@pytest.fixture
async def client(gateway):
    return await gateway.application()


async def plaid(gateway, client, institution):
    customer = await client.customer()
    proof = await client.plaid_proof(customer, institution=institution)
    exchange = await client.create(f"{customer}/exchanges", proof)
    source = await client.funding_source(customer, exchange)
    return Linked(gateway, client, customer, exchange, source)


async def mx(gateway, client, institution):
    customer = await client.customer()
    proof = await client.mx_proof(customer, institution=institution, accounts=["checking"])
    exchange = await client.create(f"{customer}/exchanges", proof)
    source = await client.funding_source(customer, exchange)
    return Linked(gateway, client, customer, exchange, source)


async def checked(linked):
    """What the row says after the background check."""
    linked.gateway.clock.advance(health.CHECK_EVERY_MS)
    await health.sweep(linked.gateway.core)
    await linked.sign_in()
    row = await linked.row()
    return row["status"], row["cause"], row["code"]


async def assert_still_the_same(linked):
    """One exchange, one funding source, and the account that was linked."""
    assert await linked.balance() == 200
    assert (await linked.row())["cause"] is None
    listed = (await linked.client.get(f"{linked.customer}/exchanges")).json()
    assert (listed["total"], listed["_embedded"]["exchanges"][0]["status"]) == (1, "active")


# ── Plaid ─────────────────────────────────────────────────────────────────────────────────────


async def test_plaid_other_accounts_are_chosen_at_the_bank(gateway, client):
    linked = await plaid(gateway, client, OAUTH_BANK)
    await linked.days(31)
    assert await linked.balance() == "UpdateCredentials"
    assert await linked.repair(accounts=[SAVINGS]) == {"repaired": True}
    assert await linked.balance() == "UpdateCredentials"
    assert await checked(linked) == ("active", "person", "ACCOUNT_NOT_SHARED")
    assert len(await linked.told()) == 1
    assert await linked.repair(accounts=[CHECKING, SAVINGS]) == {"repaired": True}
    await assert_still_the_same(linked)


async def test_plaid_a_healthy_exchange_loses_its_account_and_the_daily_check_tells(
    gateway, client
):
    linked = await plaid(gateway, client, OAUTH_BANK)
    assert await linked.repair(accounts=[SAVINGS]) == {"repaired": True}
    assert await linked.told() == []
    assert await checked(linked) == ("active", "person", "ACCOUNT_NOT_SHARED")
    assert len(await linked.told()) == 1
    linked.gateway.clock.advance(health.GRACE_MS)
    await health.sweep(gateway.core)
    await linked.sign_in()
    assert (await linked.row())["status"] == "deactivated"
    await linked.repair(accounts=[CHECKING])
    await assert_still_the_same(linked)


async def test_plaid_who_lost_the_account_is_asked_for_it_at_any_bank(gateway, client):
    """At other banks Link asks for accounts only when we say so; then it must be asked for."""
    linked = await plaid(gateway, client, "ins_109508")
    await linked.repair(accounts=[SAVINGS])  # nobody is asked: it works, and nothing was lost
    await assert_still_the_same(linked)
    await linked.notice("USER_ACCOUNT_REVOKED")
    await linked.repair(accounts=[SAVINGS])
    assert await linked.balance() == "UpdateCredentials"
    await linked.repair(accounts=[CHECKING])
    await assert_still_the_same(linked)


async def test_plaid_another_login_is_refused_by_link(gateway, client):
    linked = await plaid(gateway, client, "ins_109508")
    await linked.days(31)
    session = await client.create(f"{linked.exchange}/exchange-sessions", {})
    path = f"/_tallystick/control/sessions/{session.rpartition('/')[2]}/complete"
    answer = await client.post(path, json={"user": "someone_else", "password": "pass_good"})
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_UPDATED_USERNAME"
    assert answer.json()["error"].startswith("plaid refused it: ")
    assert "error_code INVALID_UPDATED_USERNAME" in answer.json()["error"]
    assert await linked.balance() == "UpdateCredentials"


async def update_mode_proof(linked, client):
    """What a front end gets from Link when the login was renewed: Plaid hands out one more token,
    which nobody needs to redeem.
    """
    session = await client.create(f"{linked.exchange}/exchange-sessions", {})
    await client.complete(session)
    link = (await client.get(session)).json()["externalProviderSessionToken"]
    asked = {"client_id": "sandbox", "secret": "sandbox", "link_token": link}
    answer = await client.post("/_partners/plaid/link/token/get", json=asked)
    token = answer.json()["link_sessions"][-1]["on_success"]["public_token"]
    href = await client.partner_href("Plaid")
    return {"_links": {"exchange-partner": {"href": href}}, "plaid": {"publicToken": token}}


async def test_plaid_the_token_of_update_mode_is_the_same_exchange(gateway, client):
    linked = await plaid(gateway, client, "ins_109508")
    await linked.days(31)
    assert await linked.balance() == "UpdateCredentials"
    proof = await update_mode_proof(linked, client)
    assert (await linked.row())["cause"] == "person"
    key = {"Idempotency-Key": "again"}
    answers = [
        await client.post(f"{linked.customer}/exchanges", json=proof, headers=key) for _ in "12"
    ]
    assert [(each.status_code, each.headers["location"]) for each in answers] == [
        (201, linked.exchange)
    ] * 2
    assert (await linked.row())["cause"] is None  # without waiting for the daily check
    await assert_still_the_same(linked)


async def test_plaid_the_token_of_update_mode_is_nobody_elses_exchange(gateway, client):
    """Another customer who brings it has an exchange of their own: nothing of the first is told."""
    linked = await plaid(gateway, client, "ins_109508")
    proof = await update_mode_proof(linked, client)
    other = await client.create(f"{await client.customer()}/exchanges", proof)
    assert other != linked.exchange
    assert (await client.get(linked.exchange)).status_code == 200


# ── MX ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lost", [True, False])
async def test_mx_other_accounts_are_shared_at_the_bank(gateway, client, lost):
    linked = await mx(gateway, client, "mx_bank_oauth")
    if lost:
        member = (await linked.row())["item"]
        degrade = f"/_partners/mx/_control/members/{member}/degrade"
        await client.post(degrade, json={"connection_status": "DENIED"})
        assert await linked.balance() == "UpdateCredentials"
    await linked.repair(accounts=["savings"])
    assert await linked.balance() == "UpdateCredentials"
    assert await checked(linked) == ("active", "person", "ACCOUNT_NOT_SHARED")
    assert len(await linked.told()) == 1
    offered = await client.get(f"{linked.customer}/available-exchange-connections")
    assert offered.json()["_embedded"]["available-exchange-connections"] == []
    await linked.repair(accounts=["checking", "savings"])
    await assert_still_the_same(linked)


async def test_mx_another_login_is_refused_by_connect(gateway, client):
    linked = await mx(gateway, client, "mxbank")
    session = await client.create(f"{linked.exchange}/exchange-sessions", {})
    path = f"/_tallystick/control/sessions/{session.rpartition('/')[2]}/complete"
    answer = await client.post(path, json={"user": "someone_else", "password": "any"})
    assert (answer.status_code, "DENIED" in answer.json()["error"]) == (422, True)
    assert await linked.balance() == "UpdateCredentials"
    await linked.repair(user="mxuser", password="any")
    await assert_still_the_same(linked)


async def test_mx_a_healthy_member_may_be_repaired_as_well(gateway, client):
    linked = await mx(gateway, client, "mxbank")
    await linked.repair(user="mxuser", password="any")
    await assert_still_the_same(linked)
    assert await linked.told() == []
