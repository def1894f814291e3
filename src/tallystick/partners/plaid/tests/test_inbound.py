"""Plaid's webhooks: which are believed, at what cost, and what they mean."""

import asyncio
import json
import uuid

import httpx2
import pytest

from tallystick.partners.errors import PartnerRefused, PartnerUnavailable
from tallystick.partners.plaid.inbound import translate
from tallystick.partners.plaid.tests.plaid_signing import (
    KEYS,
    KID,
    OTHER_KEY,
    b64,
    claims,
    header,
    key_answer,
    sign,
    verify,
    with_key,
)
from tallystick.partners.plaid.tests.plaid_stage import (
    Stage,
    check_answer,
    refusal,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def stage():
    return with_key()


# ── genuine ───────────────────────────────────────────────────────────────────────────────────


async def test_a_genuine_webhook_is_believed_and_its_key_kept(stage):
    for _ in range(3):
        assert await verify(stage, sign(claims(stage))) is True
    assert stage.paths == [KEYS]
    assert stage.body() == {"key_id": KID}


def test_the_key_answer_is_what_plaid_documents():
    check_answer(KEYS, key_answer())


@pytest.mark.parametrize("off_s", [-300, -299, 0, 299, 300])
async def test_five_minutes_either_way_are_allowed(stage, off_s):
    issued = stage.clock.now_ms() // 1000 + off_s
    stage.clock.set(stage.clock.now_ms() // 1000 * 1000)
    assert await verify(stage, sign(claims(stage, iat=issued))) is True


async def test_a_header_member_that_chooses_nothing_is_ignored(stage):
    assert await verify(stage, sign(claims(stage), header(future="yes"))) is True


async def test_the_body_is_bytes_and_may_be_anything(stage):
    body = b"\xff\x00 not json"
    assert await verify(stage, sign(claims(stage, body)), body) is True


# ── keys ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "HS256"},
        {"alg": "ES384"},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"kty": "oct"},
        {"kty": "RSA"},
        {"use": "enc"},
        {"kid": str(uuid.UUID(int=1))},
        {"kid": KID.upper()},
        {"expired_at": 1_700_000_000},
        {"x": "AAAA"},
        {"x": "!"},
        {"y": OTHER_KEY.as_dict(private=False)["y"]},
    ],
)
async def test_a_key_of_another_kind_is_no_key(change):
    made = Stage().say(KEYS, key_answer(**change))
    assert await verify(made, sign(claims(made))) is False


