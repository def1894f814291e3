"""Tink's webhooks: who may post, and what they mean."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from tallystick.clock import MINUTE_MS, SECOND_MS, VirtualClock
from tallystick.partners.contract import Notice
from tallystick.partners.visa.inbound import Inbound
from tallystick.partners.visa.tests.visa_world import World

pytestmark = pytest.mark.anyio

SECRET = "1f0e2d3c4b5a69788796a5b4c3d2e1f0"
BODY = b'{"event": "refresh:finished", "content": {}}'


@pytest.fixture
def clock() -> VirtualClock:
    clock = VirtualClock()
    clock.freeze()
    return clock


def signature(clock: VirtualClock, body: bytes = BODY, secret: str = SECRET, age_s: int = 0) -> str:
    at = clock.now_ms() // SECOND_MS - age_s
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def verify(clock: VirtualClock, header: str, body: bytes = BODY, secret: str | None = SECRET):
    return Inbound(secret, clock).verify({"x-tink-signature": header}, body)


def test_signed_webhook_is_believed(clock):
    good = signature(clock)
    assert verify(clock, good)
    assert verify(clock, f"{good},v0=abc, v2=def")
    assert verify(clock, good.replace("v1=", f"v1={'0' * 64},v1="))
    assert verify(clock, signature(clock, age_s=299))
    assert verify(clock, signature(clock, b"\xff"), b"\xff")


def test_forged_webhook_is_refused(clock):
    good = signature(clock)
    assert not verify(clock, good, BODY + b" ")
    assert not verify(clock, good, secret=None)
    assert not verify(clock, signature(clock, secret="guess"))
    assert not verify(clock, good.upper())
    assert not verify(clock, good.partition(",")[0])
    assert not verify(clock, f"t=1,{good}")
    assert not verify(clock, signature(clock, age_s=302))
    assert not verify(clock, signature(clock, age_s=-302))
    assert not Inbound(SECRET, clock).verify({}, BODY)


@pytest.mark.parametrize(
    "header",
    ["", ",", "t=", "t=,v1=", "t=-1,v1=0", "t=1e9,v1=0", f"t={'9' * 400},v1=0", "t=٣,v1=é"],
)
def test_signature_that_is_none_is_refused(clock, header):
    assert not verify(clock, header)


def test_old_webhook_is_refused(clock):
    good = signature(clock)
    clock.advance(5 * MINUTE_MS + SECOND_MS)
    assert not verify(clock, good)


def event(name: str = "refresh:finished", **content: object) -> bytes:
    return json.dumps(
        {
            "context": {"userId": "u", "externalUserId": "person"},
            "content": {"credentialsId": "cred-1", "finished": 1732183872000, **content},
            "event": name,
        }
    ).encode()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("AUTHENTICATION_ERROR", "reauth_required"),
        ("SESSION_EXPIRED", "reauth_required"),
        ("UPDATED", "healthy"),
        ("DELETED", "revoked"),
        ("TEMPORARY_ERROR", "changed"),
        ("NEW_WORD", "changed"),
    ],
)
def test_what_a_finished_refresh_means(clock, status, kind):
    [notice] = Inbound(SECRET, clock).translate(event(credentialsStatus=status))
    assert notice == Notice(kind, "cred-1", status)


def test_word_that_is_none_is_not_kept(clock):
    for said in ("<b>", "x" * 400, ""):
        [notice] = Inbound(SECRET, clock).translate(event(credentialsStatus=said))
        assert notice == Notice("changed", "cred-1", "UNKNOWN")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"event": "refresh:finished"}',
        event("account:updated"),
        event(credentialsId=None),
        event(credentialsId=7),
        event(credentialsId="../x"),
        event(credentialsId="x" * 65),
        event(credentialsStatus=["UPDATED"]),
    ],
)
def test_what_means_nothing(clock, body):
    assert list(Inbound(SECRET, clock).translate(body)) == []


# ── from the simulator ────────────────────────────────────────────────────────────────────────


async def test_the_simulators_notice_is_signed_and_understood():
    made = World()
    headers = await made.token("webhook-endpoints")
    hook = {"url": "https://gw.example/_inbound/visa", "enabledEvents": ["refresh:finished"]}
    answer = await made.client.post("/events/v2/webhook-endpoints", json=hook, headers=headers)
    grant = await made.linked()
    await made.degrade(grant, "SESSION_EXPIRED")
    inbound = Inbound(answer.json()["secret"], made.clock)
    meanings = []
    for url, body, sent in made.sent:
        assert url == hook["url"]
        lower = {name.lower(): value for name, value in sent.items()}
        assert inbound.verify(lower, body)
        meanings += inbound.translate(body)
    assert [(each.kind, each.external_id) for each in meanings] == [
        ("healthy", grant.external_id),
        ("reauth_required", grant.external_id),
    ]


async def test_the_connector_verifies_with_its_secret():
    world = World(webhook_secret=SECRET)
    world.clock.freeze()
    headers = {"x-tink-signature": signature(world.clock)}
    assert await world.partner.verify(headers, BODY)
    assert not await World().partner.verify(headers, BODY)
