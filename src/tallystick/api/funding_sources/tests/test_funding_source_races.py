"""Bank accounts from numbers that are made, changed and removed at once."""

from __future__ import annotations

import asyncio

import pytest

from tallystick.api.funding_sources import store
from tallystick.api.funding_sources.tests.funding_source_calls import NUMBERS, topics

RACERS = 16


async def at_once(*requests):
    return await asyncio.gather(*requests)


def statuses(answers):
    return sorted(each.status_code for each in answers)


@pytest.mark.anyio
async def test_sixteen_revivals_are_one(client, where):
    source = await client.create(where, NUMBERS)
    for _ in range(3):
        await client.post(source, json={"removed": True})
        before = (await topics(client)).count("customer_funding_source_added")
        answers = await at_once(*(client.post(where, json=NUMBERS) for _ in range(RACERS)))
        assert statuses(answers) == [201] + [400] * 15
        assert {each.json()["code"] for each in answers if each.status_code == 400} == {
            "DuplicateResource"
        }
        assert (await topics(client)).count("customer_funding_source_added") == before + 1
    assert (await client.get(where)).json()["total"] == 1


@pytest.mark.anyio
async def test_sixteen_removals_are_one(client, where):
    source = await client.create(where, NUMBERS)
    answers = await at_once(*(client.post(source, json={"removed": True}) for _ in range(RACERS)))
    assert statuses(answers) == [200] + [403] * 15
    assert (await topics(client)).count("customer_funding_source_removed") == 1


@pytest.mark.anyio
async def test_a_change_never_brings_back_what_was_removed_meanwhile(client, where):
    for number in range(8):
        source = await client.create(where, {**NUMBERS, "accountNumber": f"7000{number}"})
        renames = [client.post(source, json={"name": f"N{each}"}) for each in range(RACERS - 1)]
        renames.insert(RACERS // 2, client.post(source, json={"removed": True}))
        assert set(statuses(await at_once(*renames))) <= {200, 403}
        assert (await client.get(source)).json()["removed"] is True


@pytest.mark.anyio
async def test_two_changes_at_once_are_both_kept(client, where):
    for number in range(8):
        source = await client.create(where, {**NUMBERS, "accountNumber": f"8000{number}"})
        changes = [{"name": "New"}, {"bankAccountType": "loan"}] * 4
        await at_once(*(client.post(source, json=body) for body in changes))
        shown = (await client.get(source)).json()
        assert (shown["name"], shown["bankAccountType"]) == ("New", "loan")


@pytest.mark.anyio
async def test_many_corrected_to_the_same_numbers_at_once(client, where):
    sources = [
        await client.create(where, {**NUMBERS, "accountNumber": f"9000{each}"}) for each in range(8)
    ]
    answers = await at_once(
        *(client.post(each, json={"accountNumber": "4242"}) for each in sources)
    )
    assert statuses(answers) == [200] + [400] * 7
    assert {each.json()["code"] for each in answers if each.status_code == 400} == {
        "DuplicateResource"
    }


@pytest.fixture
def late_look(monkeypatch):
    """`late_look(n)`: the next n looks for a live account come too early to see one."""
    look = store.find_live_bank

    def miss(times):
        left = [times]

        async def find(*args):
            left[0] -= 1
            return None if left[0] >= 0 else await look(*args)

        monkeypatch.setattr(store, "find_live_bank", find)

    return miss


@pytest.mark.anyio
async def test_the_index_decides_when_a_correction_looked_too_early(client, where, late_look):
    first = await client.create(where, NUMBERS)
    other = await client.create(where, {**NUMBERS, "accountNumber": "5555"})
    body = {"accountNumber": NUMBERS["accountNumber"]}
    late_look(1)
    answer = await client.post(other, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "DuplicateResource")
    assert answer.json()["_links"]["about"]["href"] == first
    late_look(2)
    answer = await client.post(other, json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "Conflict")
    assert "customer_funding_source_updated" not in await topics(client)


@pytest.mark.anyio
async def test_the_index_decides_when_a_revival_looked_too_early(stage, client, where, late_look):
    """The owner has the account again under another id, as through an exchange."""
    old = await client.create(where, NUMBERS)
    await client.post(old, json={"removed": True})
    fresh = await client.create(where, {**NUMBERS, "accountNumber": "5555"})
    await client.post(fresh, json={"accountNumber": NUMBERS["accountNumber"]})
    late_look(1)
    key = {"headers": {"Idempotency-Key": "revive"}}
    answer = await client.post(where, json=NUMBERS, **key)
    assert (answer.status_code, answer.json()["code"]) == (400, "DuplicateResource")
    assert answer.json()["_links"]["about"]["href"] == fresh
    assert (await client.get(old)).json()["removed"] is True
    await client.post(fresh, json={"removed": True})
    assert (await client.post(where, json=NUMBERS, **key)).status_code == 201