async def test_a_key_that_expires_later_is_good(stage):
    stage.say(KEYS, key_answer(expired_at=stage.clock.now_ms() // 1000 + 60))
    assert await verify(stage, sign(claims(stage))) is True


async def test_a_key_is_asked_for_again_after_an_hour(stage):
    assert await verify(stage, sign(claims(stage))) is True
    stage.clock.advance(59 * 60_000)
    assert await verify(stage, sign(claims(stage))) is True
    assert len(stage.requests) == 1
    stage.say(KEYS, key_answer(expired_at=stage.clock.now_ms() // 1000))
    stage.clock.advance(60_000)
    assert await verify(stage, sign(claims(stage))) is False
    assert len(stage.requests) == 2


async def test_an_unknown_kid_is_remembered_for_a_minute(stage):
    token_of = lambda: sign(claims(stage), header(kid=str(uuid.UUID(int=5))))  # noqa: E731
    for seconds in range(60):
        assert await verify(stage, token_of()) is False, seconds
        stage.clock.advance(1000)
    assert len(stage.requests) == 1
    assert await verify(stage, token_of()) is False
    assert len(stage.requests) == 2


async def test_random_kids_cost_one_look_up_a_second(stage):
    """T13: 10,000 webhooks with random kids in ten seconds, at most ten look-ups."""
    signature = sign(claims(stage)).rpartition(".")[2]
    for number in range(10_000):
        kid = str(uuid.UUID(int=number + 100))
        payload = b64(claims(stage))
        assert await verify(stage, f"{b64(header(kid=kid))}.{payload}.{signature}") is False
        stage.clock.advance(1)
    assert 9 <= len(stage.requests) <= 10
    assert len(stage.connector._inbound._keys._known) <= 60


async def test_a_flood_of_random_kids_does_not_hurt_a_key_that_is_known(stage):
    assert await verify(stage, sign(claims(stage))) is True
    stage.clock.advance(1000)
    for number in range(50):
        await verify(stage, sign(claims(stage), header(kid=str(uuid.UUID(int=number)))))
        assert await verify(stage, sign(claims(stage))) is True


async def test_webhooks_at_the_same_time_share_one_look_up():
    made = Stage()

    async def slowly(_):
        await asyncio.sleep(0.05)
        return httpx2.Response(200, json=key_answer())

    made.replies[KEYS] = slowly
    genuine = [verify(made, sign(claims(made))) for _ in range(20)]
    other = sign(claims(made), header(kid=str(uuid.UUID(int=3))))
    async with asyncio.timeout(60):
        told = await asyncio.gather(*genuine, verify(made, other))
    assert told == [True] * 20 + [False]
    assert len(made.requests) == 1


async def test_another_kid_does_not_wait_for_a_slow_look_up():
    made, answered = Stage(), asyncio.Event()

    async def when_told(_):
        await answered.wait()
        return httpx2.Response(200, json=key_answer())

    made.replies[KEYS] = when_told
    first = asyncio.ensure_future(verify(made, sign(claims(made))))
    while not made.requests:
        await asyncio.sleep(0)
    other = sign(claims(made), header(kid=str(uuid.UUID(int=3))))
    async with asyncio.timeout(60):
        assert await verify(made, other) is False
    assert not first.done()
    answered.set()
    assert await first is True


async def test_a_clock_that_is_set_back_does_not_stop_the_look_ups(stage):
    assert await verify(stage, sign(claims(stage), header(kid=str(uuid.UUID(int=3))))) is False
    stage.clock.advance(-3_600_000)
    assert await verify(stage, sign(claims(stage))) is True


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (refusal("INTERNAL_SERVER_ERROR", "API_ERROR"), 500, PartnerUnavailable),
        (refusal("RATE_LIMIT", "RATE_LIMIT_EXCEEDED"), 429, PartnerUnavailable),
        (refusal("INVALID_API_KEYS", "INVALID_INPUT"), 400, PartnerRefused),
        ({"key": None}, 200, PartnerUnavailable),
        ({"key": {"kid": KID}}, 200, PartnerUnavailable),
        ([], 200, PartnerUnavailable),
    ],
)
async def test_when_plaid_does_not_tell_the_key_nobody_knows(stage, body, status, error):
    stage.say(KEYS, body, status)
    with pytest.raises(error):
        await verify(stage, sign(claims(stage)))
    # What failed is not remembered as unknown.
    stage.say(KEYS, key_answer())
    stage.clock.advance(1000)
    assert await verify(stage, sign(claims(stage))) is True


# ── meaning ───────────────────────────────────────────────────────────────────────────────────


def webhook(code, *, kind="ITEM", **more):
    told = {
        "webhook_type": kind,
        "webhook_code": code,
        "item_id": "Item1",
        "environment": "sandbox",
    }
    return json.dumps(told | more).encode()


def item_error(code):
    return webhook("ERROR", error=refusal(code, "ITEM_ERROR", "why") | {"status": 400})


@pytest.mark.parametrize(
    ("body", "kind", "code", "deadline"),
    [
        (item_error("ITEM_LOGIN_REQUIRED"), "reauth_required", "ITEM_LOGIN_REQUIRED", None),
        (item_error("ITEM_LOCKED"), "reauth_required", "ITEM_LOCKED", None),
        (item_error("ITEM_NOT_FOUND"), "revoked", "ITEM_NOT_FOUND", None),
        (item_error("USER_PERMISSION_REVOKED"), "revoked", "USER_PERMISSION_REVOKED", None),
        (item_error("SOMETHING_NEW"), "changed", "SOMETHING_NEW", None),
        (item_error("access-sandbox-1"), "changed", "ERROR", None),
        (webhook("ERROR", error=None), "changed", "ERROR", None),
        (webhook("ERROR", error="x"), "changed", "ERROR", None),
        (
            webhook("PENDING_EXPIRATION", consent_expiration_time="2026-04-01T13:25:17.766Z"),
            "reauth_required",
            "PENDING_EXPIRATION",
            1_775_049_917_766,
        ),
        (
            webhook(
                "PENDING_DISCONNECT",
                disconnect_time="2026-04-01T13:25:17Z",
                reason="INSTITUTION_TOKEN_EXPIRATION",
            ),
            "reauth_required",
            "PENDING_DISCONNECT",
            1_775_049_917_000,
        ),
        (webhook("PENDING_DISCONNECT"), "reauth_required", "PENDING_DISCONNECT", None),
        (
            webhook("PENDING_DISCONNECT", disconnect_time="soon"),
            "reauth_required",
            "PENDING_DISCONNECT",
            None,
        ),
        (
            webhook("PENDING_DISCONNECT", disconnect_time=7),
            "reauth_required",
            "PENDING_DISCONNECT",
            None,
        ),
        (webhook("LOGIN_REPAIRED"), "healthy", "LOGIN_REPAIRED", None),
        (webhook("USER_PERMISSION_REVOKED"), "revoked", "USER_PERMISSION_REVOKED", None),
        (
            webhook("USER_ACCOUNT_REVOKED", account_id="a"),
            "reauth_required",
            "USER_ACCOUNT_REVOKED",
            None,
        ),
        (webhook("DEFAULT_UPDATE", kind="AUTH"), "changed", "DEFAULT_UPDATE", None),
    ],
)
def test_a_webhook_means(body, kind, code, deadline):
    (notice,) = translate(body)
    assert (notice.kind, notice.external_id) == (kind, "Item1")
    assert (notice.partner_code, notice.deadline_at) == (code, deadline)


@pytest.mark.parametrize(
    "body",
    [
        webhook("NEW_ACCOUNTS_AVAILABLE"),
        webhook("WEBHOOK_UPDATE_ACKNOWLEDGED", new_webhook_url="https://gateway.example/"),
        webhook("SOMETHING_NEW"),
        webhook("DEFAULT_UPDATE", kind="TRANSACTIONS"),
        webhook("ERROR", kind="ASSETS"),
        webhook("SESSION_FINISHED", kind="LINK", item_id=None),
        b'{"webhook_type":"TRANSFER","webhook_code":"TRANSFER_EVENTS_UPDATE"}',
    ],
)
def test_a_webhook_of_no_concern_means_nothing(body):
    assert list(translate(body)) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"<html>",
        b"\xff",
        b"[" * 100_000,
        b'{"webhook_type":7,"webhook_code":"ERROR"}',
        b'{"webhook_type":"ITEM","webhook_code":"LOGIN_REPAIRED","item_id":7}',
        b'{"webhook_type":"ITEM","webhook_code":"LOGIN_REPAIRED","item_id":""}',
    ],
)
def test_a_webhook_that_cannot_be_read(body):
    with pytest.raises(PartnerUnavailable):
        translate(body)
