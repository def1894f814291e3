"""One doomed process: it redeems a proof and is killed at a given step of the write path.

A step is everything between which a crash can fall: each statement, each commit, the partner's
call. The process writes down what it was acknowledged, with an fsync, before the next step.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

from tallystick.api.exchanges import grants, redemption, store
from tallystick.core import Core
from tallystick.partners.registry import GuardedPartner
from tallystick.store import audit, idempotency
from tallystick.store.idempotency import Outcome

from .gateway import in_process

KEY = "one-intended-effect"


class Steps:
    """Counts the steps that were passed, and kills the process at the one it was given."""

    def __init__(self, kill_at: int) -> None:
        self.kill_at = kill_at
        self.armed = False
        self.passed: list[str] = []

    def step(self, name: str) -> None:
        if not self.armed:
            return
        if len(self.passed) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed.append(name)


class SteppedTransaction:
    def __init__(self, tx: Any, steps: Steps) -> None:
        self._tx = tx
        self._steps = steps
        self.one, self.all, self.many = tx.one, tx.all, tx.many

    async def run(self, statement: Any, **values: Any) -> int:
        done = await self._tx.run(statement, **values)
        self._steps.step(f"after {statement.sql[:40]}")
        return done


def instrument(core: Core, steps: Steps) -> None:
    transact = core.db.transact

    async def stepped(unit: Any) -> Any:
        steps.step("before a transaction")
        result = await transact(lambda tx: unit(SteppedTransaction(tx, steps)))
        steps.step("after a commit")
        return result

    core.db.transact = stepped
    redeem = GuardedPartner.redeem

    async def redeemed(self: Any, proof: Any) -> Any:
        steps.step("before the partner")
        grant = await redeem(self, proof)
        steps.step("after the partner")
        return grant

    GuardedPartner.redeem = redeemed


# ── bugs that the harness must catch ──────────────────────────────────────────────────────────


def split_the_last_transaction(_steps: Steps) -> None:
    """The intent ends in one commit and the exchange is written in another."""

    async def record(core: Core, intent: Any, grant: Any, claim: Any, empty: bytes) -> Outcome:
        await core.db.transact(lambda tx: store.conclude(tx, intent))
        row = store.ExchangeRow(
            intent.id, intent.app_id, intent.customer_id, intent.partner_key, "active",
            grant.external_id,
            grants.seal_grant(core, intent.app_id, store.TABLE, intent.id, grant),
            None, core.clock.now_ms(), core.clock.now_ms(),
        )  # fmt: skip
        outcome = Outcome(201, f"/exchanges/{row.id}", empty)

        async def add(tx: Any) -> None:
            await store.add(tx, row)
            await audit.note(tx, row.app_id, "exchanges", row.id, "created", row.created_at)
            await idempotency.settle(tx, core.vault, claim, outcome)

        await core.db.transact(add)
        return outcome

    redemption._record = record


def acknowledge_before_the_grant_is_held(_steps: Steps) -> None:
    """The answer leaves while the grant is still in memory. (Leaving before the *last* commit
    loses nothing: the intent holds the grant by then, and recovery makes the exchange.)
    """
    honest_hold, honest_record = redemption._hold, redemption._record

    async def hold(_core: Core, _intent: Any, _grant: Any) -> None:
        return None

    async def record(core: Core, intent: Any, grant: Any, claim: Any, empty: bytes) -> Outcome:
        async def later() -> None:
            await asyncio.sleep(0.2)
            await honest_hold(core, intent, grant)
            await honest_record(core, intent, grant, claim, empty)

        redemption._keep(later())
        return Outcome(201, f"/exchanges/{intent.id}", empty)

    redemption._hold, redemption._record = hold, record


BUGS = {
    "split": split_the_last_transaction,
    "early": acknowledge_before_the_grant_is_held,
}


def run(folder: str, database_url: str, partner: str, kill_at: int, bug: str | None) -> None:
    asyncio.run(_run(Path(folder), database_url, partner, Steps(kill_at), bug))


async def _run(
    folder: Path, database_url: str, partner: str, steps: Steps, bug: str | None
) -> None:
    if bug is not None:
        BUGS[bug](steps)
    async with in_process(folder, database_url) as gateway:
        client = gateway.client()
        await client.sign_in()
        customer = await client.customer(f"{kill_name(steps)}@example.com")
        proof = await (client.plaid_proof if partner == "plaid" else client.mx_proof)(customer)
        write(folder / "prepared.json", {"customer": customer, "proof": proof})
        instrument(gateway.core, steps)
        steps.armed = True
        answer = await client.post(
            f"{customer}/exchanges", json=proof, headers={"Idempotency-Key": KEY}
        )
        write(
            folder / "acknowledged.json",
            {"status": answer.status_code, "location": answer.headers.get("location")},
        )
        steps.step("after the acknowledgement")
        await asyncio.sleep(0.5)
        steps.armed = False
        write(folder / "survived.json", {"steps": steps.passed})


def kill_name(steps: Steps) -> str:
    return f"kill{steps.kill_at}"


def write(path: Path, value: Any) -> None:
    with path.open("w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
