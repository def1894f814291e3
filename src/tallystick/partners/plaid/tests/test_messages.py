"""Plaid's JSON to and from the contract's values, and the transcripts against Plaid's schema."""

import msgspec
import pytest
from hypothesis import given, strategies as st

from tallystick.partners.contract import SessionRequest
from tallystick.partners.plaid import messages as plaid
from tallystick.partners.plaid.tests.plaid_stage import (
    SETTINGS,
    TRANSCRIPTS,
    answer_of,
    check_answer,
    check_error,
    check_request,
    transcript,
)
from tallystick.secret import Secret


@pytest.mark.parametrize("name", sorted(path.stem for path in TRANSCRIPTS.glob("*.json")))
def test_a_transcript_is_what_plaid_documents(name):
    told = transcript(name)
    check_request(told["request"]["path"], told["request"]["body"])
    if told["response"]["status"] == 200:
        check_answer(told["request"]["path"], told["response"]["body"])
    else:
        check_error(told["response"]["body"])


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0, 0),
        (110, 11_000),
        (110.1, 11_010),
        (0.07, 7),
        (1.15, 115),
        (2.675, None),
        (-12.34, -1_234),
        (1e-9, 0),
        (0.1 + 0.2, 30),
        (1234567890.12, 123_456_789_012),
        (1e300, None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_cents(amount, expected):
    if expected is None:
        with pytest.raises((ValueError, ArithmeticError)):
            plaid.cents(amount)
    else:
        assert plaid.cents(amount) == expected


@given(st.integers(min_value=-(10**13), max_value=10**13))
def test_every_amount_of_cents_survives_the_journey_through_json(cents):
    text = f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
    assert plaid.cents(msgspec.json.decode(text)) == cents


@pytest.mark.parametrize(
    ("redirect", "member"),
    [
        ("https://example.com/app123", "redirect_uri"),
        ("HTTPS://example.com/app123", "redirect_uri"),
        ("http://localhost:3000/back", "redirect_uri"),
        ("com.example.app123", "android_package_name"),
        ("https.example.app", "android_package_name"),
        (None, None),
    ],
)
def test_a_redirect_is_a_url_or_an_android_package(redirect, member):
    made = plaid.link_request(SETTINGS, SessionRequest("p", redirect))
    sent = msgspec.to_builtins(made)
    found = {key: sent[key] for key in ("redirect_uri", "android_package_name") if key in sent}
    assert found == ({} if member is None else {member: redirect})
    check_request("/link/token/create", sent)


def test_countries_and_a_customization_come_from_the_settings():
    settings = msgspec.structs.replace(
        SETTINGS, country_codes="US,CA", link_customization_name="night", client_name="Orchard"
    )
    sent = msgspec.to_builtins(plaid.link_request(settings, SessionRequest("p")))
    assert sent["country_codes"] == ["US", "CA"]
    assert sent["link_customization_name"] == "night"
    assert sent["client_name"] == "Orchard"
    check_request("/link/token/create", sent)


@pytest.mark.parametrize(
    ("link_token", "expiration"),
    [
        ("<script>", "2026-03-25T21:13:38Z"),
        ("access-sandbox-1", "2026-03-25T21:13:38Z"),
        ("link-sandbox-1\n", "2026-03-25T21:13:38Z"),
        ("link-sandbox-1", "tomorrow"),
        ("link-sandbox-1", "2026-03-25T21:13:38"),
    ],
)
def test_a_link_token_that_is_none_is_refused(link_token, expiration):
    with pytest.raises(ValueError):
        plaid.session_started(plaid.LinkTokenCreated(link_token, expiration))


def _auth(**changes):
    answer = answer_of("auth-get")
    account, number = answer["accounts"][0], answer["numbers"]["ach"][0]
    account.update({key: value for key, value in changes.items() if key in account})
    number.update({key: value for key, value in changes.items() if key in number})
    decoded = msgspec.convert(answer, plaid.AuthAnswer)
    return plaid.accounts(decoded.accounts[:1], decoded.numbers.ach, "Orchard Credit Union")


def test_an_account():
    (account,) = _auth()
    assert account.external_id == "Acc1everydayK8vQmT2xWn5RjYb4HsLd7Zf"
    assert (account.kind, account.name, account.mask) == ("checking", "Everyday", "4417")
    assert account.number == Secret("000274104417")
    assert account.routing == Secret("073000545")
    assert account.institution == "Orchard Credit Union"


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "credit"},
        {"type": "loan"},
        {"subtype": "cd"},
        {"subtype": "cash management"},
        {"subtype": None},
        {"account": "12 34"},
        {"account": "123"},
        {"account": "1" * 18},
        {"account": "٠١٢٣٤٥"},
        {"routing": "12345678"},
        {"routing": ""},
    ],
)
def test_an_account_that_ach_cannot_reach_is_left_out(changes):
    assert _auth(**changes) == []


def test_an_account_without_numbers_is_left_out():
    decoded = msgspec.convert(answer_of("auth-get"), plaid.AuthAnswer)
    assert plaid.accounts(decoded.accounts, [], "") == []


@pytest.mark.parametrize(("mask", "expected"), [("12", "12"), (None, "4417"), ("<b>", "4417")])
def test_the_mask_may_be_missing(mask, expected):
    assert _auth(mask=mask)[0].mask == expected


def _balance(**changes):
    answer = answer_of("accounts-balance-get")
    answer["accounts"][0]["balances"].update(changes)
    decoded = msgspec.convert(answer, plaid.BalanceAnswer)
    return plaid.balance(decoded.accounts, decoded.accounts[0].account_id, 1_700_000_000_000)


def test_a_balance():
    found = _balance()
    assert (found.current_cents, found.available_cents) == (11_010, 10_000)
    assert (found.currency, found.as_of) == ("USD", 1_700_000_000_000)


def test_either_amount_may_be_unknown():
    assert _balance(available=None).available_cents is None
    assert _balance(current=None).current_cents == 10_000
    with pytest.raises(ValueError):
        _balance(current=None, available=None)


def test_the_time_that_plaid_gives_wins():
    assert _balance(last_updated_datetime="2026-03-25T00:00:00Z").as_of == 1_774_396_800_000


@pytest.mark.parametrize("code", [None, "usd", "$", ""])
def test_a_balance_needs_an_iso_currency(code):
    with pytest.raises(ValueError):
        _balance(iso_currency_code=code)


def test_a_balance_of_another_account_is_refused():
    decoded = msgspec.convert(answer_of("accounts-balance-get"), plaid.BalanceAnswer)
    with pytest.raises(ValueError):
        plaid.balance(decoded.accounts, "someone-else", 0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fD8gSm1XvHp3KtB", "fD8gSm1XvHp3KtB"),
        ("access-sandbox-1c6f0b5e", None),
        ("a\nb", None),
        ("x" * 25, None),
        ("000274104417", None),
        (7, None),
        (None, None),
    ],
)
def test_a_request_id_is_taken_over_only_when_it_looks_like_one(text, shown):
    assert plaid.request_id({"request_id": text}) == shown


def test_a_grant_opens_to_what_it_was_made_of():
    item = plaid.item_grant(plaid.PublicTokenExchanged("access-sandbox-1", "item-1"))
    processor = plaid.processor_grant("processor-sandbox-1", "account-1")
    assert plaid.opened(item) == plaid.OfItem("access-sandbox-1")
    assert plaid.opened(processor) == plaid.OfProcessor("processor-sandbox-1")
    assert (item.external_id, processor.external_id) == ("item-1", "account-1")
