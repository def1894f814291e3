"""Keys are rotated under a serving gateway, and a stolen database tells nothing (4.3, 4.4, T34, T35)."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from tallystick.api.reseal import SEALED, reseal_all
from tallystick.errors import ConfigurationError
from tallystick.server import operate
from tallystick.server.process import opened
from tallystick.store.db import Statement

from .gateway import in_process

pytestmark = pytest.mark.anyio


async def linked(client):
    """Everything that is sealed: session, exchange, funding source, kept answer. Its addresses."""
    customer = await client.customer()
    session = await client.session(customer, "Plaid")
    proof = await client.plaid_proof(customer)
    key = {"headers": {"Idempotency-Key": "k"}}
    exchange = await client.create(f"{customer}/exchanges", proof, **key)
    source = await client.funding_source(customer, exchange)
    return customer, session, proof, key, exchange, source


async def test_rotation_while_serving_loses_nothing(gateway):
    client = await gateway.application()
    customer, session, proof, key, exchange, source = await linked(client)
    before = (await client.get(session)).json()

    async def one_more():
        other = await client.customer()
        await client.funding_source(other, await client.exchange(other))

    going = asyncio.gather(*(one_more() for _ in range(5)))
    done = await operate.rotate_keys(gateway.core)
    await going
    # What was sealed a moment before the new key, and written a moment after its table was walked.
    await reseal_all(gateway.core)
    cells = {(each["table"], each["column"]): each["cells"] for each in done}
    assert cells["exchange", "grant"] >= 1
    assert cells["idempotency", "reply"] >= 1
    for column in SEALED:
        rows = await gateway.core.db.all(
            Statement(
                f"SELECT {column.column}_sealed FROM {column.table} WHERE {column.column}_sealed IS NOT NULL"
            )
        )
        assert all(gateway.core.vault.is_current(bytes(row[0])) for row in rows), column
    assert (await client.get(session)).json() == before
    assert await client.create(f"{customer}/exchanges", proof, **key) == exchange
    assert (await client.get(f"{source}/balance")).status_code == 200
    assert await operate.rotate_keys(gateway.core)


async def test_an_application_that_is_made_meanwhile_does_not_end_the_rotation(gateway):
    """By the process that serves, after the one that rotates has asked which there are."""
    client = await gateway.application()
    _, session, *_ = await linked(client)
    async with opened(gateway.settings, clock=gateway.clock) as rotating:
        await rotating.vault.rotate(rotating.db, client.made["id"])
        await linked(await gateway.application())
        done = await reseal_all(rotating)
    assert {each["table"] for each in done if each["cells"]} >= {"exchange", "funding_source"}
    await gateway.core.vault.learn(gateway.core.db)
    assert (await client.get(session)).status_code == 200


async def test_a_damaged_cell_is_named_and_does_not_end_the_rotation(gateway):
    client = await gateway.application()
    customer = await client.customer()
    sessions = [await client.session(customer, "Plaid") for _ in range(3)]
    damaged = sessions[0].rpartition("/")[2]
    damage = Statement("UPDATE exchange_session SET provider_session_sealed = :box WHERE id = :id")
    await gateway.core.db.transact(lambda tx: tx.run(damage, box=b"\x01" + b"?" * 90, id=damaged))
    done = await operate.rotate_keys(gateway.core)
    of_sessions = next(each for each in done if each["table"] == "exchange_session")
    assert (of_sessions["cells"], of_sessions["damaged"]) == (2, [damaged])
    assert all(not each["damaged"] for each in done if each is not of_sessions)
    box = Statement("SELECT provider_session_sealed FROM exchange_session WHERE id = :id")
    kept = await gateway.core.db.one(box, id=damaged)
    assert bytes(kept[0]) == b"\x01" + b"?" * 90
    assert [(await client.get(each)).status_code for each in sessions] == [500, 200, 200]


async def test_every_sealed_column_is_known_to_the_rotation(tmp_path):
    url = f"sqlite:///{tmp_path}/t.db"
    async with in_process(tmp_path, url):
        pass
    db = sqlite3.connect(f"{tmp_path}/t.db")
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {
        (t, row[1])
        for t in tables
        for row in db.execute(f"PRAGMA table_info({t})")
        if row[1].endswith("_sealed")
    }
    db.close()
    assert columns == {(each.table, f"{each.column}_sealed") for each in SEALED}


async def test_a_stolen_database_tells_nothing(tmp_path):
    """Search the files for what must not be readable; the positive control is the e-mail address."""
    url = f"sqlite:///{tmp_path}/t.db"
    async with in_process(tmp_path, url) as gateway:
        client = await gateway.application()
        customer, session, proof, _, _, _ = await linked(client)
        shown = (await client.get(session)).json()
        numbers = {
            "routingNumber": "222222226",
            "accountNumber": "90817263544",
            "bankAccountType": "checking",
            "name": "M",
        }
        await client.create(f"{customer}/funding-sources", numbers)
        canaries = [
            client.headers["Authorization"].removeprefix("Bearer "),
            client.made["client_secret"],
            shown["externalProviderSessionToken"],
            proof["plaid"]["publicToken"],
            "90817263544",
            "1111222233330000",
            "access-sandbox-",
        ]
        raw = b"".join(path.read_bytes() for path in Path(tmp_path).glob("t.db*"))
    assert b"@example.com" in raw
    for canary in canaries:
        for form in (canary, canary[::-1], canary.encode().hex()):
            assert form.encode() not in raw, canary
    with pytest.raises(ConfigurationError, match="encryption key"):
        async with in_process(tmp_path, url, encryption_key="ab" * 32):
            pass


async def test_a_cell_that_was_moved_does_not_open(gateway):
    client = await gateway.application()
    customer = await client.customer()
    sessions = [await client.session(customer, "Plaid") for _ in range(2)]
    ids = [each.rpartition("/")[2] for each in sessions]
    move = Statement(
        "UPDATE exchange_session SET provider_session_sealed ="
        " (SELECT provider_session_sealed FROM exchange_session WHERE id = :source) WHERE id = :target"
    )
    await gateway.core.db.transact(lambda tx: tx.run(move, source=ids[0], target=ids[1]))
    assert (await client.get(sessions[0])).status_code == 200
    answer = await client.get(sessions[1])
    assert (answer.status_code, answer.json()["code"]) == (500, "ServerError")
    assert "Error ID: " in answer.json()["message"]


async def test_no_secret_in_what_is_logged(gateway, capfd):
    """A journey at level debug, a failing one as well; the control is the request's own line."""
    from tallystick.server import logs

    logs.configure("debug")
    gateway.process._gateway._access = logs.AccessLog("debug").add
    client = await gateway.application()
    customer, session, proof, _, _, _ = await linked(client)
    await client.post(f"{customer}/exchanges", json=proof)
    await client.post(
        "/token", auth=("sandbox-key", "wrong-secret"), data={"grant_type": "client_credentials"}
    )
    shown = (await client.get(session)).json()
    out, err = capfd.readouterr()
    said = out + err
    assert '"path":"/customers/{id}/exchanges"' in said
    for canary in (
        client.headers["Authorization"].removeprefix("Bearer "), client.made["client_secret"],
        "wrong-secret", proof["plaid"]["publicToken"], shown["externalProviderSessionToken"],
        "1111222233330000", "access-sandbox-", "pass_good",
    ):  # fmt: skip
        assert canary not in said


async def test_a_process_that_serves_learns_the_keys_that_another_has_made(tmp_path, database_url):
    async with in_process(tmp_path, database_url) as serving:
        client = await serving.application()
        session = await client.session(await client.customer(), "Plaid")
        async with opened(serving.settings, clock=serving.clock) as core:
            await operate.rotate_keys(core)
        await serving.core.vault.learn(serving.core.db)
        assert (await client.get(session)).status_code == 200
