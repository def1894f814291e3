"""From a session to an exchange, through the gateway's own API."""

from __future__ import annotations

import pytest

from tallystick.partners.checkout.tests.checkout_world import NO_FUNDS

pytestmark = pytest.mark.anyio


async def test_a_payment_becomes_an_exchange(gateway):
    api = await gateway.application()
    customer = await api.customer()
    session = await api.session(customer, "Checkout.com")
    shown = (await api.get(session)).json()
    data = shown["externalProviderSessionData"]
    assert set(data) == {"id", "payment_session_secret", "payment_session_token"}
    assert data["payment_session_token"].startswith("YmFzZTY0:")
    declined = await api.post(
        f"/_tallystick/control/sessions/{session.rpartition('/')[2]}/complete",
        json={"card": NO_FUNDS},
    )
    assert declined.json()["error_codes"] == ["payment_declined", "not_enough_funds"]
    token = (await api.complete(session))["token"]
    proof = {
        "_links": {"exchange-partner": {"href": await api.partner_href("Checkout.com")}},
        "token": token,
    }
    exchange = await api.create(f"{customer}/exchanges", proof)
    assert (await api.get(exchange)).json()["status"] == "active"
    again = await api.post(f"{customer}/exchanges", json=proof)
    assert again.status_code in (400, 401)
    assert again.json()["code"] == "InvalidExchangeToken"


@pytest.mark.parametrize("token", ["pay_" + "a" * 26, "4024764449971519", "zzz-none"])
async def test_what_is_no_payment_of_ours_is_no_exchange(gateway, token):
    api = await gateway.application()
    customer = await api.customer()
    proof = {
        "_links": {"exchange-partner": {"href": await api.partner_href("Checkout.com")}},
        "token": token,
    }
    refused = await api.post(f"{customer}/exchanges", json=proof)
    assert (refused.status_code, refused.json()["code"]) == (401, "InvalidExchangeToken")
    assert token not in refused.text
