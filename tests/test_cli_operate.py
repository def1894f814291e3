"""`tallystick orphans` and `tallystick exchange`: what an operator sees and does on the store."""

from __future__ import annotations

import pytest

from tallystick.api.exchanges import redemption
from tallystick.clock import SECOND_MS
from tallystick.partners.errors import PartnerUnavailable
from tallystick.partners.registry import GuardedPartner
from tallystick.server import config

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
        gateway.clock.advance(redemption.LEASE_MS + SECOND_MS)
        await redemption.resume(gateway.core)

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


@pytest.mark.parametrize(
    "setting",
    [
        {"PORT": "65536"},
        {"PORT": "-1"},
        {"PUBLIC_URL": "http://[::1"},
        {"DATABASE_URL": "mysql://nobody:hunter2@127.0.0.1/none"},
        {"DATABASE_URL": "postgresql://nobody:hunter2/3@127.0.0.1/none"},  # %2F was meant
        {"DATABASE_URL": "postgresql://nobody:hunter2@127.0.0.1:65536/none"},
        {"DATABASE_URL": "postgresql://nobody:hunter2@127.0.0.1,127.0.0.1:x/none"},
        {"DATABASE_URL": "postgresql://nobody:hunter2@[::1/none"},
        {"DATA_DIR": "/dev/null/none"},
    ],
)
@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_setting_that_cannot_be_is_told_without_a_password(tmp_path, setting, command):
    given = {"DATA_DIR": str(tmp_path), **setting}
    ended = run(command, **{f"TALLYSTICK_{name}": value for name, value in given.items()})
    assert ended.returncode in {2, 3}
    (name, value), *_ = setting.items()
    assert name.lower() in ended.stderr or value in ended.stderr
    assert "hunter2" not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "url",
    [
        "postgres:///none",
        "postgresql://[::1]:5432,127.0.0.1:5433/none?sslmode=require",
        "postgresql://nobody:hunter%2F2@127.0.0.1/none",
        "sqlite:///relative.db",
    ],
)
def test_other_addresses_of_databases_are_taken(url):
    assert config.load({"database_url": url}, environ={}).store_url == url
