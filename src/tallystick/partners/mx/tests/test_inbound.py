"""MX's webhooks: only who knows the shared secret is heard, and it is only a doorbell."""

from __future__ import annotations

import json

import pytest

from tallystick.partners.http import PartnerHttp
from tallystick.partners.mx.connector import Connector
from tallystick.partners.mx.settings import MxSettings
from tallystick.partners.mx.tests.mx_stage import BASE, MEMBER, Stage

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_webhooks_need_the_shared_secret():
    connector = Stage().connector
    for header, right in (
        ("Basic dXNlcjpz", True),  # user:s
        ("basic OnM=", True),  # :s
        ("Basic dXNlcjp4", False),
        ("Bearer s", False),
        ("Basic !!", False),
        ("", False),
    ):
        assert await connector.verify({"authorization": header}, b"{}") is right
    settings = MxSettings(base_url=BASE, client_id="c", api_key="k")
    silent = Connector(settings, PartnerHttp(BASE))
    assert await silent.verify({"authorization": "Basic Og=="}, b"{}") is False


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"member_guid":5}', b'{"type":"X"}', b"[" * 9_999]
)
def test_webhooks_that_say_nothing(body):
    assert list(Stage().connector.translate(body)) == []


def test_a_webhook_only_says_that_something_changed():
    body = json.dumps(
        {
            "type": "CONNECTION_STATUS",
            "action": "CHANGED",
            "member_guid": MEMBER,
            "connection_status": "DENIED",
        }
    ).encode()
    (notice,) = Stage().connector.translate(body)
    assert (notice.kind, notice.external_id, notice.partner_code) == ("changed", MEMBER, "DENIED")
