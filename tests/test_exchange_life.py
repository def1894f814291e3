"""An exchange's whole life through the simulators: lost, warned, repaired, deactivated, removed."""

from __future__ import annotations

import base64
import json

import pytest

from tallystick.api.exchanges import health
from tallystick.clock import DAY_MS, HOUR_MS, MINUTE_MS
from tallystick.partners.errors import ConsentLost
from tallystick.store.db import Statement

from .gateway import in_process
from .linked_account import Linked
from .notices import assert_heard_as_signed

pytestmark = pytest.mark.anyio

NOT_REPAIRABLE = "Not authorized to create re-authentication exchange session."


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
    assert await linked.row() == row
    assert len(await linked.told()) == 1


async def test_a_signed_revocation_removes_the_exchange_and_its_grant(linked):
    await linked.notice("USER_PERMISSION_REVOKED")
    assert (await linked.client.get(linked.exchange)).json()["status"] == "removed"
    count = Statement("SELECT count(*) FROM exchange WHERE grant_sealed IS NULL")
    assert (await linked.gateway.core.db.one(count))[0] == 1
    assert await linked.balance() == "InvalidExchange"
    refused = await linked.client.post(f"{linked.exchange}/exchange-sessions", json={})
    assert (refused.status_code, refused.json()["message"]) == (403, NOT_REPAIRABLE)


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


async def test_mx_rings_a_doorbell_with_the_shared_secret(tmp_path, database_url, monkeypatch):
    secret = {"mx": {"webhook_secret": "a key"}}
    async with in_process(tmp_path, database_url, partners=secret) as gateway:
        client = await gateway.application()
        await client.exchange(await client.customer(), "MX")
        (member,) = await gateway.core.db.one(Statement("SELECT external_id FROM exchange"))

        def sign(_body, secret="a key", scheme="Basic"):
            token = base64.b64encode(f"mx:{secret}".encode()).decode()
            return {"Authorization": f"{scheme} {token}"}

        said = {"type": "CONNECTION_STATUS", "action": "CHANGED", "member_guid": member}
        degrade = f"/_partners/mx/_control/members/{member}/degrade"
        await assert_heard_as_signed(
            gateway, client, monkeypatch, key="mx", body=json.dumps(said).encode(), sign=sign,
            forged={"another": sign(b"", "another"), "no Basic": sign(b"", scheme="Bearer")},
            lose=lambda: client.post(degrade, json={"connection_status": "DENIED"}),
            doorbell=True,
        )  # fmt: skip


async def test_who_sends_no_notices_is_not_heard(gateway):
    """Finicity's notices go to the integrator, whose contract it is."""
    assert (await gateway.client().post("/_inbound/finicity", json={})).status_code == 404


# ── the end of a consent ──────────────────────────────────────────────────────────────────────


@pytest.fixture
async def ending(linked):
    """Its consent ends in twenty days."""
    ends_at = linked.gateway.clock.now_ms() + 20 * DAY_MS
    known = Statement("UPDATE exchange SET consent_expires_at = :ends_at")
    await linked.gateway.core.db.transact(lambda tx: tx.run(known, ends_at=ends_at))
    return linked, ends_at


async def sweep_at(linked, at_ms):
    linked.gateway.clock.set(at_ms)
    await health.sweep(linked.gateway.core)
    await linked.sign_in()
    row = await linked.row()
    return row["status"], row["cause"], row["code"], row["deadline"]


async def test_a_consent_that_ends_is_told_once_seven_days_before(ending, monkeypatch):
    linked, ends_at = ending
    first = ends_at - health.LEAD_MS
    assert await sweep_at(linked, first - MINUTE_MS) == ("active", None, None, None)
    assert await linked.told() == []
    warned = ("active", "person", "CONSENT_ENDING", ends_at)
    for day in range(7):  # and looked at daily, and used, until then
        assert await sweep_at(linked, first + day * DAY_MS) == warned
        assert await linked.balance() == 200
    assert len(await linked.told()) == 1

    async def refuse(*_args):
        raise ConsentLost("ENDED")

    monkeypatch.setattr(linked.gateway.core.partners.by_key("plaid"), "list_accounts", refuse)
    assert (await sweep_at(linked, ends_at))[0] == "deactivated"
    assert len(await linked.told()) == 1


async def test_a_consent_that_was_renewed_outlives_its_old_end(ending):
    linked, ends_at = ending
    await sweep_at(linked, ends_at - health.LEAD_MS)
    for after in (0, HOUR_MS, health.CHECK_EVERY_MS):  # nobody told us of the renewal
        assert await sweep_at(linked, ends_at + after) == ("active", None, None, None)
    assert len(await linked.told()) == 1


async def test_what_cannot_be_looked_at_stops_nobody_else(ending, monkeypatch):
    """Its partner is no longer among the settings, say."""
    linked, ends_at = ending
    gateway, client = linked.gateway, linked.client
    await sweep_at(linked, ends_at - health.LEAD_MS)
    other = await client.exchange(await client.customer(), "MX")
    known = Statement("UPDATE exchange SET cause = 'person', deadline_at = :at WHERE id = :id")
    identity = {"at": ends_at + MINUTE_MS, "id": other.rpartition("/")[2]}
    await gateway.core.db.transact(lambda tx: tx.run(known, **identity))

    async def refuse(*_args):
        raise ConsentLost("LOST")

    monkeypatch.setattr(gateway.core.partners.by_key("mx"), "list_accounts", refuse)
    with monkeypatch.context() as patched:
        patched.delitem(gateway.core.partners._by_key, "plaid")
        gateway.clock.set(ends_at + DAY_MS)
        await health.sweep(gateway.core)
    await linked.sign_in()
    for exchange in (linked.exchange, other):
        assert (await client.get(exchange)).json()["status"] == "deactivated"


async def test_who_was_warned_and_repairs_is_well_at_once(ending):
    linked, ends_at = ending
    await sweep_at(linked, ends_at - health.LEAD_MS)
    await linked.repair()
    assert await linked.balance() == 200
    assert (await linked.row())["cause"] is None
    assert await sweep_at(linked, ends_at - DAY_MS) == ("active", None, None, None)
    assert len(await linked.told()) == 1


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
        NOT_REPAIRABLE,
    )


@pytest.mark.parametrize("partner", ["Finicity", "Flinks", "Checkout.com"])
async def test_where_there_is_nothing_to_repair_with(gateway, partner):
    client = await gateway.application()
    exchange = await client.exchange(await client.customer(), partner)
    refused = await client.post(f"{exchange}/exchange-sessions", json={})
    assert (refused.status_code, refused.json()["message"]) == (403, NOT_REPAIRABLE)


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
