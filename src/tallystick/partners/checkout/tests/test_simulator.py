"""Checkout.com's API as the simulator speaks it, over a socket: keys, sessions, tokens, control."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tallystick.clock import HOUR_MS, MINUTE_MS, to_iso
from tallystick.partners.checkout.simulator.cards import BY_KEY, BY_NUMBER, is_luhn_valid
from tallystick.partners.checkout.tests.checkout_world import (
    NO_FUNDS,
    SESSION,
    VISA_DEBIT,
    codes,
    token_of,
    world_at,
)


def test_the_cards_are_what_they_say():
    assert all(is_luhn_valid(number) for number in BY_NUMBER)
    assert len(BY_KEY) == len(BY_NUMBER)
    assert len({card.fingerprint for card in BY_KEY.values()}) == len(BY_KEY)
    assert not is_luhn_valid("4024764449971518")


# ── who may call ──────────────────────────────────────────────────────────────────────────────

GOOD_KEY = "sk_sbox_" + "a2" * 13 + "#"


@pytest.mark.parametrize("key", ["sandbox", GOOD_KEY])
def test_sandbox_keys_are_accepted(world, key):
    assert world.call("POST", "/payment-sessions", SESSION, key=key).status_code == 201


@pytest.mark.parametrize(
    "key",
    ["x", "wrong", GOOD_KEY.replace("sbox_", ""), GOOD_KEY.replace("sk", "pk"), GOOD_KEY + "a"],
)
def test_other_keys_are_not(world, key):
    answer = world.call("POST", "/payment-sessions", SESSION, key=key)
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["cko-request-id"]


def test_each_key_has_its_own_calls(world):
    assert world.call("POST", "/tokens", {}, key=GOOD_KEY).status_code == 401
    assert world.call("POST", "/tokens", {}, key=GOOD_KEY.replace("sk", "pk")).status_code == 422
    url = world.base_url + "/payments/pay_x"
    assert httpx2.get(url, headers={"Authorization": "sandbox"}).status_code == 401
    assert httpx2.get(url).status_code == 401


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"7", b"\xff", b"[" * 100_000, b'{"amount": NaN}', b'{"a": "\\ud800"}', b'{"a": ' + b"9" * 5000 + b"}", b" " * 300_000],
    ids=["empty", "cut", "list", "number", "bytes", "deep", "nan", "surrogate", "huge", "long"],
)  # fmt: skip
def test_what_is_no_object_is_malformed(world, raw):
    headers = {"Authorization": "Bearer sandbox"}
    answer = httpx2.post(world.base_url + "/payment-sessions", content=raw, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error_type"] == "request_malformed"


def test_what_is_not_there_is_not_found(world):
    for method, path in [("GET", "/payments/pay_" + "a" * 26), ("GET", "/instruments/src_x"), ("DELETE", "/instruments/src_x"), ("PATCH", "/instruments/src_x"), ("GET", "/nothing"), ("GET", "/_pages/app.py")]:  # fmt: skip
        answer = world.call(method, path, {} if method == "PATCH" else None)
        assert (answer.status_code, answer.content) == (404, b""), path
        assert answer.headers["cko-request-id"]
    assert world.call("PUT", "/payment-sessions", {}).status_code == 405


# ── payment sessions ──────────────────────────────────────────────────────────────────────────


def test_a_session_has_the_shape_of_a_live_one(world):
    answer = world.call("POST", "/payment-sessions", SESSION)
    session = answer.json()
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert set(session) == {"id", "payment_session_secret", "payment_session_token", "_links"}
    assert len(session["id"]) == len("ps_39vhHjFxZuJRKOw5Hexbnv39fC7")
    told = token_of(session)
    assert told["id"] == session["id"]
    assert told["payment_session_secret"] == session["payment_session_secret"]
    assert told["integration_domain"] == world.base_url
    assert told["payment_methods"][0]["store_payment_details"] == "enabled"


def held(holder: Any) -> dict[str, Any]:
    card = {"store_payment_details": "enabled", "account_holder": holder}
    return {"payment_method_configuration": {"card": card}}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"amount": None}, ["amount_required"]),
        ({"amount": -1}, ["amount_invalid"]),
        ({"amount": 1.5}, ["amount_invalid"]),
        ({"amount": True}, ["amount_invalid"]),
        ({"amount": 10**12}, ["amount_invalid"]),
        ({"currency": "usd", "failure_url": None}, ["failure_url_required", "currency_invalid"]),
        ({"billing": {}}, ["billing_address_country_required"]),
        ({"billing": {"address": {"country": "USA"}}}, ["country_invalid"]),
        ({"success_url": "/relative"}, ["success_url_invalid"]),
        ({"success_url": "https://[x"}, ["success_url_invalid"]),
        ({"reference": "x" * 51}, ["reference_invalid"]),
        ({"expires_on": "2020-01-01T00:00:00Z"}, ["expires_on_invalid"]),
        ({"expires_on": "soon"}, ["expires_on_invalid"]),
        ({"expires_on": 7}, ["expires_on_invalid"]),
        ({"metadata": []}, ["metadata_invalid"]),
        ({"payment_method_configuration": {"card": {"store_payment_details": "yes"}}}, ["store_payment_details_invalid"]),
        ({"payment_method_configuration": {"card": 7}}, ["store_payment_details_invalid"]),
        (held(7), ["account_holder_invalid"]),
        (held({"account_name_inquiry": True}), ["first_name_required", "last_name_required"]),
        (held({"account_name_inquiry": "yes", "first_name": "J", "last_name": "7" * 9, "middle_name": 7}), ["account_name_inquiry_invalid", "first_name_invalid", "last_name_invalid", "middle_name_invalid"]),
        (held({"type": "corporate", "first_name": "x" * 36}), ["account_holder_type_not_simulated", "first_name_invalid"]),
        ({"3ds": {"enabled": True}}, ["three_ds_not_simulated"]),
        ({"processing_channel_id": "pc_x"}, ["processing_channel_id_invalid"]),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_with_a_session_is_said(world, members, expected):
    assert codes(world.call("POST", "/payment-sessions", {**SESSION, **members})) == expected


def test_all_that_is_required_is_named(world):
    assert codes(world.call("POST", "/payment-sessions", {})) == [
        "amount_required", "currency_required", "billing_required", "success_url_required", "failure_url_required",
    ]  # fmt: skip


@pytest.mark.parametrize("where", ["reference", "description", "metadata", "customer"])
def test_a_card_number_in_a_text_is_refused_and_not_repeated(world, where):
    text = "card 4024 7644 4997 1519"
    members = {where: text if where in {"reference", "description"} else {"a": [text]}}
    answer = world.call("POST", "/payment-sessions", {**SESSION, **members})
    assert codes(answer) == ["card_number_not_allowed"]
    assert "4024" not in answer.text
    assert world.call("POST", "/payment-sessions", {**SESSION, "metadata": {"a": int(VISA_DEBIT)}}).status_code == 422  # fmt: skip


def test_a_session_ends_when_it_said(own_world):
    expires_on = to_iso(own_world.clock.now_ms() + 30 * MINUTE_MS)
    session = own_world.session(expires_on=expires_on)
    own_world.clock.advance(29 * MINUTE_MS)
    token = own_world.token().json()["token"]
    own_world.clock.advance(2 * MINUTE_MS)
    assert codes(own_world.pay(session, token)) == ["payment_session_expired"]
    by_default = own_world.session()
    own_world.clock.advance(HOUR_MS)
    token = own_world.token().json()["token"]
    assert codes(own_world.pay(by_default, token)) == ["payment_session_expired"]


# ── card tokens ───────────────────────────────────────────────────────────────────────────────


def test_a_token_tells_of_the_card_and_not_its_number(world):
    answer = world.token("4024 7644 4997 1519", name="Jane Doe")
    token = answer.json()
    assert answer.status_code == 201
    assert token["token"].startswith("tok_")
    assert (token["bin"], token["last4"], token["card_type"]) == ("40247644", "1519", "DEBIT")
    assert VISA_DEBIT not in answer.text


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"number": "4111111111111111"}, "card_number_invalid"),  # no test card of Checkout.com's
        ({"number": "4024764449971518"}, "card_number_invalid"),
        ({"number": "４０２４764449971519"}, "card_number_invalid"),
        ({"number": 4024764449971519}, "number_invalid"),
        ({"number": None}, "number_required"),
        ({"type": "applepay"}, "type_invalid"),
        ({"expiry_month": 13}, "expiry_month_invalid"),
        ({"expiry_month": "12"}, "expiry_month_invalid"),
        ({"expiry_month": True}, "expiry_month_invalid"),
        ({"expiry_year": 30}, "expiry_year_invalid"),
        ({"expiry_year": 2020}, "card_expired"),
        ({"cvv": "12"}, "cvv_invalid"),
        ({"cvv": "1２3"}, "cvv_invalid"),
        ({"cvv": 123}, "cvv_invalid"),
        ({"name": ["Jane"]}, "name_invalid"),
    ],
    ids=str,
)
def test_a_card_that_is_none_is_refused(world, members, code):
    answer = world.token(**{"number": VISA_DEBIT, **members})
    assert codes(answer) == [code]


def test_a_token_works_once_and_for_fifteen_minutes(own_world):
    token = own_world.token().json()["token"]
    assert own_world.pay(own_world.session(), token).status_code == 201
    assert codes(own_world.pay(own_world.session(), token)) == ["token_used"]
    late = own_world.token().json()["token"]
    own_world.clock.advance(15 * MINUTE_MS)
    assert codes(own_world.pay(own_world.session(), late)) == ["token_expired"]
    assert codes(own_world.pay(own_world.session(), "tok_x")) == ["token_invalid"]


# ── control, and what is kept ─────────────────────────────────────────────────────────────────


def test_the_fields_can_be_finished_without_a_browser(world):
    session = world.session()
    declined = world.complete(session, card=NO_FUNDS)
    assert codes(declined) == ["payment_declined", "not_enough_funds"]
    assert codes(world.complete(session, card="4111111111111111")) == ["card_number_invalid"]
    assert codes(world.complete(session, expiry_year=2020)) == ["card_expired"]
    assert world.complete({"id": "ps_none"}).status_code == 404
    done = world.complete(session).json()
    assert world.call("GET", f"/payments/{done['token']}").json()["approved"] is True
    assert codes(world.complete(session)) == ["payment_session_paid"]


def test_state_is_kept_across_restarts(tmp_path):
    with world_at(tmp_path) as world:
        session, paid = world.session(), world.paid()
    with world_at(tmp_path) as world:
        payment = world.call("GET", f"/payments/{paid['id']}").json()
        assert world.call("GET", f"/instruments/{payment['source']['id']}").status_code == 200
        assert "token" in world.complete(session).json()
        assert world.call("POST", "/_control/reset").status_code == 204
        assert world.call("GET", f"/payments/{paid['id']}").status_code == 404
