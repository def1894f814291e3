"""Webhooks signed as Plaid signs them, and as it does not."""

import hashlib
import json
from base64 import urlsafe_b64encode

import httpx2
from joserfc import jws
from joserfc.jwk import ECKey

from tallystick.partners.plaid.tests.plaid_stage import (
    Stage,
    answer_of,
    refusal,
)

KEYS = "/webhook_verification_key/get"
KID = "0b7e4d92-51af-4c38-8e6d-2f9a1c3b7d50"
PLAID_KEY = ECKey.generate_key("P-256")
OTHER_KEY = ECKey.generate_key("P-256")
BODY = (
    b'{"webhook_type":"ITEM","webhook_code":"LOGIN_REPAIRED","item_id":"i","environment":"sandbox"}'
)


def key_answer(key=PLAID_KEY, **changes):
    body = answer_of("webhook-verification-key-get")
    public = key.as_dict(private=False)
    body["key"] |= {"x": public["x"], "y": public["y"], "kid": KID} | changes
    return body


def with_key():
    """A Plaid that knows one key, and no other kid."""
    made = Stage()

    def reply(request):
        asked = json.loads(request.content)["key_id"]
        if asked == KID:
            return httpx2.Response(200, json=key_answer())
        unknown = refusal("INVALID_WEBHOOK_VERIFICATION_KEY_ID", "INVALID_INPUT", "no such key")
        return httpx2.Response(400, json=unknown)

    made.replies[KEYS] = reply
    return made


def b64(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(stage, body=BODY, **changes):
    made = {
        "iat": stage.clock.now_ms() // 1000,
        "request_body_sha256": hashlib.sha256(body).hexdigest(),
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def sign(payload, header=None, key=PLAID_KEY, alg="ES256"):
    """A token signed with `key`, whatever the header says; the library itself would refuse some."""
    head = b64({"alg": "ES256", "kid": KID, "typ": "JWT"} if header is None else header)
    given = f"{head}.{b64(payload)}"
    method = jws.JWSRegistry.algorithms[alg]
    return f"{given}.{b64(method.sign(given.encode(), key))}"


def header(**changes):
    made = {"alg": "ES256", "kid": KID, "typ": "JWT"} | changes
    return {name: value for name, value in made.items() if value is not None}


async def verify(stage, token, body=BODY):
    return await stage.connector.verify({"plaid-verification": token}, body)
