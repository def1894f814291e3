"""Payments at the simulator, over a socket: the cards they store, and the webhooks they send."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from tallystick.partners.checkout.tests.checkout_world import (
    BRITISH_DEBIT,
    CREDIT,
    EXPIRED,
    NO_FUNDS,
    SESSION,
    VISA_DEBIT,
    WRONG_CODE,
    World,
    codes,
)

# ── payments ──────────────────────────────────────────────────────────────────────────────────


def test_a_payment_of_nothing_verifies_and_stores_the_card(world):
    paid = world.paid()
    assert (paid["status"], paid["type"]) == ("Approved", "card")
    payment = world.call("GET", f"/payments/{paid['id']}").json()
    assert (payment["approved"], payment["status"]) == (True, "Card Verified")
    assert payment["reference"] == SESSION["reference"]
    source = payment["source"]
    assert (source["scheme"], source["card_type"], source["issuer_country"]) == (
        "Visa",
        "DEBIT",
        "US",
    )
    instrument = world.call("GET", f"/instruments/{source['id']}").json()
    assert instrument["fingerprint"] == source["fingerprint"]
    assert instrument["last4"] == "1519"


@pytest.mark.parametrize(
    ("members", "status"),
    [({"amount": 100}, "Captured"), ({"amount": 100, "capture": False}, "Authorized")],
)
def test_a_payment_of_something_is_authorized_or_captured(world, members, status):
    payment = world.call("GET", f"/payments/{world.paid(**members)['id']}").json()
    assert (payment["status"], payment["balances"]["total_authorized"]) == (status, 100)


def test_a_card_is_not_stored_unless_asked_for(world):
    payment = world.call("GET", f"/payments/{world.paid(payment_method_configuration={})['id']}").json()  # fmt: skip
    assert "id" not in payment["source"]


@pytest.mark.parametrize(
    ("number", "reason", "response"),
    [
        (NO_FUNDS, "not_enough_funds", "20051"),
        (WRONG_CODE, "invalid_customer_data", "200N7"),
        (EXPIRED, "invalid_customer_data", "20054"),
        ("4111111111111129", "try_again", "20001"),
        ("4941202060999329", "try_again", "30041"),
    ],
)
def test_a_declined_card_leaves_a_declined_payment(world, number, reason, response):
    paid = world.paid(number)
    assert (paid["status"], paid["decline_reason"]) == ("Declined", reason)
    payment = world.call("GET", f"/payments/{paid['id']}").json()
    assert (payment["approved"], payment["status"]) == (False, "Declined")
    assert "id" not in payment["source"]
    [action] = world.call("GET", f"/payments/{paid['id']}/actions").json()
    assert (action["response_code"], action["approved"]) == (response, False)


def test_a_card_may_be_verified_and_still_refuse_to_pay(world):
    number = "4546381219393284"
    assert world.paid(number)["status"] == "Approved"
    assert world.paid(number, amount=100)["decline_reason"] == "not_enough_funds"


def test_a_session_is_paid_once(world):
    session = world.session()
    assert world.pay(session, world.token(NO_FUNDS).json()["token"]).json()["status"] == "Declined"
    assert world.pay(session, world.token().json()["token"]).json()["status"] == "Approved"
    assert codes(world.pay(session, world.token().json()["token"])) == ["payment_session_paid"]


def test_a_session_has_five_tries(world):
    session = world.session()
    for _ in range(5):
        world.pay(session, world.token(NO_FUNDS).json()["token"])
    assert codes(world.pay(session, world.token().json()["token"])) == ["payment_attempts_exceeded"]


def test_a_session_is_paid_by_who_has_its_secret(world):
    session = world.session()
    stranger = {**session, "payment_session_secret": "pss_other"}
    token = world.token().json()["token"]
    assert codes(world.pay(stranger, token)) == ["payment_session_secret_invalid"]
    assert world.pay({**session, "id": "ps_other"}, token).status_code == 404
    assert world.pay(session, token).json()["status"] == "Approved"  # the token was not spent


# ── stored cards ──────────────────────────────────────────────────────────────────────────────


def stored(world: World, number: str = VISA_DEBIT) -> str:
    return world.call("GET", f"/payments/{world.paid(number)['id']}").json()["source"]["id"]


def test_a_stored_card_is_changed_and_deleted(world):
    path = f"/instruments/{stored(world)}"
    holder = {"first_name": "Jane", "last_name": "Doe", "billing_address": {"country": "US"}}
    answer = world.call("PATCH", path, {"expiry_year": 2040, "account_holder": holder, "name": "J"})
    assert answer.status_code == 200
    assert set(answer.json()) == {"type", "fingerprint"}
    shown = world.call("GET", path).json()
    assert (shown["expiry_month"], shown["expiry_year"]) == (12, 2040)
    assert shown["account_holder"] == holder
    assert codes(world.call("PATCH", path, {"expiry_month": 0})) == ["expiry_month_invalid"]
    assert codes(world.call("PATCH", path, {"account_holder": "Jane"})) == [
        "account_holder_invalid"
    ]
    assert codes(world.call("PATCH", path, {"type": "bank_account"})) == ["type_invalid"]
    deleted = world.call("DELETE", path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert world.call("DELETE", path).status_code == 404
    assert world.call("GET", path).status_code == 404


def test_a_token_can_be_stored(world):
    token = world.token().json()["token"]
    made = world.call("POST", "/instruments", {"type": "token", "token": token})
    assert made.status_code == 201
    assert world.call("GET", f"/instruments/{made.json()['id']}").status_code == 200
    assert codes(world.call("POST", "/instruments", {"type": "token", "token": token})) == [
        "token_used"
    ]
    assert codes(world.call("POST", "/instruments", {"type": "sepa"})) == ["type_invalid"]


@pytest.mark.parametrize(
    ("number", "takes"), [(VISA_DEBIT, "fast_funds"), (CREDIT, "not_supported")]
)
def test_metadata_tells_whether_a_card_takes_payouts(world, number, takes):
    asked = {"source": {"type": "id", "id": stored(world, number)}, "format": "card_payouts"}
    told = world.call("POST", "/metadata/card", asked).json()
    assert told["card_payouts"]["domestic_non_money_transfer"] == takes
    assert told["scheme"] == "visa"
    assert "last4" not in told


def test_metadata_by_bin_and_token(world):
    by_bin = {"source": {"type": "bin", "bin": BRITISH_DEBIT[:8]}}
    assert world.call("POST", "/metadata/card", by_bin).json()["issuer_country"] == "GB"
    token = world.token().json()["token"]
    by_token = {"source": {"type": "token", "token": token}}
    assert world.call("POST", "/metadata/card", by_token).json()["bin"] == "40247644"
    assert world.call("POST", "/metadata/card", {"source": {"type": "bin", "bin": "999999"}}).status_code == 404  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "source_required"),
        ({"source": 7}, "source_invalid"),
        ({"source": {}}, "type_required"),
        ({"source": {"type": "card", "number": "1"}}, "source_type_invalid"),
        ({"source": {"type": "bin", "bin": "40247"}}, "bin_invalid"),
        ({"source": {"type": "token", "token": "tok_x"}}, "token_invalid"),
        ({"source": {"type": "bin", "bin": "402476"}, "format": "all"}, "format_invalid"),
    ],
    ids=str,
)
def test_metadata_says_what_is_wrong(world, body, code):
    assert codes(world.call("POST", "/metadata/card", body)) == [code]


# ── webhooks ──────────────────────────────────────────────────────────────────────────────────


def workflow(**members: Any) -> dict[str, Any]:
    action = {"type": "webhook", "url": "https://gw.example/_inbound/checkout", "headers": {"Authorization": "word"}, "signature": {"method": "HMACSHA256", "key": "a key"}}  # fmt: skip
    condition = {"type": "event", "events": {"gateway": ["card_verified", "payment_paid"]}}
    return {"name": "n", "actions": [{**action, **members}], "conditions": [condition]}


def test_events_are_posted_and_signed(own_world):
    made = own_world.call("POST", "/workflows", workflow())
    assert made.status_code == 201
    own_world.paid(NO_FUNDS)  # not asked for
    paid = own_world.paid()
    [(url, body, headers)] = own_world.posted
    assert url == "https://gw.example/_inbound/checkout"
    assert headers["Authorization"] == "word"
    assert headers["Cko-Signature"] == hmac.new(b"a key", body, hashlib.sha256).hexdigest()
    event = json.loads(body)
    assert (event["type"], event["data"]["id"]) == ("card_verified", paid["id"])
    assert event["data"]["response_summary"] == "Approved"
    path = f"/workflows/{made.json()['id']}"
    assert [each["id"] for each in own_world.call("GET", "/workflows").json()["data"]] == [made.json()["id"]]  # fmt: skip
    assert own_world.call("DELETE", path).status_code == 204
    assert own_world.call("DELETE", path).status_code == 404
    own_world.paid()
    assert len(own_world.posted) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"actions": [7]},
        workflow(url="ftp://x"),
        workflow(url=7),
        workflow(headers=[1]),
        workflow(headers={"a b": "c"}),
        workflow(headers={"a": "b\r\nc"}),
        workflow(signature="x"),
        workflow(signature={"key": 7}),
        {**workflow(), "conditions": [7]},
    ],
    ids=str,
)
def test_a_workflow_that_is_none_is_refused(world, body):
    assert codes(world.call("POST", "/workflows", body))
