"""Exchange sessions: exactly one member of the partner's, nothing of it readable at rest (5.8, 5.9)."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from tallystick.api.exchange_sessions.service import is_redirect_url
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
