"""`kill -9` between any two steps of redeeming a proof: nothing acknowledged is lost, nothing is
half made, and a grant that the partner gave is either an exchange's or in the orphan ledger.

The sweep runs until a process survives, so it cannot miss a step that is added later. It proves
itself on two seeded bugs first.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from tallystick.api.exchanges import redemption, store
from tallystick.clock import SECOND_MS
from tallystick.store.db import Statement

from . import crash_child, databases
from .gateway import InProcess, in_process

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(600)]

STEPS_MAX = 60
_INTENTS = Statement("SELECT state FROM exchange_intent")

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.crash_child", "tallystick.cli.sandbox"])


def killed_at(folder: Path, url: str, partner: str, kill_at: int, bug: str | None) -> bool:
    """Run one doomed process; False when it passed every step."""
    child = _context.Process(target=crash_child.run, args=(str(folder), url, partner, kill_at, bug))
    child.start()
    child.join(60)
    assert child.exitcode in (0, -9), child.exitcode
    return child.exitcode == -9


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


async def complaints(folder: Path, url: str, partner: str) -> list[str]:
    """What is wrong after recovery; nothing, if all is well."""
    prepared, acknowledged = read(folder / "prepared.json"), read(folder / "acknowledged.json")
    async with in_process(folder, url) as gateway:
        gateway.clock.advance(redemption.LEASE_MS + SECOND_MS)
        for _ in range(5):
            await redemption.resume(gateway.core)
        return await check(gateway, prepared, acknowledged, partner)


async def check(
    gateway: InProcess, prepared: dict[str, Any], acknowledged: dict[str, Any], partner: str
) -> list[str]:
    wrong = []
    client = gateway.client()
    await client.sign_in()
    customer = prepared["customer"]
    listed = (await client.get(f"{customer}/exchanges")).json()["_embedded"]["exchanges"]
    hrefs = [each["_links"]["self"]["href"] for each in listed]
    states = [row[0] for row in await gateway.core.db.all(_INTENTS)]
    orphans = await store.list_orphans(gateway.core.db)
    if len(hrefs) > 1:
        wrong.append("one proof made two exchanges")
    if acknowledged.get("status") == 201 and hrefs != [acknowledged["location"]]:
        wrong.append("an acknowledged exchange is lost")
    if set(states) & {"calling", "granted"}:
        wrong.append(f"an intent is still open: {states}")
    if states.count("recorded") != len(hrefs):
        wrong.append(f"{states} does not match {len(hrefs)} exchanges")
    used = await redeemed(gateway, prepared["proof"]) if partner == "plaid" else bool(hrefs)
    if used != (len(hrefs) + len(orphans) == 1):
        wrong.append(f"the partner gave a grant: {used}; exchanges {hrefs}, orphans {len(orphans)}")
    again = await client.post(
        f"{customer}/exchanges",
        json=prepared["proof"],
        headers={"Idempotency-Key": crash_child.KEY},
    )
    if hrefs and (again.status_code, again.headers.get("location")) != (201, hrefs[0]):
        wrong.append(f"a repetition was answered {again.status_code}")
    with contextlib.suppress(IndexError):
        await client.funding_source(customer, hrefs[0])
    return wrong


async def redeemed(gateway: InProcess, proof: dict[str, Any]) -> bool:
    """Ask Plaid's simulator itself whether the public token has been exchanged."""
    answer = await gateway.client().post(
        "/_partners/plaid/item/public_token/exchange",
        json={
            "client_id": "sandbox",
            "secret": "sandbox",
            "public_token": proof["plaid"]["publicToken"],
        },
    )
    return answer.status_code != 200


async def sweep(
    tmp_path: Path, url_for: Any, partner: str, bug: str | None
) -> dict[int, list[str]]:
    """Kill at step 0, 1, 2 … until a process survives; what was wrong after each."""
    found = {}
    for kill_at in range(STEPS_MAX):
        folder = tmp_path / f"{bug}-{kill_at}"
        folder.mkdir()
        with url_for(folder) as url:
            killed = killed_at(folder, url, partner, kill_at, bug)
            if wrong := await complaints(folder, url, partner):
                found[kill_at] = wrong
        if not killed:
            assert read(folder / "survived.json")["steps"]
            print(f"{partner}: {kill_at} kill points, {len(found)} with something wrong")
            return found
    raise AssertionError("the write path has more steps than the sweep allows")


@contextlib.contextmanager
def sqlite(folder: Path):
    yield databases.sqlite(folder)


@contextlib.contextmanager
def on_postgres(_folder: Path):
    with databases.postgres() as url:
        yield url


@pytest.mark.parametrize("partner", ["plaid", "mx"])
@pytest.mark.parametrize("url_for", [sqlite, on_postgres], ids=["sqlite", "postgres"])
async def test_no_crash_loses_or_halves_an_exchange(tmp_path, url_for, partner):
    if url_for is on_postgres and partner == "mx" and not os.environ.get("TALLYSTICK_TESTS_LONG"):
        pytest.skip("the long form (make sweep) has this one; plaid covers the engine here")
    assert await sweep(tmp_path, url_for, partner, None) == {}


@pytest.mark.parametrize("bug", ["split", "early"])
async def test_the_sweep_catches_a_seeded_bug(tmp_path, bug):
    assert await sweep(tmp_path, sqlite, "plaid", bug)
