"""Access tokens that nobody issued, on every operation: 401, and nothing happens (T8, T12, T16)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from tallystick.api import routes
from tallystick.api.token import service as tokens
from tallystick.clock import HOUR_MS

from .isolation import bodies_of, caller
from .witness import query, snapshot

pytestmark = pytest.mark.anyio


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwt(alg: str, key: bytes, app_id: str) -> str:
    head = b64(json.dumps({"alg": alg, "typ": "JWT"}).encode())
    claims = b64(json.dumps({"sub": app_id, "client_id": app_id, "exp": 1 << 40}).encode())
    signature = hmac.digest(key, f"{head}.{claims}".encode(), "sha256") if key else b""
    return f"{head}.{claims}.{b64(signature)}"


async def forged(gateway, mine, other) -> dict[str, str]:
    """By kind. A thief of the database knows the hashes; a neighbour knows his own token."""
    token = mine.headers["Authorization"].removeprefix("Bearer ")
    theirs = other.headers["Authorization"].removeprefix("Bearer ")
    ((stored,), *_) = await query(gateway, "SELECT token_hash FROM access_token LIMIT 1")
    made = mine.made
    return {
        "cut": token[:-1],
        "longer": token + "A",
        "doubled": token + token,
        "in the other case": token.swapcase(),
        "reversed": token[::-1],
        "half another's": token[:25] + theirs[25:],
        "with a dot": token[:-1] + ".",
        "the stored hash": bytes(stored).hex(),
        "the stored hash in base64": base64.b64encode(bytes(stored)).decode(),
        "a hash of it": hashlib.sha256(token.encode()).hexdigest(),
        "encoded": b64(token.encode()),
        "with a blank": f"{token} x",
        "a JWT that is not signed": jwt("none", b"", made["id"]),
        "a JWT of the client's secret": jwt("HS256", made["client_secret"].encode(), made["id"]),
        "the client's secret": made["client_secret"],
        "the client's id": made["client_id"],
        "the application's id": made["id"],
        "the account's id": made["account_id"],
    }


async def refusals(me, bodies: dict, wrong: dict[str, str], code: str) -> list[str]:
    """Every operation with every wrong token; what was not refused as `code`, all in one voice."""
    found, voices = [], set()
    for route in routes():
        named = me.ids.get(route.path.split("/")[1], "")
        for kind, token in wrong.items():
            answer = await me.client.request(
                route.method,
                route.path.replace("{id}", named),
                json=bodies.get(route.operation),
                headers={"Authorization": f"Bearer {token}".encode()},
            )
            voices.add(answer.content)
            if answer.status_code != 401 or answer.json()["code"] != code:
                found.append(f"{route.operation} with {kind}: {answer.status_code}")
    assert len(voices) == 1 or found, voices
    return found


async def test_nobody_gets_in_with_a_forged_token(gateway):
    me, other = await caller(gateway), await gateway.application()
    wrong = await forged(gateway, me.client, other)
    bodies = await bodies_of(me)
    before = await snapshot(gateway)
    assert await refusals(me, bodies, wrong, "InvalidAccessToken") == []
    assert await snapshot(gateway) == before


async def test_an_expired_token_opens_nothing(gateway):
    me = await caller(gateway)
    bodies = await bodies_of(me)
    old = me.client.headers["Authorization"].removeprefix("Bearer ")
    gateway.clock.advance(HOUR_MS)
    await me.client.sign_in(me.client.made["client_id"], me.client.made["client_secret"])
    assert await refusals(me, bodies, {"an old token": old}, "ExpiredAccessToken") == []


async def test_the_check_sees_a_lookup_that_is_too_kind(gateway, monkeypatch):
    """The control: a token is as good in either case."""
    me, other = await caller(gateway), await gateway.application()
    wrong = await forged(gateway, me.client, other)
    real = tokens.authenticate

    async def kind(core, header):
        right = me.client.headers["Authorization"]
        return await real(core, right if (header or "").lower() == right.lower() else header)

    monkeypatch.setattr("tallystick.server.app.tokens.authenticate", kind)
    found = await refusals(me, await bodies_of(me), wrong, "InvalidAccessToken")
    assert {each.rpartition(" with ")[2].partition(":")[0] for each in found} == {
        "in the other case"
    }
