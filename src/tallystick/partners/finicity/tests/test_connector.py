"""The connector against transcripts written from Mastercard's documentation."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tallystick.clock import DAY_MS, from_iso
from tallystick.partners.contract import CAPABILITIES, Grant, Proof
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    PartnerRefused,
    PartnerUnavailable,
    ProofExpired,
    ProofRejected,
)
from tallystick.partners.finicity.proof import FinicityReceipt
from tallystick.partners.finicity.tests import finicity_document
from tallystick.partners.finicity.tests.finicity_stage import (
    ACCOUNT,
    NOW,
    TRANSCRIPTS,
    Stage,
    held,
    receipt,
    transcript,
)
from tallystick.secret import Secret

pytestmark = pytest.mark.anyio


def products(*each: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"product": "moneyTransferDetails", "accountId": ACCOUNT, **one} for one in each]


# ── the receipt ───────────────────────────────────────────────────────────────────────────────


async def test_a_receipt_becomes_a_grant():
    stage, grant = await held()
    assert stage.asked == ["authentication", "details"]
    assert stage.requests[0].headers["finicity-app-key"] == "key"
    assert "finicity-app-token" not in stage.requests[0].headers
    assert stage.requests[1].headers["finicity-app-token"] == "YBh22Sb9Es6e66Q7lWdt"
    assert grant.external_id == "cr_8Zk1TestReceipt"
    assert grant.consent_expires_at == from_iso("2026-04-01T00:00:00Z")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"receiptId": None}, "INCOMPLETE_RECEIPT"),
        ({"receiptId": ""}, "INCOMPLETE_RECEIPT"),
        ({"customerId": None}, "INCOMPLETE_RECEIPT"),
        ({"customerId": "../../v2/partners"}, "INCOMPLETE_RECEIPT"),
        ({"customerId": "1\n2"}, "INCOMPLETE_RECEIPT"),
        ({"products": None}, "NO_MONEY_TRANSFER_DETAILS"),
        ({"products": []}, "NO_MONEY_TRANSFER_DETAILS"),
        ({"products": [{"product": "availableBalance", "accountId": ACCOUNT}]},
         "NO_MONEY_TRANSFER_DETAILS"),
        ({"products": [{"product": "moneyTransferDetails"}]}, "INCOMPLETE_RECEIPT"),
        ({"products": products({}, {"accountId": "2"})}, "SEVERAL_ACCOUNTS"),
        ({"products": products({"accessPeriod": {"endTime": "soon"}})}, "UNREADABLE_ACCESS_PERIOD"),
        ({"products": products({"accessPeriod": {"endTime": "2026-13-01"}})},
         "UNREADABLE_ACCESS_PERIOD"),
        ({"products": products({"accessPeriod": {"endTime": -1}})}, "UNREADABLE_ACCESS_PERIOD"),
        ({"products": products({"accessPeriod": {"endTime": 2**62}})}, "UNREADABLE_ACCESS_PERIOD"),
    ],
)  # fmt: skip
async def test_a_receipt_that_opens_nothing_is_refused_without_a_call(changes, code):
    stage = Stage()
    with pytest.raises(ProofRejected) as caught:
        await stage.partner.redeem(receipt(**changes))
    assert caught.value.code == code
    assert stage.requests == []


async def test_an_empty_receipt_is_refused():
    empty = msgspec.convert({}, FinicityReceipt)
    assert empty.identity()
    with pytest.raises(ProofRejected):
        await Stage().partner.redeem(empty)


@pytest.mark.parametrize(
    "end",
    ["2026-01-31T23:59:59Z", "2026-01-31", 1769903999, 1769903999000, "2026-02-01T01:59+02:00"],
)
async def test_a_receipt_whose_time_is_over_has_expired(end):
    stage = Stage()
    with pytest.raises(ProofExpired):
        await stage.partner.redeem(receipt(products=products({"accessPeriod": {"endTime": end}})))
    assert stage.requests == []


@pytest.mark.parametrize(
    ("end", "expires_at"),
    [
        ("2026-02-01", NOW + DAY_MS),
        ("2026-02-01T00:00:00.042584549Z", NOW + 43),
        (1769904001, NOW + 1_000),
        (1769904001000, NOW + 1_000),
        (None, None),
    ],
)
async def test_the_end_of_the_access_is_the_end_of_the_consent(end, expires_at):
    stage = Stage("authenticate", "read_details")
    period = {"type": "timeframe", "startTime": 1767225600, "endTime": end}
    grant = await stage.partner.redeem(receipt(products=products({"accessPeriod": period})))
    if expires_at is not None and grant.consent_expires_at is not None:
        assert abs(grant.consent_expires_at - expires_at) <= 1
    else:
        assert grant.consent_expires_at is expires_at


async def test_a_receipt_as_mastercard_spells_it_is_the_same_receipt():
    """`partnerId` and `receiptVersion` as text or number, and members nobody has heard of."""
    other = receipt(partnerId="2445583946651", receiptVersion=2, provenance=None, news={"a": [1]})
    assert other.identity() == receipt().identity()
    assert receipt(receiptId="cr_other").identity() != receipt().identity()
    assert receipt(customerId="1").identity() != receipt().identity()
    assert receipt(products=products({"accountId": "2"})).identity() != receipt().identity()


@pytest.mark.parametrize(
    "changes",
    [
        {"partnerId": 2**64}, {"partnerId": 1.5}, {"receiptId": {}}, {"products": {}},
        {"products": [None]}, {"products": [{"accessPeriod": 1}]}, {"customerId": "1" * 1000},
        {"products": [{}] * 101},
    ],
)  # fmt: skip
def test_a_receipt_of_wrong_types_is_no_receipt(changes):
    with pytest.raises(msgspec.ValidationError):
        receipt(**changes)


def test_a_receipt_is_kept_and_read_again():
    """As the exchange's intent does it, to find out later what a lost answer was."""
    kept = msgspec.msgpack.encode(msgspec.to_builtins(receipt(partnerId=2**63 - 1)))
    assert msgspec.convert(msgspec.msgpack.decode(kept), FinicityReceipt).identity() == (
        receipt().identity()
    )


