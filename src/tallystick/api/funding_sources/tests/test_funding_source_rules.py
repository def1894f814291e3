"""Secrecy, duplicates, revival and changes of bank accounts from numbers (contract 6.3)."""

from __future__ import annotations

import logging

import pytest
import structlog

from tallystick.api.funding_sources import numbers, service
from tallystick.api.funding_sources.numbers import Numbers
from tallystick.api.funding_sources.tests.funding_source_calls import MAIN, NUMBERS, topics
from tallystick.api.funding_sources.wire import Edits, FromNumbers
from tallystick.clock import HOUR_MS
from tallystick.store.db import Statement

SECRET_ACCOUNT, SECRET_ROUTING = "77130055412", "021000021"


# ── secrecy ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.anyio
async def test_numbers_are_in_no_answer_log_line_or_repr(stage, client, where, caplog):
    posted = {**MAIN, "routingNumber": SECRET_ROUTING, "accountNumber": SECRET_ACCOUNT}
    shown = []

    def keep(answer):
        shown.append(f"{answer.status_code} {dict(answer.headers)} {answer.text}")
        return answer

    with structlog.testing.capture_logs() as lines, caplog.at_level(logging.DEBUG):
        source = keep(await client.post(where, json=posted)).headers["location"]
        keep(await client.post(where, json=posted))
        keep(await client.post(where, json={**posted, "name": 5}))
        keep(await client.post(where, json={**posted, "routingNumber": SECRET_ROUTING[::-1]}))
        keep(await client.post(source, json={"accountNumber": f"{SECRET_ACCOUNT}1"}))
        keep(await client.post(source, json={"accountNumber": f"{SECRET_ACCOUNT}1" * 2}))
        keep(await client.get(source))
        keep(await client.get(where))
        keep(await client.post(source, json={"removed": True}))
    command = service.Create("c", names_exchange=False, href_sent=False, exchange_id=None, body=posted)  # fmt: skip
    row = await service.find(
        stage.core, (await stage.core.db.one(_APP))[0], source.rpartition("/")[2]
    )
    own = Numbers(SECRET_ROUTING, SECRET_ACCOUNT)
    posted_as = FromNumbers(SECRET_ROUTING, SECRET_ACCOUNT, "checking", "n")
    edits = Edits(account_number=SECRET_ACCOUNT, routing_number=SECRET_ROUTING)
    everything = [*shown, lines, stage.accessed, caplog.records, caplog.text]
    everything += [repr(each) for each in (command, row, own, posted_as, edits)]
    assert stage.accessed
    text = "\n".join(str(each) for each in everything)
    for secret in (SECRET_ACCOUNT, SECRET_ROUTING):
        assert secret not in text


_APP = Statement("SELECT id FROM application")
_BOX = Statement("SELECT app_id, numbers_sealed FROM funding_source WHERE id = :id")


@pytest.mark.anyio
async def test_both_numbers_are_in_one_box_that_opens_only_at_its_row(stage, client, where):
    source = (await client.create(where, NUMBERS)).rpartition("/")[2]
    other = (await client.create(where, {**NUMBERS, "accountNumber": "5555"})).rpartition("/")[2]
    app_id, box = await stage.core.db.one(_BOX, id=source)
    opened = numbers.unseal(stage.core, app_id, source, bytes(box))
    assert (opened.routing, opened.account) == ("222222226", "0123456789")
    with pytest.raises(Exception, match="belong here"):
        numbers.unseal(stage.core, app_id, other, bytes(box))


# ── duplicates and revival ────────────────────────────────────────────────────────────────────


@pytest.mark.anyio
async def test_what_is_the_same_account(stage, client, where):
    first = await client.create(where, NUMBERS)
    for digits in ("0123456789", "01234-56789", "0 1 2 3 4 5 6 7 8 9"):
        answer = await client.post(where, json={**NUMBERS, "accountNumber": digits, "name": "X"})
        assert (answer.status_code, answer.json()["code"]) == (400, "DuplicateResource")
    fingerprint = (await client.get(first)).json()["fingerprint"]
    for other in (
        await client.create(where, {**NUMBERS, "accountNumber": "123456789"}),  # a zero less
        await client.create(where, {**NUMBERS, "routingNumber": "021000021"}),
    ):
        assert (await client.get(other)).json()["fingerprint"] != fingerprint
    elsewhere = await client.create(f"{await client.customer()}/funding-sources", NUMBERS)
    assert (await client.get(elsewhere)).json()["fingerprint"] == fingerprint
    stranger, _ = await stage.application()
    foreign = await stranger.create("/funding-sources", NUMBERS)
    assert (await stranger.get(foreign)).json()["fingerprint"] != fingerprint


