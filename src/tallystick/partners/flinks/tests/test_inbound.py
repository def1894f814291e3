"""Flinks' webhooks: only what its secret signed is heard, and it is only a doorbell."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from tallystick.partners.contract import Notice
from tallystick.partners.flinks.inbound import Inbound
from tallystick.partners.flinks.tests.flinks_stage import LOGIN, Stage, answer_of

pytestmark = pytest.mark.anyio

BODY = json.dumps(
    {"ResponseType": "GetAccountsDetail", **answer_of("partner_access")["GetAccountsDetail"][0]}
).encode()


@pytest.fixture
def anyio_backend():
    return "asyncio"


def sign(body: bytes, secret: bytes = b"hook") -> str:
    return base64.b64encode(hmac.digest(secret, body, hashlib.sha256)).decode()


@pytest.mark.parametrize("header", ["flinks-authenticity-key", "x-flinks-signature"])
async def test_a_signed_webhook_is_flinks(header):
    partner = Stage().partner
    assert await partner.verify({header: sign(BODY)}, BODY)
    assert not await partner.verify({header: sign(BODY)}, BODY + b" ")
    assert not await partner.verify({header: sign(BODY, b"other")}, BODY)
    assert not await partner.verify({header: sign(BODY).rstrip("=")}, BODY)
    assert not await partner.verify({header: "é\udc80".encode("utf-8", "replace").decode()}, BODY)
    assert not await partner.verify({}, BODY)


def test_without_a_secret_all_are_refused():
    unsigned = Inbound(None)
    assert not unsigned.verify({"x-flinks-signature": sign(BODY, b"")}, BODY)
    assert not unsigned.verify({}, BODY)


def test_what_a_webhook_means():
    partner = Stage().partner
    assert partner.translate(BODY) == [Notice("changed", LOGIN, "GetAccountsDetail")]
    failed = {"FlinksCode": "INVALID_LOGIN", "Login": {"Id": LOGIN}}
    assert partner.translate(json.dumps(failed).encode()) == [
        Notice("changed", LOGIN, "INVALID_LOGIN")
    ]
    odd = {"ResponseType": "a b\n", "LoginId": LOGIN}
    assert partner.translate(json.dumps(odd).encode()) == [Notice("changed", LOGIN, "UNKNOWN")]


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"LoginId": 7}',
             b'{"LoginId": "../x"}', b'{"Login": []}'],
)  # fmt: skip
def test_garbage_means_nothing(body):
    assert list(Stage().partner.translate(body)) == []
