"""Exchanges: made for customers and for the account, listed, shown, resumed (contract 5.3 to 5.7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.api.available_connections import service as available_connections
from tallystick.api.exchanges import grants, redemption, store
from tallystick.clock import SECOND_MS
from tallystick.partners.errors import PartnerRefused, PartnerUnavailable
from tallystick.partners.registry import GuardedPartner
from tallystick.store import audit
from tallystick.store.db import Statement

pytestmark = pytest.mark.anyio

PROOFS = Statement("SELECT proof_sealed, grant_sealed, state FROM exchange_intent")


@pytest.fixture
async def client(gateway):
    return await gateway.application()


async def processor_token(client):
    """What an integrator with its own Plaid contract holds (contract 7.4)."""
    keys = {"client_id": "sandbox", "secret": "sandbox"}

    async def plaid(path, body):
        answer = await client.post(f"/_partners/plaid{path}", json={**keys, **body})
        assert answer.status_code == 200, answer.text
        return answer.json()

    public = await plaid(
        "/sandbox/public_token/create",
        {"institution_id": "ins_109508", "initial_products": ["auth"]},
    )
    item = await plaid("/item/public_token/exchange", {"public_token": public["public_token"]})
    access = {"access_token": item["access_token"]}
    accounts = (await plaid("/accounts/get", access))["accounts"]
    checking = next(each for each in accounts if each["subtype"] == "checking")
    made = await plaid(
        "/processor/token/create",
        {**access, "account_id": checking["account_id"], "processor": "dwolla"},
    )
    return made["processor_token"]


async def authorization_code(client, customer):
    """What an integrator with its own MX contract holds (contract 7.5)."""
    session = await client.session(customer, "MX")
    done = await client.complete(session, institution="mxbank", user="mxuser", password="any")
    numbers = await client.get(
        f"/_partners/mx/users/{done['userGuid']}/members/{done['memberGuid']}/account_numbers",
        auth=("sandbox", "sandbox"),
        headers={"Accept": "application/vnd.mx.api.v1+json"},
    )
    account = numbers.json()["account_numbers"][0]["account_guid"]
    scope = f"user-guid:{done['userGuid']} member-guid:{done['memberGuid']} account-guid:{account} read-protected"
    answer = await client.post(
        "/_partners/mx/authorization_code",
        json={"authorization_code": {"scope": scope}},
        auth=("sandbox", "sandbox"),
        headers={"Accept": "application/vnd.mx.api.v1+json"},
    )
    return answer.json()["authorization_code"]["code"]


@pytest.mark.parametrize("partner", ["Plaid", "MX"])
@pytest.mark.parametrize("owner", ["customer", "account"])
async def test_the_token_form_ends_in_a_verified_funding_source(client, partner, owner):
    customer = await client.customer()
    token = await (
        processor_token(client) if partner == "Plaid" else authorization_code(client, customer)
    )
    href = await client.partner_href(partner)
    where = customer if owner == "customer" else ""
    body = {"_links": {"exchange-partner": {"href": href}}, "token": token}
    answer = await client.post(f"{where}/exchanges", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.content == (b"" if where else b"{}")
    exchange = answer.headers["location"]
    links = (await client.get(exchange)).json()["_links"]
    assert owner in links
    source = await client.create(
        f"{where}/funding-sources",
        {"_links": {"exchange": {"href": exchange}}, "bankAccountType": "checking", "name": "Main"},
    )
    assert (await client.get(source)).json()["status"] == "verified"
    assert (await client.get(f"{source}/balance")).status_code == 200
    assert (await client.get(f"{where}/exchanges")).json()["total"] == 1


async def test_lists_are_newest_first_and_keep_owners_apart(client):
    customer = await client.customer()
    made = [await client.exchange(customer) for _ in range(3)]
    listed = (await client.get(f"{customer}/exchanges")).json()
    hrefs = [each["_links"]["self"]["href"] for each in listed["_embedded"]["exchanges"]]
    assert hrefs == made[::-1]
    assert listed["_links"]["self"]["href"] == f"{customer}/exchanges"
    assert (await client.get("/exchanges")).json()["total"] == 0


async def test_a_proof_is_destroyed_when_it_was_redeemed(gateway, client):
    await client.exchange(await client.customer())
    ((proof, grant, state),) = await gateway.core.db.all(PROOFS)
    assert (proof, grant, state) == (None, None, "recorded")


async def test_a_silent_partner_is_asked_again_and_the_key_then_answers(
    gateway, client, monkeypatch
):
    """The partner's answer is lost before it acted: 500 now, and later what was wanted."""
    customer = await client.customer()
    proof = await client.plaid_proof(customer)
    redeem = GuardedPartner.redeem

    async def silent(_self, _proof):
        raise PartnerUnavailable("TIMED_OUT")

    monkeypatch.setattr(GuardedPartner, "redeem", silent)
    options = {"json": proof, "headers": {"Idempotency-Key": "k"}}
    answer = await client.post(f"{customer}/exchanges", **options)
    assert (answer.status_code, answer.json()["code"]) == (500, "RequestTimeout")
    (why,) = answer.json()["_embedded"]["errors"]
    assert why["message"] == "Plaid gave no usable answer (TIMED_OUT). Try again later."
    busy = await client.post(f"{customer}/exchanges", **options)
    assert (busy.status_code, busy.json()["code"]) == (409, "Conflict")
    monkeypatch.setattr(GuardedPartner, "redeem", redeem)
    assert await redemption.resume(gateway.core) == 0  # its lease is not over
    gateway.clock.advance(redemption.LEASE_MS + SECOND_MS)
    assert await redemption.resume(gateway.core) == 1
    again = await client.post(f"{customer}/exchanges", **options)
    assert again.status_code == 201
    assert (await client.get(again.headers["location"])).json()["status"] == "active"
    assert (await client.get(f"{customer}/exchanges")).json()["total"] == 1


