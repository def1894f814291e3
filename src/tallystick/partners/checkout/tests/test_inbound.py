"""Checkout.com's webhooks: only what it signed is heard, and it is only a doorbell."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from tallystick.clock import VirtualClock
from tallystick.partners.checkout.connector import Connector
from tallystick.partners.checkout.settings import CheckoutSettings
from tallystick.partners.checkout.tests.checkout_stage import BASE, PAYMENT, Stage
from tallystick.partners.contract import Notice
from tallystick.partners.http import PartnerHttp

pytestmark = pytest.mark.anyio

EVENT = json.dumps({"id": "evt_1", "type": "card_verified", "data": {"id": PAYMENT}}).encode()
SIGNATURE = hmac.new(b"a key", EVENT, hashlib.sha256).hexdigest()


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_a_signed_webhook_is_the_partners():
    partner = Stage().partner
    assert await partner.verify({"cko-signature": SIGNATURE}, EVENT)
    assert partner.translate(EVENT) == [Notice("changed", PAYMENT, "card_verified")]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, EVENT),
        ({"cko-signature": ""}, EVENT),
        ({"cko-signature": SIGNATURE[:-1]}, EVENT),
        ({"cko-signature": SIGNATURE.upper()}, EVENT),
        ({"cko-signature": f"sha256={SIGNATURE}"}, EVENT),
        ({"cko-signature": f"{SIGNATURE}, {SIGNATURE}"}, EVENT),
        ({"cko-signature": "é" * 64}, EVENT),
        ({"cko-signature": "\udc80" * 64}, EVENT),
        ({"cko-signature": SIGNATURE}, EVENT + b" "),
        ({"cko-signature": SIGNATURE}, b""),
    ],
    ids=str,
)
async def test_any_other_webhook_is_not(headers, body):
    assert not await Stage().partner.verify(headers, body)


async def test_without_a_secret_every_webhook_is_refused():
    settings = CheckoutSettings(base_url=BASE, secret_key="k")
    connector = Connector(settings, PartnerHttp(BASE), VirtualClock())
    empty = hmac.new(b"", EVENT, hashlib.sha256).hexdigest()
    assert not await connector.verify({"cko-signature": empty}, EVENT)


@pytest.mark.parametrize(
    ("body", "notices"),
    [
        (b'{"type": "a b", "data": {"id": "%s"}}' % PAYMENT.encode(), [Notice("changed", PAYMENT, "UNKNOWN")]),
        (b'{"type": "dispute_received", "data": {"id": "dsp_1"}}', []),
        (b'{"type": "card_verified", "data": {"id": 7}}', []),
        (b'{"type": "card_verified"}', []),
        (b"\xff", []),
        (b"", []),
        (b"[" * 100_000, []),
    ],
    ids=str,
)  # fmt: skip
def test_a_webhook_is_a_doorbell(body, notices):
    assert Stage().partner.translate(body) == notices