@pytest.mark.anyio
@pytest.mark.parametrize(("after_ms", "same"), [(48 * HOUR_MS - 1, True), (48 * HOUR_MS, False)])
async def test_revival_ends_after_48_hours(stage, client, where, after_ms, same):
    source = await client.create(where, NUMBERS)
    assert (await client.post(source, json={"removed": True})).status_code == 200
    stage.clock.advance(after_ms)
    await client.sign_in(*client.made.values())
    back = await client.create(where, {**NUMBERS, "name": "Back", "bankAccountType": "savings"})
    assert (back == source) == same
    shown = (await client.get(back)).json()
    assert (shown["name"], shown["bankAccountType"], shown["removed"]) == ("Back", "savings", False)
    assert (await topics(client))[-3:] == [
        "customer_funding_source_added",
        "customer_funding_source_removed",
        "customer_funding_source_added",
    ]


@pytest.mark.anyio
async def test_only_the_owner_gets_it_back(client, where):
    source = await client.create(where, NUMBERS)
    await client.post(source, json={"removed": True})
    other = f"{await client.customer()}/funding-sources"
    assert await client.create(other, NUMBERS) != source


@pytest.mark.anyio
async def test_a_key_repeats_creation_and_removal(client, where):
    key = {"headers": {"Idempotency-Key": "create"}}
    source = await client.create(where, NUMBERS, **key)
    assert await client.create(where, NUMBERS, **key) == source
    refused = await client.post(where, json={**NUMBERS, "name": "Other"}, **key)
    assert refused.status_code == 409
    key = {"headers": {"Idempotency-Key": "remove"}}
    first = await client.post(source, json={"removed": True}, **key)
    again = await client.post(source, json={"removed": True}, **key)
    assert (first.status_code, first.content) == (200, again.content)
    assert (await topics(client)).count("customer_funding_source_removed") == 1


@pytest.mark.anyio
async def test_a_refused_creation_leaves_its_key_free(client, where):
    key = {"headers": {"Idempotency-Key": "refused"}}
    source = await client.create(where, NUMBERS)
    assert (await client.post(where, json=NUMBERS, **key)).status_code == 400
    await client.post(source, json={"removed": True})
    assert await client.create(where, NUMBERS, **key) == source


# ── changes ───────────────────────────────────────────────────────────────────────────────────

ONLY_BANKS = "Only funding sources of type='bank' can be updated."


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [{}, {"name": None}, {"name": ""}, {"name": "n" * 51}, {"name": 5}, {"removed": False},
     {"removed": "true"}, {"routingNumber": None}, {"routingNumber": "222222227"},
     {"bankAccountType": "current"}, {"other": 1}],
)  # fmt: skip
async def test_changes_that_are_none(client, where, body):
    source = await client.create(where, NUMBERS)
    before = (await client.get(source)).json()
    answer = await client.post(source, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "validationError")
    assert answer.json()["message"] == ONLY_BANKS
    assert (await client.get(source)).json() == before
    assert "customer_funding_source_updated" not in await topics(client)


@pytest.mark.anyio
async def test_a_change_is_answered_and_told(client, where):
    source = await client.create(where, NUMBERS)
    answer = await client.post(source, json={"bankAccountType": "savings", "name": "New"})
    assert answer.json() == (await client.get(source)).json()
    assert (answer.json()["bankAccountType"], answer.json()["name"]) == ("savings", "New")
    assert (await topics(client))[-1] == "customer_funding_source_updated"


@pytest.mark.anyio
async def test_what_is_removed_stays_as_it_is(client, where):
    source = await client.create(where, NUMBERS)
    await client.post(source, json={"removed": True})
    for body in ({"removed": True}, {"name": "Other"}, {"accountNumber": "4444"}, {}):
        answer = await client.post(source, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "InvalidResourceState")
        assert answer.json()["message"] == "A removed bank cannot be updated."


@pytest.mark.anyio
async def test_another_applications_source_is_absent(stage, client, where):
    source = await client.create(where, NUMBERS)
    stranger, _ = await stage.application()
    for answer in (
        await stranger.get(source),
        await stranger.post(source, json={"removed": True}),
        await stranger.get(f"{source}/balance"),
        await stranger.get(where),
    ):
        assert answer.status_code == 404
    assert (await client.get(source)).json()["removed"] is False