async def test_a_partner_that_was_not_reached_leaves_the_proof_usable(client, monkeypatch):
    customer = await client.customer()
    proof = await client.plaid_proof(customer)
    redeem = GuardedPartner.redeem

    async def unreached(_self, _proof):
        raise PartnerUnavailable("NO_CONNECTION", acted=False)

    monkeypatch.setattr(GuardedPartner, "redeem", unreached)
    assert (await client.post(f"{customer}/exchanges", json=proof)).status_code == 500
    monkeypatch.setattr(GuardedPartner, "redeem", redeem)
    assert (await client.post(f"{customer}/exchanges", json=proof)).status_code == 201


async def test_a_grant_whose_answer_was_lost_is_an_orphan(gateway, client, monkeypatch):
    """The partner acted, the answer never came: no exchange, but the operator can find it."""
    customer = await client.customer()
    proof = await client.plaid_proof(customer)
    redeem = GuardedPartner.redeem

    async def lost(self, wanted):
        await redeem(self, wanted)
        raise PartnerUnavailable("TIMED_OUT")

    monkeypatch.setattr(GuardedPartner, "redeem", lost)
    assert (await client.post(f"{customer}/exchanges", json=proof)).status_code == 500
    monkeypatch.setattr(GuardedPartner, "redeem", redeem)
    gateway.clock.advance(redemption.LEASE_MS + SECOND_MS)
    await redemption.resume(gateway.core)
    (orphan,) = await redemption.list_orphans(gateway.core)
    assert (orphan.partner_key, orphan.failure) == ("plaid", "INVALID_PUBLIC_TOKEN")
    assert orphan.proof_sealed is None
    assert (await client.get(f"{customer}/exchanges")).json()["total"] == 0
    await redemption.resolve_orphan(gateway.core, orphan.id)
    assert await redemption.list_orphans(gateway.core) == []
    (noted,) = await audit.newest(gateway.core.db, 1)
    assert (noted.app_id, noted.resource_id) == (orphan.app_id, orphan.id)
    assert noted.change == "orphan resolved"


async def test_a_refusal_while_resuming_does_not_lose_the_grant(gateway, client, monkeypatch):
    """The answer is lost after the partner acted, and when it is asked again our keys are bad."""
    customer = await client.customer()
    proof = await client.plaid_proof(customer)
    redeem = GuardedPartner.redeem

    async def lost(self, wanted):
        await redeem(self, wanted)
        raise PartnerUnavailable("TIMED_OUT")

    async def refused(_self, _wanted):
        raise PartnerRefused("INVALID_API_KEYS")

    monkeypatch.setattr(GuardedPartner, "redeem", lost)
    assert (await client.post(f"{customer}/exchanges", json=proof)).status_code == 500
    for answers in (refused, redeem):
        monkeypatch.setattr(GuardedPartner, "redeem", answers)
        gateway.clock.advance(redemption.LEASE_MS + SECOND_MS)
        await redemption.resume(gateway.core)
    (orphan,) = await redemption.list_orphans(gateway.core)
    assert (orphan.partner_key, orphan.failure) == ("plaid", "INVALID_PUBLIC_TOKEN")


