"""An exchange's whole life through the simulators: lost, warned, repaired, deactivated, removed."""

from __future__ import annotations

import asyncio

import pytest

from tallystick.api.exchanges import health
from tallystick.clock import DAY_MS, HOUR_MS, MINUTE_MS
from tallystick.store.db import Statement

pytestmark = pytest.mark.anyio

REAUTH = "customer_exchange_reauth_required"
_ROW = Statement("SELECT status, cause, cause_code, deadline_at, external_id FROM exchange")


class Linked:
    """A Plaid account that was linked, and what the tests do to it."""

    def __init__(self, gateway, client, customer, exchange, source):
        self.gateway, self.client = gateway, client
        self.customer, self.exchange, self.source = customer, exchange, source

    async def sign_in(self):
        """After the clock was moved, the access token is an old one."""
        made = self.client.made
        await self.client.sign_in(made["client_id"], made["client_secret"])

    async def days(self, number):
        self.gateway.clock.advance(number * DAY_MS)
        await self.sign_in()

    async def balance(self):
        answer = await self.client.get(f"{self.source}/balance")
        return answer.json().get("code", answer.status_code)

    async def repair(self, **signs_in):
        session = await self.client.create(f"{self.exchange}/exchange-sessions", {})
        return await self.client.complete(session, **signs_in)

    async def row(self):
        (row,) = await self.gateway.core.db.all(_ROW)
        return dict(zip(("status", "cause", "code", "deadline", "item"), tuple(row), strict=True))

    async def notice(self, code):
        """Have Plaid post a signed webhook, and wait until it was taken."""
        before = await self.row()
        answer = await self.client.post(
            "/_partners/plaid/_control/notice",
            json={"item_id": before["item"], "webhook_code": code},
        )
        assert answer.status_code == 200, answer.text
        for _ in range(200):
            await asyncio.sleep(0.01)
            if await self.row() != before:
                return

    async def told(self):
        listed = (await self.client.get("/events?limit=100")).json()["_embedded"]["events"]
        return [each for each in listed if each["topic"] == REAUTH]


@pytest.fixture
async def linked(gateway):
    client = await gateway.application()
    customer = await client.customer()
    exchange = await client.exchange(customer)
    source = await client.funding_source(customer, exchange)
    return Linked(gateway, client, customer, exchange, source)


# ── lost and repaired ─────────────────────────────────────────────────────────────────────────


async def test_a_lost_login_is_told_once_and_repaired_in_the_same_exchange(linked):
    assert await linked.balance() == 200
    await linked.days(31)  # Plaid's sandbox wants a new login after 30
    assert await linked.balance() == "UpdateCredentials"
    assert await linked.balance() == "UpdateCredentials"
    (event,) = await linked.told()
    assert event["_links"]["resource"]["href"] == linked.exchange
    assert event["_links"]["customer"]["href"] == linked.customer
    assert (await linked.row())["cause"] == "person"
    assert await linked.repair(user="user_good", password="pass_good") == {"repaired": True}
    assert await linked.balance() == 200
    assert (await linked.row())["cause"] is None
    listed = (await linked.client.get(f"{linked.customer}/exchanges")).json()
    assert (listed["total"], listed["_embedded"]["exchanges"][0]["status"]) == (1, "active")


async def test_a_healthy_exchange_may_be_repaired_as_well(linked):
    assert await linked.repair() == {"repaired": True}
    assert await linked.balance() == 200
    assert await linked.told() == []


async def test_a_repair_that_fails_repairs_nothing(linked):
    await linked.days(31)
    session = await linked.client.create(f"{linked.exchange}/exchange-sessions", {})
    path = f"/_tallystick/control/sessions/{session.rpartition('/')[2]}/complete"
    answer = await linked.client.post(path, json={"user": "user_good", "password": "wrong"})
    assert answer.status_code >= 400
    assert await linked.balance() == "UpdateCredentials"


