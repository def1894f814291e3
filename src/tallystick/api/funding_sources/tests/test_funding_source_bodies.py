"""Bodies of bank accounts from numbers: what is served, and what is refused in whose words."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given, settings, strategies as st

from tallystick.api.funding_sources import routes
from tallystick.api.funding_sources.numbers import is_routing
from tallystick.api.funding_sources.tests.funding_source_calls import MAIN, NUMBERS
from tallystick.api.funding_sources.wire import FromNumbers
from tallystick.body import problems
from tallystick.errors import ApiError

from .conftest import staged


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
