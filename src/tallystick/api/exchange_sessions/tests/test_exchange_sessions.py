"""Exchange sessions: exactly one member of the partner's, nothing of it readable at rest (5.8, 5.9)."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from tallystick.api.exchange_sessions import service
from tallystick.api.exchange_sessions.service import ProviderSession, is_redirect_url
from tallystick.clock import DAY_MS, MINUTE_MS
from tallystick.store.db import Statement

pytestmark = pytest.mark.anyio


async def test_what_each_partner_gives(gateway):
    client = await gateway.application()
    customer = await client.customer()
    plaid = (await client.get(await client.session(customer, "Plaid"))).json()
    assert plaid["externalProviderSessionToken"].startswith("link-sandbox-")
    assert set(plaid["_links"]) == {"self", "exchange-partner"}
    assert plaid["_links"]["self"]["resource-type"] == "exchange-sessions"
    mx = (await client.get(await client.session(customer, "MX"))).json()
    page = mx["_links"]["external-provider-session"]
    assert (page["resource-type"], page["type"]) == (
        "text/html",
        "application/vnd.dwolla.v1.hal+json",
    )
    assert "externalProviderSessionToken" not in mx
    again = (await client.get(mx["_links"]["self"]["href"])).json()
    assert again == mx  # reading does not renew anything


async def test_the_partners_token_is_sealed(gateway):
    client = await gateway.application()
    shown = (await client.get(await client.session(await client.customer(), "Plaid"))).json()
    rows = await gateway.core.db.all(Statement("SELECT * FROM exchange_session"))
    assert shown["externalProviderSessionToken"] not in str([tuple(row) for row in rows])


async def test_what_a_partner_gave_is_destroyed_a_day_after_it_expired(gateway):
    client = await gateway.application()
    customer = await client.customer()
    old = {name: await client.session(customer, name) for name in ("Plaid", "MX")}
    rows = await gateway.core.db.all(Statement("SELECT expires_at FROM exchange_session"))
    gateway.clock.advance(max(row[0] for row in rows) + DAY_MS - MINUTE_MS - gateway.clock.now_ms())
    await client.sign_in(client.made["client_id"], client.made["client_secret"])
    new = await client.session(customer, "Plaid")
    assert await service.forget(gateway.core) == 1  # the one that expired first
    gateway.clock.advance(MINUTE_MS)
    assert await service.forget(gateway.core) == 1
    assert await service.forget(gateway.core) == 0
    boxes = Statement("SELECT provider_session_sealed FROM exchange_session ORDER BY id")
    kept = [bytes(row[0]) for row in await gateway.core.db.all(boxes)]
    assert kept[:2] == [b"", b""]
    assert kept[2]
    for session in old.values():
        shown = (await client.get(session)).json()
        assert set(shown) == {"_links", "created"}
        assert set(shown["_links"]) == {"self", "exchange-partner"}
    assert "externalProviderSessionToken" in (await client.get(new)).json()


def test_what_is_in_a_box_does_not_show_itself():
    opened = ProviderSession("https://hush.test/", "hush", {"a": "hush"})
    assert "hush" not in f"{opened} {opened!r}"


@pytest.mark.parametrize(
    "redirect", ["com.example.app123", "https://example.com/app123", "http://localhost:3000/back"]
)
async def test_redirect_urls_of_mobile_apps(gateway, redirect):
    client = await gateway.application()
    href = await client.partner_href("Plaid")
    body = {"_links": {"exchange-partner": {"href": href}, "redirect-url": {"href": redirect}}}
    session = await client.create(f"{await client.customer()}/exchange-sessions", body)
    assert (await client.get(session)).status_code == 200


async def test_a_repetition_starts_no_second_session(gateway):
    client = await gateway.application()
    customer = await client.customer()
    body = {"_links": {"exchange-partner": {"href": await client.partner_href("Plaid")}}}
    headers = {"Idempotency-Key": "k"}
    first = await client.create(f"{customer}/exchange-sessions", body, headers=headers)
    assert await client.create(f"{customer}/exchange-sessions", body, headers=headers) == first
    count = await gateway.core.db.one(Statement("SELECT count(*) FROM exchange_session"))
    assert count[0] == 1


async def refused(client, partner: str | None, card_details: object) -> list[tuple[str, str]]:
    links = {"exchange-partner": {"href": await client.partner_href(partner)}} if partner else {}
    body = {"_links": links, "cardDetails": card_details}
    answer = await client.post(f"{await client.customer()}/exchange-sessions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "ValidationError")
    return [(each["code"], each["path"]) for each in answer.json()["_embedded"]["errors"]]


@pytest.mark.parametrize(
    ("card_details", "problems"),
    [
        ({}, [("Required", "/firstName"), ("Required", "/lastName"), ("Required", "/accountNameInquiry")]),
        ({"firstName": "J", "lastName": "77", "accountNameInquiry": "true"}, [("Invalid", "/firstName"), ("InvalidFormat", "/lastName"), ("Invalid", "/accountNameInquiry")]),
        ({"firstName": "x" * 36, "lastName": None, "accountNameInquiry": True}, [("Invalid", "/firstName"), ("Invalid", "/lastName")]),
        ([], [("Invalid", "")]),
    ],
    ids=str,
)  # fmt: skip
async def test_everything_wrong_with_the_name_on_a_card_is_told(gateway, card_details, problems):
    client = await gateway.application()
    expected = [(code, f"/cardDetails{path}") for code, path in problems]
    assert await refused(client, "Checkout.com", card_details) == expected
    partner = ("Required", "/_links/exchange-partner/href")
    assert await refused(client, None, card_details) == [partner, *expected]


@pytest.mark.parametrize("partner", ["Plaid", "MX", "Flinks"])
async def test_a_partner_without_cards_is_not_asked_about_a_name(gateway, partner):
    client = await gateway.application()
    name = {"firstName": "Ada", "lastName": "Byron", "accountNameInquiry": True}
    assert await refused(client, partner, name) == [("Invalid", "/cardDetails")]
    assert await gateway.core.db.one(Statement("SELECT count(*) FROM exchange_session")) == (0,)


@pytest.mark.parametrize(
    "value",
    ["javascript:alert(1)", "//evil.test", "http://evil.test/", "https://a@b.test/", "https:evil",
     "https://a.test/#f", "https://a.test/ b", "com", "com.", "1a.b", "com.exämple", "", None, 5, {},
     "http://localhost.evil.test/", "https://a.test/\\b", "com.example\n"],
)  # fmt: skip
def test_what_is_no_redirect_url(value):
    assert not is_redirect_url(value)


@given(st.text())
def test_no_text_is_taken_for_a_redirect_by_accident(text):
    if is_redirect_url(text):
        assert text.startswith(("https://", "http://localhost", "http://127.0.0.1")) or (
            text.isascii() and "." in text and "/" not in text and ":" not in text
        )