def test_a_receipt_is_not_shown():
    shown = repr(receipt()) + str(receipt().products)
    assert "cr_8Zk1" not in shown
    assert ACCOUNT not in shown


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        ({"status": 400, "json": {"code": 38003}}, ProofRejected, "38003"),
        ({"status": 403, "json": {}}, ProofRejected, "HTTP_403"),
        ({"status": 400, "json": {"code": 103}}, ConsentLost, "103"),
        ({"status": 401, "json": {"code": "10027"}}, PartnerRefused, "10027"),
        ({"status": 401, "json": {"Errors": {"Error": [{"ReasonCode": "10021"}]}}},
         PartnerRefused, "10021"),
        ({"status": 429, "json": {}}, PartnerUnavailable, "HTTP_429"),
        ({"status": 500, "json": {"code": "account 123 broke"}}, PartnerUnavailable, "HTTP_500"),
        ({"status": 302, "json": {}}, PartnerUnavailable, "HTTP_302"),
        ({"status": 200, "json": {"routingNumber": "12345678X", "realAccountNumber": "1234567"}},
         ProofRejected, "NO_ACCOUNT_NUMBERS"),
    ],
)  # fmt: skip
async def test_what_finicity_may_say_to_a_receipt(answer, error, code):
    stage = Stage("authenticate", "read_details", answers={1: answer})
    with pytest.raises(error) as caught:
        await stage.partner.redeem(receipt())
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["read_details_unknown_customer", "read_details_unsupported"])
async def test_a_receipt_for_a_stranger_or_a_card(name):
    with pytest.raises(ProofRejected) as caught:
        await Stage("authenticate", name).partner.redeem(receipt())
    assert caught.value.code == transcript(name)["response"]["json"]["code"]


async def test_another_kind_of_proof_is_refused():
    class Other(Proof, frozen=True):
        member = "token"

    with pytest.raises(ProofRejected):
        await Stage().partner.redeem(Other())


# ── the account ───────────────────────────────────────────────────────────────────────────────


async def test_the_account_is_offered_as_either_kind():
    stage, grant = await held("read_details")
    accounts = await stage.partner.list_accounts(grant)
    assert [each.kind for each in accounts] == ["checking", "savings"]
    for account in accounts:
        assert (account.external_id, account.mask) == (ACCOUNT, "8901")
        assert account.number.reveal() == "002345678901"
        assert account.routing.reveal() == "123456789"