async def test_nobody_repairs_so_it_is_deactivated_and_a_late_repair_still_counts(linked):
    await linked.days(31)
    assert await linked.balance() == "UpdateCredentials"
    linked.gateway.clock.advance(health.GRACE_MS)
    await health.sweep(linked.gateway.core)
    await linked.sign_in()
    assert (await linked.client.get(linked.exchange)).json()["status"] == "deactivated"
    body = {
        "_links": {"exchange": {"href": linked.exchange}},
        "bankAccountType": "savings",
        "name": "Second",
    }
    refused = await linked.client.post(f"{linked.customer}/funding-sources", json=body)
    assert refused.json()["code"] == "InactiveExchange"
    await linked.repair()
    assert await linked.balance() == 200
    assert (await linked.client.get(linked.exchange)).json()["status"] == "active"


async def test_the_daily_check_finds_out_by_itself(linked):
    await linked.days(31)
    await health.sweep(linked.gateway.core)
    assert len(await linked.told()) == 1
    linked.gateway.clock.advance(HOUR_MS)
    await linked.sign_in()
    await linked.repair()
    linked.gateway.clock.advance(health.CHECK_EVERY_MS)
    await health.sweep(linked.gateway.core)
    assert (await linked.row())["cause"] is None
    linked.gateway.clock.advance(MINUTE_MS)
    assert await health.sweep(linked.gateway.core) == 0  # once a day is enough


async def test_mx_is_repaired_in_its_own_widget(gateway):
    client = await gateway.application()
    customer = await client.customer()
    exchange = await client.exchange(customer, "MX")
    source = await client.funding_source(customer, exchange)
    linked = Linked(gateway, client, customer, exchange, source)
    member = (await linked.row())["item"]
    degrade = f"/_partners/mx/_control/members/{member}/degrade"
    assert (await client.post(degrade, json={"connection_status": "DENIED"})).status_code == 200
    assert await linked.balance() == "UpdateCredentials"
    await linked.repair(user="mxuser", password="any")
    assert await linked.balance() == 200
    assert len(await linked.told()) == 1


# ── notices ───────────────────────────────────────────────────────────────────────────────────


async def test_a_signed_warning_is_told_with_lead_time(linked):
    await linked.notice("PENDING_DISCONNECT")
    row = await linked.row()
    assert (row["status"], row["cause"], row["code"]) == ("active", "person", "PENDING_DISCONNECT")
    assert row["deadline"] > linked.gateway.clock.now_ms()
    assert await linked.balance() == 200  # it still works, and works on
    assert len(await linked.told()) == 1


async def test_a_signed_revocation_removes_the_exchange_and_its_grant(linked):
    await linked.notice("USER_PERMISSION_REVOKED")
    assert (await linked.client.get(linked.exchange)).json()["status"] == "removed"
    count = Statement("SELECT count(*) FROM exchange WHERE grant_sealed IS NULL")
    assert (await linked.gateway.core.db.one(count))[0] == 1
    assert await linked.balance() == "InvalidExchange"
    refused = await linked.client.post(f"{linked.exchange}/exchange-sessions", json={})
    assert (refused.status_code, refused.json()["code"]) == (400, "InvalidExchange")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/_inbound/plaid", 401), ("/_inbound/nobody", 404), ("/_inbound/plaid/return", 404)],
)
async def test_a_notice_that_nobody_signed_changes_nothing(linked, path, status):
    before = await linked.row()
    body = {
        "webhook_type": "ITEM",
        "webhook_code": "USER_PERMISSION_REVOKED",
        "item_id": before["item"],
    }
    headers = {"Plaid-Verification": "e30.e30.c2ln"}
    answer = await linked.client.post(path, json=body, headers=headers)
    assert (answer.status_code, answer.content) == (status, b"")
    assert await linked.row() == before


