"""The official SDK, PyPI `checkout-sdk`, unmodified, against the simulator."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from tallystick.partners.checkout.tests.checkout_world import NO_FUNDS, PERSON, World

pytest.importorskip("checkout_sdk")

from checkout_sdk.checkout_sdk import CheckoutSdk
from checkout_sdk.common.common import AccountHolder, Address
from checkout_sdk.common.enums import Country, Currency
from checkout_sdk.environment import Environment
from checkout_sdk.exception import CheckoutApiException
from checkout_sdk.instruments.instruments import UpdateCardInstrumentRequest
from checkout_sdk.payments.sessions.sessions import PaymentSessionsRequest

SECRET_KEY = "sk_sbox_" + "a2" * 13 + "#"


def sdk(world: World, key: str = SECRET_KEY) -> Any:
    base = world.base_url + "/"
    hosts = Environment(base, base, base, base, base, base, base, is_sandbox=True)
    builder = CheckoutSdk.builder().secret_key(key).environment(hosts)
    with warnings.catch_warnings():
        # Of a host without the account's prefix, and of an endpoint that nobody here asked for.
        warnings.simplefilter("ignore", DeprecationWarning)
        return builder.use_legacy_domain().build()


@pytest.fixture
def api(world: World) -> Any:
    return sdk(world)


def request_of(**members: Any) -> PaymentSessionsRequest:
    request = PaymentSessionsRequest()
    request.amount = 0
    request.currency = Currency.USD
    request.reference = f"tallystick:{PERSON}"
    request.billing = {"address": {"country": "US"}}
    request.payment_method_configuration = {"card": {"store_payment_details": "enabled"}}
    request.success_url = "https://example.com/ok"
    request.failure_url = "https://example.com/no"
    for name, value in members.items():
        setattr(request, name, value)
    return request


def paid(world: World, api: Any, **card: Any) -> str:
    session = api.payment_sessions.create_payment_sessions(request_of())
    token = world.complete({"id": session.id}, **card).json()
    return token["token"]


def test_a_card_from_session_to_deletion(world, api):
    session = api.payment_sessions.create_payment_sessions(request_of())
    assert session.http_metadata.status_code == 201
    assert session.id.startswith("ps_")
    assert session.payment_session_secret.startswith("pss_")
    assert session.payment_session_token.startswith("YmFzZTY0:")
    token = world.complete({"id": session.id}).json()["token"]
    payment = api.payments.get_payment_details(token)
    assert payment.approved
    assert payment.status == "Card Verified"
    assert payment.reference == f"tallystick:{PERSON}"
    instrument = api.instruments.get(payment.source.id)
    assert (instrument.last4, instrument.issuer_country) == ("1519", "US")
    metadata = api.card_metadata.request_card_metadata(
        {"source": {"type": "id", "id": instrument.id}, "format": "card_payouts"}
    )
    assert metadata.card_payouts.domestic_non_money_transfer == "fast_funds"
    [action] = api.payments.get_payment_actions(token).items
    assert action.response_code == "10000"
    deleted = api.instruments.delete(instrument.id)
    assert deleted.http_metadata.status_code == 204


def test_a_stored_card_is_changed(world, api):
    source = api.payments.get_payment_details(paid(world, api)).source
    change = UpdateCardInstrumentRequest()
    change.expiry_month = 6
    change.expiry_year = 2041
    change.account_holder = AccountHolder()
    change.account_holder.first_name = "Jane"
    change.account_holder.last_name = "Doe"
    change.account_holder.billing_address = Address()
    change.account_holder.billing_address.country = Country.US
    assert api.instruments.update(source.id, change).fingerprint == source.fingerprint
    instrument = api.instruments.get(source.id)
    assert (instrument.expiry_month, instrument.expiry_year) == (6, 2041)
    assert instrument.account_holder.first_name == "Jane"


def test_a_declined_payment_is_read(world, api):
    session = api.payment_sessions.create_payment_sessions(request_of())
    token = world.token(NO_FUNDS).json()["token"]
    secret = session.payment_session_secret
    declined = world.pay({"id": session.id, "payment_session_secret": secret}, token).json()
    assert api.payments.get_payment_details(declined["id"]).status == "Declined"


def test_a_webhook_is_set_up(world, api):
    action = {"type": "webhook", "url": "https://gw.example/", "signature": {"method": "HMACSHA256", "key": "k"}}  # fmt: skip
    made = api.workflows.create_workflow({"name": "n", "actions": [action]})
    [listed] = api.workflows.get_workflows().data
    assert listed.id == made.id
    assert api.workflows.remove_workflow(made.id).http_metadata.status_code == 204


def test_refusals_are_read(api):
    with pytest.raises(CheckoutApiException) as caught:
        api.payment_sessions.create_payment_sessions(request_of(amount=None, currency=None))
    assert caught.value.error_type == "request_invalid"
    assert caught.value.error_details == ["amount_required", "currency_required"]
    assert caught.value.request_id == caught.value.http_metadata.headers["Cko-Request-Id"]


@pytest.mark.parametrize("status", [401, 404])
def test_refusals_without_a_body_are_read(world, status):
    api = sdk(world, SECRET_KEY if status == 404 else "sk_" + "a2" * 13 + "#")
    with pytest.raises(CheckoutApiException) as caught:
        api.payments.get_payment_details("pay_" + "a" * 26)
    assert caught.value.http_metadata.status_code == status
    assert caught.value.request_id == caught.value.http_metadata.headers["Cko-Request-Id"]
