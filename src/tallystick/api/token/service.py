"""Issuing access tokens and telling who presents one.

Opaque and random, because revocation must be immediate and one look-up by hash is what loading the
application costs anyway (security-reliability 5.1). A new token does not end the earlier ones.
"""

from __future__ import annotations

import time

import msgspec

from tallystick.api.applications import service as applications
from tallystick.api.token import store
from tallystick.clock import DAY_MS, SECOND_MS
from tallystick.core import Bearer, Core, Principal
from tallystick.errors import (
    ExpiredAccessToken,
    InvalidAccessToken,
    InvalidAccountStatus,
    InvalidApplicationStatus,
    InvalidCredentials,
)
from tallystick.ids import base62
from tallystick.secret import Secret
from tallystick.store.db import Transaction

LIFETIME_S = 3_600
TOKEN_CHARS = 50
TOKEN_CHARS_MAX = 200
# An expired token is told from an unknown one for this long.
REMEMBERED_MS = 30 * DAY_MS


async def issue(core: Core, client_id: str, client_secret: str) -> Secret[str] | None:
    """A new access token, or None when the credentials are wrong."""
    row = await applications.authenticate(core, client_id, client_secret)
    if row is None:
        return None
    token = base62(core.entropy, TOKEN_CHARS)
    token_hash = core.vault.hash(token.encode())
    now_ms = core.clock.now_ms()

    async def add(tx: Transaction) -> None:
        await store.purge(tx, now_ms - REMEMBERED_MS)
        await store.add(tx, token_hash, row.id, now_ms + LIFETIME_S * SECOND_MS, now_ms)

    await core.db.transact(add)
    return Secret(token)


async def authenticate(core: Core, authorization: str | None) -> Principal:
    """Who presents this Authorization header. Raises the 401s of contract 1.3."""
    row = core.bearers.get(authorization) or await _find(core, authorization or "")
    if core.clock.now_ms() >= row.expires_at:
        raise ExpiredAccessToken
    if row.status != applications.ACTIVE:
        raise InvalidApplicationStatus
    if row.account_status != applications.ACTIVE:
        raise InvalidAccountStatus
    return row.principal


async def _find(core: Core, authorization: str) -> Bearer:
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise InvalidCredentials
    if len(token) > TOKEN_CHARS_MAX or not token.isascii():
        raise InvalidAccessToken
    asked_at = time.monotonic()
    row = await store.find(core.db, core.vault.hash(token.encode()))
    if row is None:
        raise InvalidAccessToken
    await core.vault.ready(core.db, row.app_id)
    principal = Principal(
        app_id=row.app_id,
        account_id=row.account_id,
        account_name=row.account_name,
        created_at=row.created_at,
        withheld=frozenset(_texts.decode(row.withheld)),
        redirect_urls=_texts.decode(row.redirect_urls),
    )
    bearer = Bearer(principal, row.expires_at, row.status, row.account_status)
    core.bearers.put(authorization, bearer, asked_at)
    return bearer


_texts = msgspec.json.Decoder(list[str])