async def test_a_repeated_notice_is_taken_once(linked, monkeypatch):
    """The same bytes again, with the signature still fresh."""
    partner = linked.gateway.core.partners.by_key("plaid")
    taken = []
    honest = partner.translate

    def translate(body):
        taken.append(body)
        return honest(body)

    monkeypatch.setattr(partner, "translate", translate)
    seen = []
    verify = partner.verify

    async def kept(headers, body):
        seen.append((headers, body))
        return await verify(headers, body)

    monkeypatch.setattr(partner, "verify", kept)
    await linked.notice("PENDING_DISCONNECT")
    await linked.repair()
    assert await linked.balance() == 200
    headers, body = seen[0]
    again = await linked.client.post(
        "/_inbound/plaid",
        content=body,
        headers={"plaid-verification": headers["plaid-verification"]},
    )
    assert again.status_code == 200
    assert len(await linked.told()) == 1
    assert (await linked.row())["cause"] is None


# ── who may ───────────────────────────────────────────────────────────────────────────────────


async def test_whose_exchange_it_is(linked):
    stranger = await linked.gateway.application()
    answer = await stranger.post(f"{linked.exchange}/exchange-sessions", json={})
    assert answer.status_code == 404
    narrow = await linked.gateway.application(withheld=["exchange-sessions"])
    refused = await narrow.post(f"{linked.exchange}/exchange-sessions", json={})
    assert (refused.status_code, refused.json()["code"], refused.json()["message"]) == (
        403,
        "forbidden",
        "Not authorized to create re-authentication exchange session.",
    )


async def test_no_body_at_all_is_as_good_as_an_empty_one(linked):
    answer = await linked.client.post(f"{linked.exchange}/exchange-sessions")
    assert answer.status_code == 201
    assert "/exchange-sessions/" in answer.headers["location"]


@pytest.mark.parametrize("code", ["NO_CONNECTION", "KEYS"])
async def test_trouble_that_is_not_the_persons_is_named_and_changes_no_state(
    linked, monkeypatch, code
):
    from tallystick.partners.errors import PartnerRefused, PartnerUnavailable

    partner = linked.gateway.core.partners.by_key("plaid")
    failure = PartnerRefused(code) if code == "KEYS" else PartnerUnavailable(code, acted=False)

    async def fail(*_args):
        raise failure

    monkeypatch.setattr(partner, "read_balance", fail)
    assert await linked.balance() in ("ServerError", "RequestTimeout")
    row = await linked.row()
    assert (row["status"], row["cause"]) == ("active", "us" if code == "KEYS" else "partner")
    monkeypatch.undo()
    assert await linked.balance() == 200
    assert (await linked.row())["cause"] is None
    assert await linked.told() == []


# ── redirect URLs ─────────────────────────────────────────────────────────────────────────────

REGISTERED = ["https://example.com/app123", "com.example.app123"]
NEARLY = [
    "https://example.com/app123/", "https://example.com/app123?x=1", "https://EXAMPLE.com/app123",
    "https://example.com.evil.test/app123", "https://example.com:443/app123",
    "http://localhost/app123", "https://example.com/%61pp123", "com.example.app1234",
    "com.example.App123", "com.example", "https://example.com/app123#x", "//example.com/app123",
    "https://example.com@evil.test/app123", "https://example.com/app123%09", "javascript:alert(1)",
]  # fmt: skip


async def test_a_redirect_url_is_one_of_those_registered_byte_for_byte(gateway):
    client = await gateway.application(redirect_urls=REGISTERED)
    customer = await client.customer()
    partner = {"href": await client.partner_href("Plaid")}
    for url in REGISTERED:
        body = {"_links": {"exchange-partner": partner, "redirect-url": {"href": url}}}
        await client.create(f"{customer}/exchange-sessions", body)
    for url in NEARLY:
        body = {"_links": {"exchange-partner": partner, "redirect-url": {"href": url}}}
        answer = await client.post(f"{customer}/exchange-sessions", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "ValidationError"), url
        (error,) = answer.json()["_embedded"]["errors"]
        assert error["path"] == "/_links/redirect-url/href"


async def test_what_may_be_registered(gateway):
    for url in (
        "http://evil.test/",
        "https://a@b.test/",
        "javascript:alert(1)",
        "https://a.test/#f",
    ):
        answer = await gateway.client().post(
            "/_tallystick/control/applications", json={"redirect_urls": [url]}
        )
        assert (answer.status_code, "redirect URL" in answer.text) == (400, True)