async def test_an_access_that_ends_later_ends():
    stage, grant = await held()
    stage.clock.set(from_iso("2026-04-01T00:00:00Z"))
    with pytest.raises(ProofExpired):
        await stage.partner.list_accounts(grant)


@pytest.mark.parametrize("code", ["14001", "38003", "10010"])
async def test_an_access_that_was_taken_back(code):
    answers = {2: {"status": 400, "json": {"code": code}}}
    stage, grant = await held("read_details", answers=answers)
    with pytest.raises(GrantRevoked):
        await stage.partner.list_accounts(grant)


async def test_a_grant_that_is_none_of_ours():
    with pytest.raises(GrantRevoked):
        await Stage().partner.list_accounts(Grant(Secret("{}"), "cr"))


# ── the balance ───────────────────────────────────────────────────────────────────────────────


async def test_a_balance():
    stage, grant = await held("read_balance")
    balance = await stage.partner.read_balance(grant, ACCOUNT)
    assert (balance.current_cents, balance.available_cents) == (22225, 17347)
    assert (balance.currency, balance.as_of) == ("USD", 1607450357000)


async def test_a_live_balance_where_the_receipt_allows_it():
    names = ("moneyTransferDetails", "availableBalance", "availableBalanceLive")
    stage = Stage("authenticate", "read_details", "read_balance_live")
    allowed = [{"product": name, "accountId": ACCOUNT} for name in names]
    grant = await stage.partner.redeem(receipt(products=allowed))
    balance = await stage.partner.read_balance(grant, ACCOUNT)
    assert (balance.current_cents, balance.available_cents) == (22200, 17340)


async def test_the_person_must_sign_in_again():
    stage, grant = await held("read_balance_lost")
    with pytest.raises(ConsentLost) as caught:
        await stage.partner.read_balance(grant, ACCOUNT)
    assert caught.value.code == "185"


async def test_a_failed_aggregation_is_no_balance():
    shown = {**transcript("read_balance")["response"]["json"], "aggregationStatusCode": 945_000}
    stage, grant = await held("read_balance", answers={2: {"status": 200, "json": shown}})
    with pytest.raises(PartnerUnavailable) as caught:
        await stage.partner.read_balance(grant, ACCOUNT)
    assert caught.value.code == "AGGREGATION_945000"


async def test_a_balance_that_was_not_consented_to():
    stage = Stage("authenticate", "read_details")
    grant = await stage.partner.redeem(receipt(products=products({})))
    with pytest.raises(ProofRejected):
        await stage.partner.read_balance(grant, ACCOUNT)


async def test_a_balance_of_another_account():
    stage, grant = await held()
    with pytest.raises(GrantRevoked):
        await stage.partner.read_balance(grant, "1")


# ── what it can do, and the document ──────────────────────────────────────────────────────────


def test_it_can_do_what_a_processor_can():
    stage = Stage()
    can = {name for name, kind in CAPABILITIES.items() if stage.partner.has(kind)}
    assert can == {"redeem a proof", "describe accounts", "read balances"}


@pytest.mark.parametrize("name", sorted(path.stem for path in TRANSCRIPTS.glob("*.json")))
def test_transcripts_are_as_the_document_says(name):
    each = transcript(name)
    asked, answer = each["request"], each["response"]
    body = b"" if asked["json"] is None else json.dumps(asked["json"]).encode()
    headers = {"finicity-app-key": "k", "finicity-app-token": "t"}
    finicity_document.check_request(asked["method"], asked["path"], headers, {}, body)
    raw = json.dumps(answer["json"]).encode()
    status, media = answer["status"], "application/json"
    assert finicity_document.complaint(asked["method"], asked["path"], status, media, raw) is None


def test_the_document_is_a_judge():
    balance = transcript("read_balance")
    path = balance["request"]["path"]
    shown = balance["response"]["json"]
    for wrong in ({**shown, "extra": 1}, {**shown, "availableBalance": "1"}, {}):
        raw = json.dumps(wrong).encode()
        assert finicity_document.complaint("GET", path, 200, "application/json", raw)
