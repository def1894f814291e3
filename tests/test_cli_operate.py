"""`tallystick orphans` and `tallystick exchange`: what an operator sees and does on the store."""

from __future__ import annotations

import pytest

from tallystick.api.exchanges import service
from tallystick.clock import SECOND_MS
from tallystick.partners.errors import PartnerUnavailable
from tallystick.partners.registry import GuardedPartner

from .commands import answer, run
from .gateway import in_process

pytestmark = pytest.mark.anyio


async def test_orphans_and_sick_exchanges(tmp_path, database_url, monkeypatch):
    redeem = GuardedPartner.redeem

    async def lost(self, wanted):
        await redeem(self, wanted)
        raise PartnerUnavailable("TIMED_OUT")

    async with in_process(tmp_path, database_url) as gateway:
        client = await gateway.application()
        customer = await client.customer()
        await client.exchange(customer)  # a healthy one
        sick = await client.exchange(customer)
        sick_id = sick.rpartition("/")[2]
        await client.post(f"/_tallystick/control/exchanges/{sick_id}/require-reauth", json={})
        proof = await client.plaid_proof(customer)
        monkeypatch.setattr(GuardedPartner, "redeem", lost)
        assert (await client.post(f"{customer}/exchanges", json=proof)).status_code == 500
        monkeypatch.undo()
        gateway.clock.advance(service.LEASE_MS + SECOND_MS)
        await service.resume(gateway.core)

    where = {"TALLYSTICK_DATA_DIR": str(tmp_path), "TALLYSTICK_DATABASE_URL": database_url}

    (orphan,) = answer("orphans", **where)
    assert (orphan["partner"], orphan["why"]) == ("plaid", "INVALID_PUBLIC_TOKEN")
    assert orphan["customer"] == customer.rpartition("/")[2]
    resolved = answer("orphans", "resolve", orphan["exchange"], **where)
    assert resolved == {"resolved": orphan["exchange"]}
    assert answer("orphans", "list", **where) == []
    (found,) = answer("exchange", "list", "--sick", **where)
    assert (found["id"], found["cause"], found["status"]) == (sick_id, "person", "active")


@pytest.mark.parametrize("command", [("worker",), ("app", "list"), ("audit",), ("migrate",)])
def test_a_database_that_is_away_is_told_in_a_line(tmp_path, command):
    away = "postgresql://nobody@127.0.0.1:1/none"
    where = {"TALLYSTICK_DATA_DIR": str(tmp_path), "TALLYSTICK_DATABASE_URL": away}
    ended = run(*command, **where)
    assert ended.returncode == 1
    said = ended.stderr.splitlines()[-1]
    assert said == "tallystick: the database does not answer (ConnectionRefusedError)"
    assert "Traceback" not in ended.stderr
