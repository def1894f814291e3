"""Webhooks that are not Plaid's (threat T12): all refused, most without asking Plaid anything."""

import asyncio
import hashlib
import hmac
import json
import uuid

import pytest
from hypothesis import given, settings, strategies as st
from joserfc.jwk import ECKey, RSAKey

from tallystick.partners.plaid.tests.plaid_signing import (
    BODY,
    KEYS,
    KID,
    OTHER_KEY,
    PLAID_KEY,
    b64,
    claims,
    header,
    sign,
    verify,
    with_key,
)
from tallystick.partners.plaid.tests.plaid_stage import (
    Stage,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def stage():
    return with_key()


PEM = PLAID_KEY.as_pem(private=False)
FOREIGN = {"jwk": OTHER_KEY.as_dict(private=False)}
WIDE_KEY = ECKey.generate_key("P-384")
RSA_KEY = RSAKey.generate_key(2048)


def hs256(stage, secret, claimed="HS256"):
    """By hand: the library will not even load a public key as an HMAC secret."""
    given = f"{b64(header(alg=claimed))}.{b64(claims(stage))}"
    return f"{given}.{b64(hmac.digest(secret, given.encode(), 'sha256'))}"


def tampered(stage, index, text):
    parts = sign(claims(stage)).split(".")
    parts[index] = text(parts[index])
    return ".".join(parts)


# Each is refused; those marked True only after asking for the key once, the rest without a call.
FORGERIES = {
    "empty": (lambda s: "", False),
    "one dot": (lambda s: ".", False),
    "two dots": (lambda s: "..", False),
    "not a token": (lambda s: "Bearer x", False),
    "header only": (lambda s: b64(header()), False),
    "alg none, no signature": (lambda s: f"{b64(header(alg='none'))}.{b64(claims(s))}.", False),
    "alg none, kept signature": (lambda s: sign(claims(s), header(alg="none")), False),
    "alg None in capitals": (lambda s: sign(claims(s), header(alg="NONE")), False),
    "alg missing": (lambda s: sign(claims(s), header(alg=None)), False),
    "alg a list": (lambda s: sign(claims(s), header(alg=["ES256"])), False),
    "HS256 with the public PEM": (lambda s: hs256(s, PEM), False),
    "HS256 with the x coordinate": (
        lambda s: hs256(s, PLAID_KEY.as_dict(private=False)["x"].encode()),
        False,
    ),
    "HMAC signed, ES256 claimed": (lambda s: hs256(s, PEM, "ES256"), True),
    "RS256": (lambda s: sign(claims(s), header(alg="RS256"), RSA_KEY, "RS256"), False),
    "ES384 on its curve": (
        lambda s: sign(claims(s), header(alg="ES384"), WIDE_KEY, "ES384"),
        False,
    ),
    "ES384 signed, ES256 claimed": (lambda s: sign(claims(s), None, WIDE_KEY, "ES384"), True),
    "another key": (lambda s: sign(claims(s), None, OTHER_KEY), True),
    "jwk": (lambda s: sign(claims(s), header(**FOREIGN), OTHER_KEY), False),
    "jwk, Plaid's signature": (lambda s: sign(claims(s), header(**FOREIGN)), False),
    "jku": (lambda s: sign(claims(s), header(jku="https://evil.test/keys"), OTHER_KEY), False),
    "x5u": (lambda s: sign(claims(s), header(x5u="https://evil.test/cert"), OTHER_KEY), False),
    "x5c": (lambda s: sign(claims(s), header(x5c=["MIIB"]), OTHER_KEY), False),
    "crit": (lambda s: sign(claims(s), header(crit=["exp"])), False),
    "crit b64": (lambda s: sign(claims(s), header(crit=["b64"], b64=False)), False),
    "b64": (lambda s: sign(claims(s), header(b64=False)), False),
    "kid missing": (lambda s: sign(claims(s), header(kid=None)), False),
    "kid a path": (lambda s: sign(claims(s), header(kid="../../etc/passwd")), False),
    "kid a url": (lambda s: sign(claims(s), header(kid=f"https://evil.test/{KID}")), False),
    "kid with a line end": (lambda s: sign(claims(s), header(kid=KID + "\n")), False),
    "kid a number": (lambda s: sign(claims(s), header(kid=7)), False),
    "kid a list": (lambda s: sign(claims(s), header(kid=[KID])), False),
    "kid unknown": (lambda s: sign(claims(s), header(kid=str(uuid.UUID(int=9)))), True),
    "kid in capitals": (lambda s: sign(claims(s), header(kid=KID.upper())), True),
    "too old": (lambda s: sign(claims(s, iat=s.clock.now_ms() // 1000 - 301)), False),
    "too new": (lambda s: sign(claims(s, iat=s.clock.now_ms() // 1000 + 302)), False),
    "iat missing": (lambda s: sign(claims(s, iat=None)), False),
    "iat in milliseconds": (lambda s: sign(claims(s, iat=s.clock.now_ms())), False),
    "iat a text": (lambda s: sign(claims(s, iat=str(s.clock.now_ms() // 1000))), False),
    "iat true": (lambda s: sign(claims(s, iat=True)), False),
    "iat endless": (lambda s: sign(claims(s, iat=10**400)), False),
    "another body": (lambda s: sign(claims(s, b"{}")), False),
    "no body hash": (lambda s: sign(claims(s, request_body_sha256=None)), False),
    "body hash null": (
        lambda s: sign(b'{"iat":1,"request_body_sha256":null}'),
        False,
    ),
    "body hash in capitals": (
        lambda s: sign(claims(s, request_body_sha256=hashlib.sha256(BODY).hexdigest().upper())),
        False,
    ),
    "body hash cut": (
        lambda s: sign(claims(s, request_body_sha256=hashlib.sha256(BODY).hexdigest()[:-1])),
        False,
    ),
    "body hash not ascii": (lambda s: sign(claims(s, request_body_sha256="ä" * 64)), False),
    "claims a list": (lambda s: sign([claims(s)]), False),
    "claims no json": (lambda s: sign(b"{"), False),
    "claims very deep": (lambda s: sign(b"[" * 2500), False),
    "header a list": (lambda s: sign(claims(s), ["alg", "ES256"]), False),
    "header no json": (lambda s: sign(claims(s), b"{"), False),
    "header too long": (lambda s: sign(claims(s), header(pad="x" * 5000)), False),
    "changed claims": (
        lambda s: tampered(s, 1, lambda _: b64(claims(s) | {"x": 1})),
        True,
    ),
    "changed signature": (lambda s: tampered(s, 2, lambda part: part[::-1]), True),
    "zero signature": (lambda s: tampered(s, 2, lambda _: b64(bytes(64))), True),
    "signature of one byte": (lambda s: tampered(s, 2, lambda _: b64(b"\0")), True),
    "no signature": (lambda s: tampered(s, 2, lambda _: ""), False),
    "detached claims": (lambda s: tampered(s, 1, lambda _: ""), False),
    "an extra dot": (lambda s: sign(claims(s)) + ".", False),
    "an extra part": (lambda s: sign(claims(s)) + ".AAAA", False),
    "five parts": (lambda s: sign(claims(s)) + ".AAAA.AAAA", False),
    "padding": (lambda s: sign(claims(s)) + "=", False),
    "a line end": (lambda s: sign(claims(s)) + "\n", False),
    "spaces": (lambda s: " " + sign(claims(s)), False),
    "standard base64": (lambda s: tampered(s, 0, lambda part: part + "+/"), False),
    "not ascii": (lambda s: sign(claims(s)) + "٠", False),
    "a json serialization": (
        lambda s: json.dumps({"payload": b64(claims(s)), "signatures": []}),
        False,
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forgery_is_refused(stage, name):
    forge, asks = FORGERIES[name]
    assert await verify(stage, forge(stage)) is False
    assert stage.paths == ([KEYS] if asks else [])
    assert {request.url.host for request in stage.requests} <= {"plaid.test"}
    # The forgery above is refused for its own fault, not because nothing is ever believed.
    stage.clock.advance(1000)
    assert await verify(stage, sign(claims(stage))) is True


async def test_a_genuine_token_does_not_cover_another_body(stage):
    token = sign(claims(stage))
    for body in (BODY + b" ", BODY[:-1], b"", BODY.replace(b"REPAIRED", b"REQUIRED")):
        assert await verify(stage, token, body) is False
    assert stage.requests == []


async def test_the_header_may_be_missing(stage):
    assert await stage.connector.verify({}, BODY) is False
    assert await stage.connector.verify({"authorization": sign(claims(stage))}, BODY) is False


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=200) | st.from_regex(r"\A[A-Za-z0-9_-]{0,60}(\.[A-Za-z0-9_-]{0,60}){0,4}\Z")
)
def test_no_text_is_believed_or_breaks_anything(text):
    made = Stage()
    assert asyncio.run(verify(made, text)) is False
    assert made.requests == []
