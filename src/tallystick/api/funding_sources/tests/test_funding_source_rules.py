"""Bodies, duplicates, revival, changes and races of bank accounts from numbers (contract 6.3)."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest
import structlog
from hypothesis import given, settings, strategies as st

from tallystick.api.funding_sources import numbers, routes, service, store
from tallystick.api.funding_sources.numbers import Numbers, is_routing
from tallystick.api.funding_sources.wire import Edits, FromNumbers
from tallystick.body import problems
from tallystick.clock import HOUR_MS
from tallystick.errors import ApiError
from tallystick.store.db import Statement

from .conftest import staged

MAIN = {"bankAccountType": "checking", "name": "Main"}
NUMBERS = {**MAIN, "routingNumber": "222222226", "accountNumber": "0123456789"}
SECRET_ACCOUNT, SECRET_ROUTING = "77130055412", "021000021"
RACERS = 16


@pytest.fixture
async def client(stage):
    return (await stage.application())[0]


@pytest.fixture
async def where(client):
    return f"{await client.customer()}/funding-sources"


async def topics(client):
    listed = (await client.get("/events?limit=100")).json()["_embedded"]["events"]
    return [each["topic"] for each in reversed(listed)]


async def at_once(*requests):
    return await asyncio.gather(*requests)


def statuses(answers):
    return sorted(each.status_code for each in answers)


# ── bodies ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("more", "paths"),
    [
        ({"plaidToken": "processor-sandbox-1"}, ["/plaidToken"]),
        ({"plaidToken": "x", "type": "virtual"}, ["/plaidToken", "/type"]),
        ({"type": "virtual"}, ["/type"]),
    ],
)
async def test_variants_that_are_not_served_are_named(client, where, more, paths):
    for body in ({**MAIN, **more}, {**NUMBERS, **more}):
        answer = await client.post(where, json=body)
        errors = answer.json()["_embedded"]["errors"]
        assert (answer.status_code, answer.json()["code"]) == (400, "ValidationError")
        assert [(each["code"], each["path"]) for each in errors] == [
            ("NotAllowed", path) for path in paths
        ]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("link", "code"),
    [({}, "Required"), ("text", "Required"), ([], "Required"), ({"href": None}, "Required"),
     ({"href": 5}, "Invalid"), ({"href": "https://example.com/exchanges/1"}, "Invalid")],
)  # fmt: skip
async def test_an_exchange_link_without_an_address_of_ours(client, where, link, code):
    answer = await client.post(where, json={**MAIN, "_links": {"exchange": link}})
    (error,) = answer.json()["_embedded"]["errors"]
    assert (error["code"], error["path"]) == (code, "/_links/exchange/href")


@pytest.mark.anyio
async def test_an_address_outside_an_object_is_no_link(stage, client, where):
    address = "http://127.0.0.1:7420/exchanges/00000000-0000-4000-8000-000000000000"
    answer = await client.post(where, json={**MAIN, "_links": {"exchange": address}})
    assert answer.status_code == 400


@pytest.mark.anyio
@pytest.mark.parametrize("digits", ["123", "1" * 18, "12a4", "１２３４", "", "----"])
async def test_what_is_no_account_number(client, where, digits):
    answer = await client.post(where, json={**NUMBERS, "accountNumber": digits})
    assert [each["path"] for each in answer.json()["_embedded"]["errors"]] == ["/accountNumber"]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["checking", "savings", "general-ledger", "loan"])
async def test_kinds_and_lengths_that_are_allowed(client, where, kind):
    for digits in ("1234", "1" * 17):
        source = await client.create(
            where, {**NUMBERS, "accountNumber": digits, "bankAccountType": kind, "name": "n" * 50}
        )
        assert (await client.get(source)).json()["bankAccountType"] == kind


def _check_digit(head: str) -> str:
    return next(f"{head}{digit}" for digit in range(10) if is_routing(f"{head}{digit}"))


@given(st.integers(0, 99_999_999))
def test_the_first_two_digits_name_a_federal_reserve_district(head):
    routing = _check_digit(f"{head:08d}")
    allowed = 1 <= int(routing[:2]) <= 12 or 21 <= int(routing[:2]) <= 32
    errors = problems({**NUMBERS, "routingNumber": routing}, FromNumbers)
    assert [error.path for error in errors] == ([] if allowed else ["/routingNumber"])


@given(st.integers(0, 99_999_999), st.integers(0, 8), st.integers(1, 9))
def test_one_wrong_digit_never_passes(head, place, by):
    right = _check_digit(f"{head:08d}")
    wrong = f"{right[:place]}{(int(right[place]) + by) % 10}{right[place + 1 :]}"
    assert is_routing(right)
    assert not is_routing(wrong)


_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_HREFS = st.sampled_from(
    ["http://127.0.0.1:7420/exchanges/00000000-0000-4000-8000-000000000000", "/exchanges/1", ""]
)
_BODIES = st.fixed_dictionaries(
    {},
    optional={
        "routingNumber": st.sampled_from(["222222226", "021000021", "999999999"]) | _JUNK,
        "accountNumber": st.from_regex(r"[0-9 -]{1,20}", fullmatch=True) | _JUNK,
        "bankAccountType": st.sampled_from(["checking", "loan"]) | _JUNK,
        "name": _TEXT | _JUNK,
        "removed": st.booleans() | _JUNK,
        "type": st.just("virtual") | _JUNK,
        "plaidToken": _JUNK,
        "_links": st.fixed_dictionaries(
            {}, optional={"exchange": st.fixed_dictionaries({"href": _HREFS | _JUNK}) | _JUNK}
        )
        | _JUNK,
    },
)


def test_whatever_the_body_it_is_served_or_refused_in_the_apis_words(tmp_path):
    with asyncio.Runner() as runner, contextlib.ExitStack() as stack:
        context = staged(f"sqlite:///{tmp_path}/t.db")
        stage = runner.run(context.__aenter__())
        stack.callback(lambda: runner.run(context.__aexit__(None, None, None)))
        client, principal = runner.run(stage.application())
        customer = runner.run(client.customer()).rpartition("/")[2]
        kept = runner.run(client.create("/funding-sources", NUMBERS)).rpartition("/")[2]
        outcomes = set()

        async def call(handler, path_id, body):
            try:
                outcomes.add((await handler(stage.request(principal, path_id, body))).status)
            except ApiError as error:
                outcomes.add(error.status)

        @settings(max_examples=150, deadline=None)
        @given(_BODIES | _JUNK)
        def check(body):
            runner.run(call(routes.create_customer_funding_source, customer, body))
            runner.run(call(routes.create_funding_source, "", body))
            runner.run(call(routes.update_funding_source, kept, body))

        check()
        runner.run(call(routes.create_customer_funding_source, customer, NUMBERS))
        assert {201, 400} <= outcomes <= {200, 201, 400, 403, 404}


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


# ── races ─────────────────────────────────────────────────────────────────────────────────────


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