@pytest.mark.parametrize(
    "item_id", ["", "\0", "é", "x" * 256], ids=["empty", "NUL", "not ASCII", "long"]
)
async def test_a_grant_with_a_name_that_cannot_be_kept_is_kept_without(
    gateway, client, monkeypatch, item_id
):
    """It may be the only copy of what a one-use token gave. Such grants are not one consent."""
    connector = gateway.core.partners.by_key("plaid")._connector
    honest = connector.redeem

    async def nameless(proof):
        return replace(await honest(proof), external_id=item_id)

    monkeypatch.setattr(connector, "redeem", nameless)
    customer = await client.customer()
    made = [await client.exchange(customer) for _ in range(2)]
    assert made[0] != made[1]
    source = await client.funding_source(customer, made[0])
    assert (await client.get(f"{source}/balance")).status_code == 200


@pytest.mark.parametrize("partner", ["MX", "Checkout.com", "Flinks", "Finicity"])
async def test_a_proof_that_is_only_looked_at_may_be_posted_again_at_once(
    gateway, client, monkeypatch, partner
):
    customer = await client.customer()
    proof = await client.proof(customer, partner)
    asked = next(each for each in gateway.core.partners.all() if each.manifest.name == partner)

    async def silent(_proof):
        raise PartnerUnavailable("TIMED_OUT")

    with monkeypatch.context() as slow:
        slow.setattr(asked._connector, "redeem", silent)
        answer = await client.post(f"{customer}/exchanges", json=proof)
    assert (answer.status_code, answer.json()["code"]) == (500, "RequestTimeout")
    assert (await client.post(f"{customer}/exchanges", json=proof)).status_code == 201
    gateway.clock.advance(redemption.LEASE_MS + SECOND_MS)
    assert await redemption.resume(gateway.core) == 0
    assert (await client.get(f"{customer}/exchanges")).json()["total"] == 1


async def test_an_intent_that_cannot_be_resumed_stops_no_other(gateway, client, monkeypatch):
    redeem = GuardedPartner.redeem

    async def silent(_self, _proof):
        raise PartnerUnavailable("TIMED_OUT")

    monkeypatch.setattr(GuardedPartner, "redeem", silent)
    customers = [await client.customer(), await client.customer()]
    for customer in customers:
        proof = await client.plaid_proof(customer)
        assert (await client.post(f"{customer}/exchanges", json=proof)).status_code == 500
    monkeypatch.setattr(GuardedPartner, "redeem", redeem)
    gateway.clock.advance(redemption.LEASE_MS + SECOND_MS)
    now_ms = gateway.clock.now_ms()
    first, _ = await store.list_open(gateway.core.db, now_ms, 10)
    reading = grants.open_proof

    def unreadable(core, partner, intent):
        if intent.id == first.id:
            gateway.clock.advance(redemption.LEASE_MS)  # and it takes long to find out
            raise KeyError("arranged")
        return reading(core, partner, intent)

    monkeypatch.setattr(grants, "open_proof", unreadable)
    leases = []
    take = store.take

    async def kept(tx, intent, lease_until):
        leases.append(lease_until - gateway.clock.now_ms())
        return await take(tx, intent, lease_until)

    monkeypatch.setattr(store, "take", kept)
    assert await redemption.resume(gateway.core) == 2
    totals = [(await client.get(f"{each}/exchanges")).json()["total"] for each in customers]
    assert sorted(totals) == [0, 1]
    assert min(leases) > redemption.LEASE_MS - SECOND_MS


async def test_two_that_resume_do_not_both_act(gateway, client, monkeypatch):
    """The fence: whoever raised `tried` first has the intent; the other changes nothing."""
    customer = await client.customer()
    proof = await client.plaid_proof(customer)
    redeem = GuardedPartner.redeem

    async def silent(_self, _proof):
        raise PartnerUnavailable("TIMED_OUT")

    monkeypatch.setattr(GuardedPartner, "redeem", silent)
    await client.post(f"{customer}/exchanges", json=proof)
    monkeypatch.setattr(GuardedPartner, "redeem", redeem)
    gateway.clock.advance(redemption.LEASE_MS + SECOND_MS)
    now_ms = gateway.clock.now_ms()
    (stale,) = await store.list_open(gateway.core.db, now_ms, 10)
    assert await redemption.resume(gateway.core) == 1
    db = gateway.core.db
    assert not await db.transact(lambda tx: store.take(tx, stale, now_ms))
    assert not await db.transact(lambda tx: store.grant(tx, stale, b"late"))
    assert not await db.transact(lambda tx: store.conclude(tx, stale))
    assert (await client.get(f"{customer}/exchanges")).json()["total"] == 1


@pytest.mark.parametrize(
    "opened",
    [
        grants.SealedGrant("hush", "item", None),
        grants.SealedProof("plaid", {"publicToken": "hush"}),
        available_connections.Content("hush", 0, "nonce"),
    ],
    ids=lambda opened: type(opened).__name__,
)
def test_what_is_in_a_box_does_not_show_itself(opened):
    assert "hush" not in f"{opened} {opened!r}"
