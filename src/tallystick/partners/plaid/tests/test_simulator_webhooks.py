"""What the simulator posts, verified the way Plaid's documentation tells a receiver to."""

import base64
import hashlib
import json
from collections.abc import Iterator

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from tallystick.partners.plaid.tests.simulator_stage import Stage, check_shape, on_stage

HOOK = "http://hook.test/plaid"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with on_stage() as staged:
        staged.clock.freeze()
        yield staged


def unpack(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verify(stage: Stage, body: bytes, token: str) -> dict:
    """ES256 by hand: no JOSE library, the key as the API serves it."""
    head, claims, signature = token.split(".")
    header = json.loads(unpack(head))
    assert (header["alg"], header["typ"]) == ("ES256", "JWT")
    key = stage.call("/webhook_verification_key/get", key_id=header["kid"])["key"]
    x, y = (int.from_bytes(unpack(key[name])) for name in "xy")
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    raw = unpack(signature)
    pair = utils.encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    public.verify(pair, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    told = json.loads(unpack(claims))
    assert told["request_body_sha256"] == hashlib.sha256(body).hexdigest()
    return told


def test_a_webhook_is_signed_over_its_exact_body(stage):
    access, item_id = stage.linked(webhook=HOOK)
    stage.call("/sandbox/item/reset_login", access_token=access)
    ((url, body, headers),) = stage.notices
    assert url == HOOK
    token = headers["Plaid-Verification"]
    assert verify(stage, body, token)["iat"] == stage.clock.now_ms() // 1000
    told = json.loads(body)
    check_shape("ItemErrorWebhook", told)
    assert told["item_id"] == item_id
    assert told["environment"] == "sandbox"
    assert told["error"]["error_code"] == "ITEM_LOGIN_REQUIRED"
    head, claims, signature = token.split(".")
    forged = f"{head}.{claims[:-2]}{'A' if claims[-2] != 'A' else 'B'}{claims[-1]}.{signature}"
    with pytest.raises(InvalidSignature):
        verify(stage, body, forged)


def test_the_key_is_the_same_for_all_webhooks_and_no_other_is_served(stage):
    access, _ = stage.linked(webhook=HOOK)
    for _ in range(2):
        stage.call("/sandbox/item/reset_login", access_token=access)
    kids = {
        json.loads(unpack(headers["Plaid-Verification"].split(".")[0]))["kid"]
        for _url, _body, headers in stage.notices
    }
    assert len(kids) == 1
    stage.refuse(
        "/webhook_verification_key/get", "INVALID_WEBHOOK_VERIFICATION_KEY_ID", key_id="other"
    )


@pytest.mark.parametrize(
    ("code", "schema"),
    [
        ("LOGIN_REPAIRED", "ItemLoginRepairedWebhook"),
        ("PENDING_DISCONNECT", "PendingDisconnectWebhook"),
        ("USER_PERMISSION_REVOKED", "UserPermissionRevokedWebhook"),
        ("USER_ACCOUNT_REVOKED", "UserAccountRevokedWebhook"),
        ("NEW_ACCOUNTS_AVAILABLE", "NewAccountsAvailableWebhook"),
    ],
)
def test_fired_webhooks_have_their_documented_shape(stage, code, schema):
    access, item_id = stage.linked(webhook=HOOK)
    fire = {"access_token": access, "webhook_code": code, "webhook_type": "ITEM"}
    assert stage.call("/sandbox/item/fire_webhook", **fire)["webhook_fired"] is True
    (told,) = stage.told()
    check_shape(schema, told)
    assert (told["webhook_type"], told["webhook_code"]) == ("ITEM", code)
    assert told["item_id"] == item_id
    status = stage.call("/item/get", access_token=access)["status"]
    assert status["last_webhook"]["code_sent"] == code


def test_pending_expiration_comes_by_control(stage):
    access, item_id = stage.linked(webhook=HOOK)
    fire = {"access_token": access, "webhook_code": "PENDING_EXPIRATION"}
    stage.refuse("/sandbox/item/fire_webhook", "INVALID_FIELD", **fire)
    stage.control("notice", item_id=item_id, webhook_code="PENDING_EXPIRATION")
    (told,) = stage.told()
    check_shape("PendingExpirationWebhook", told)


def test_webhooks_of_absent_products_and_of_absent_addresses_are_refused(stage):
    access, _ = stage.linked()
    path = "/sandbox/item/fire_webhook"
    fire = {"access_token": access, "webhook_code": "LOGIN_REPAIRED"}
    assert stage.refuse(path, "SANDBOX_WEBHOOK_INVALID", **fire)["error_type"] == "SANDBOX_ERROR"
    fire["webhook_code"] = "SYNC_UPDATES_AVAILABLE"
    stage.refuse(path, "SANDBOX_PRODUCT_NOT_ENABLED", **fire)
    fire["webhook_code"] = "NO_SUCH_CODE"
    stage.refuse(path, "INVALID_FIELD", **fire)
    assert stage.notices == []


def test_an_address_can_be_set_later_and_taken_away(stage):
    access, _ = stage.linked()
    item = stage.call("/item/webhook/update", access_token=access, webhook=HOOK)["item"]
    assert item["webhook"] == HOOK
    stage.call("/sandbox/item/reset_login", access_token=access)
    assert len(stage.notices) == 1
    item = stage.call("/item/webhook/update", access_token=access, webhook=None)["item"]
    assert item["webhook"] is None
    stage.call("/sandbox/item/reset_login", access_token=access)
    assert len(stage.notices) == 1


def test_session_finished_is_sent_for_hosted_sessions_alone(stage):
    stage.linked(webhook=HOOK)
    assert stage.notices == []
    token = stage.link_token(webhook=HOOK, hosted_link={})
    stage.control("complete", 400, handle=token, password="wrong")
    public = stage.control("complete", handle=token)["publicToken"]
    exited, done = stage.told()
    check_shape("LinkSessionFinishedWebhook", exited)
    check_shape("LinkSessionFinishedWebhook", done)
    assert (exited["status"], exited["public_tokens"]) == ("EXITED", [])
    assert (done["status"], done["public_tokens"]) == ("SUCCESS", [public])
    assert done["link_token"] == token
