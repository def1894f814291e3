"""Tokens at rest, and how soon a change is seen. The wire is in tests/test_http.py."""

from __future__ import annotations

import time

import pytest

from tallystick.api.token import service
from tallystick.clock import DAY_MS, HOUR_MS
from tallystick.core import Bearers
from tallystick.store.db import Statement

pytestmark = pytest.mark.anyio


async def test_tokens_and_secrets_are_kept_as_hashes_only(gateway):
    client = await gateway.application()
    token = client.headers["Authorization"].removeprefix("Bearer ")
    for table in ("access_token", "application"):
        rows = [
            tuple(row) for row in await gateway.core.db.all(Statement(f"SELECT * FROM {table}"))
        ]
        assert token not in str(rows)
        assert client.made["client_secret"] not in str(rows)


async def test_tokens_are_told_from_unknown_ones_for_thirty_days(gateway):
    client = await gateway.application()
    gateway.clock.advance(2 * HOUR_MS)
    assert (await client.get("/")).json()["code"] == "ExpiredAccessToken"
    gateway.clock.advance(31 * DAY_MS)
    await service.issue(gateway.core, client.made["client_id"], client.made["client_secret"])
    gateway.core.bearers.clear()
    assert (await client.get("/")).json()["code"] == "InvalidAccessToken"


async def test_a_look_up_is_remembered_for_a_second_at_most(gateway, monkeypatch):
    client = await gateway.application()
    assert (await client.get("/")).status_code == 200
    deletion = Statement("DELETE FROM access_token")
    await gateway.core.db.transact(lambda tx: tx.run(deletion))
    later = time.monotonic() + Bearers.LIFETIME_S
    monkeypatch.setattr("tallystick.core.time.monotonic", lambda: later)
    assert (await client.get("/")).json()["code"] == "InvalidAccessToken"


async def test_a_second_is_counted_from_when_the_store_was_asked(gateway, monkeypatch):
    """Its answer may come late, and the application may be disabled meanwhile."""
    client = await gateway.application()
    gateway.core.bearers.clear()
    find, waited = service.store.find, [0.0]

    async def late(*arguments):
        found = await find(*arguments)
        waited[0] += Bearers.LIFETIME_S
        return found

    monkeypatch.setattr(service.store, "find", late)
    started = time.monotonic()
    monkeypatch.setattr("tallystick.core.time.monotonic", lambda: started + waited[0])
    assert (await client.get("/")).status_code == 200
    deletion = Statement("DELETE FROM access_token")
    await gateway.core.db.transact(lambda tx: tx.run(deletion))
    assert (await client.get("/")).json()["code"] == "InvalidAccessToken"


def test_what_is_remembered_is_bounded():
    bearers = Bearers()
    for number in range(Bearers.HEADERS_MAX + 5):
        bearers.put(str(number), None, time.monotonic())
    assert len(bearers._known) <= Bearers.HEADERS_MAX


async def test_a_token_behind_many_blanks_is_known_and_not_kept(gateway):
    client = await gateway.application()
    token = client.headers["Authorization"].removeprefix("Bearer ")
    for blanks in (1, 10_000):
        padded = f"Bearer{' ' * blanks}{token}"
        assert (await client.get("/", headers={"Authorization": padded})).status_code == 200
        assert (gateway.core.bearers.get(padded) is None) == (blanks > 1)
