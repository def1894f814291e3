"""Signatures, checked by others: openssl, and the reference library of Standard Webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import subprocess
import time

import pytest

from tallystick.signature import sign, sign_standard, standard_headers, verify

from .receiver import subscribe
from .requirements import missing

BODY = '{"id":"1","topic":"customer_created","name":"Zoë"}'.encode()
# base64 of 24 bytes, as the documentation of Standard Webhooks shows a secret
WHSEC = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS = (b"sshhhhhh", "gehéim".encode(), b"x" * 128, WHSEC, b"whsec_not base64!", b"whsec_")


def test_a_published_vector():
    """From the tests of the reference libraries."""
    made = sign_standard(
        WHSEC, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_dwollas_signature_as_openssl_has_it():
    openssl = shutil.which("openssl") or missing("openssl")
    for secret in SECRETS:
        said = subprocess.run(
            [openssl, "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{secret.hex()}"],
            input=BODY, capture_output=True, check=True,
        ).stdout.decode()  # fmt: skip
        assert said.strip().rpartition(" ")[2] == sign(secret, BODY)


def test_verify():
    good = sign(b"sshhhhhh", BODY)
    assert verify(b"sshhhhhh", BODY, good)
    for wrong in (good.upper(), good[:-1], good + "0", "", "é", "0" * 64):
        assert not verify(b"sshhhhhh", BODY, wrong)
    assert not verify(b"sshhhhhi", BODY, good)
    assert not verify(b"sshhhhhh", BODY + b" ", good)


def key_of(secret: bytes) -> bytes:
    """By hand, from the specification: what follows `whsec_` is base64."""
    return base64.b64decode(secret[6:]) if secret == WHSEC else secret


@pytest.mark.parametrize("secret", SECRETS)
def test_the_standard_headers_by_hand(secret):
    headers = standard_headers([secret], "msg_1", 1_700_000_000, BODY)
    signed = b"msg_1.1700000000." + BODY
    digest = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


@pytest.mark.parametrize("secret", [each for each in SECRETS if each != WHSEC])
def test_the_reference_library_takes_the_bytes_of_a_secret(secret):
    library = pytest.importorskip("standardwebhooks")
    headers = dict(standard_headers([secret], "msg_1", int(time.time()), BODY))
    assert library.Webhook(secret).verify(BODY, headers)["id"] == "1"
    with pytest.raises(library.WebhookVerificationError):
        library.Webhook(secret).verify(BODY + b" ", headers)


@pytest.mark.parametrize("text", [WHSEC.decode(), "whsec_QUJDREU=", "whsec_QUJDREU"])
def test_the_reference_library_takes_a_secret_of_its_own_form(text):
    library = pytest.importorskip("standardwebhooks")
    headers = dict(standard_headers([text.encode()], "msg_1", int(time.time()), BODY))
    assert library.Webhook(text).verify(BODY, headers)["id"] == "1"


@pytest.mark.anyio
@pytest.mark.parametrize(("old", "new"), [("gehéim", "n3w"), (WHSEC.decode(), "whsec_QUJDREU=")])
async def test_the_reference_library_takes_the_old_and_the_new_secret_during_rotation(
    gateway, receive, old, new
):
    """What is really sent; and when the rotation is over, no longer under the old one."""
    library = pytest.importorskip("standardwebhooks")
    client, receiver = await gateway.application(), await receive()
    subscription = (await subscribe(client, receiver, old)).rpartition("/")[2]
    secrets = f"/_tallystick/webhook-subscriptions/{subscription}/secrets"

    async def taken(overlap_hours):
        """Which of the secrets the library takes for a webhook that is sent now."""
        asked = {"secret": new, "overlapHours": overlap_hours}
        assert (await client.post(secrets, json=asked)).status_code == 200
        await client.customer()
        await gateway.process.drain()
        got = receiver.got[-1]
        return [each for each in (old, new, "another") if verifies(each, got)]

    def verifies(text, got):
        # To the library a text is base64, behind `whsec_` or not, and bytes are what they are.
        secret = text if text.startswith("whsec_") else text.encode()
        try:
            return library.Webhook(secret).verify(got.body, got.headers) == got.event
        except library.WebhookVerificationError:
            return False

    assert await taken(24) == [old, new]
    assert await taken(0) == [new]
