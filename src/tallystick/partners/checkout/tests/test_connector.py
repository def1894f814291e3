"""The connector against Checkout.com's documented requests and answers (`transcripts/`)."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import msgspec
import pytest

from tallystick.clock import from_iso
from tallystick.partners import contract
from tallystick.partners.checkout.proof import CheckoutPayment
from tallystick.partners.checkout.settings import CheckoutSettings
from tallystick.partners.checkout.tests.checkout_stage import (
    BASE,
    GRANT,
    HELD,
    INSTRUMENT,
    PAYMENT,
    PERSON,
    REQUEST_ID,
    Stage,
    changed,
    source,
)
from tallystick.partners.checkout.wire import refusal
from tallystick.partners.contract import CardHolder, Grant, Proof, SessionRequest
from tallystick.partners.errors import (
    GrantRevoked,
    PartnerError,
    PartnerRefused,
    PartnerUnavailable,
    ProofRejected,
)
from tallystick.partners.http import Answer
from tallystick.secret import Secret

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def redeem(answer: Any = None) -> Grant:
    stage = Stage("read_payment", **({} if answer is None else {"_0": answer}))
    return await stage.partner.redeem(CheckoutPayment(PAYMENT))


async def read_card(answer: Any, *more: str, **changes: Any) -> contract.Card:
    return await Stage("read_instrument", *more, _0=answer, **changes).partner.read_card(GRANT)


def refused(status: int, *codes: str, error_type: str = "request_invalid") -> dict[str, Any]:
    body = {"request_id": REQUEST_ID, "error_type": error_type, "error_codes": list(codes)}
    return {"status": status, "json": body if codes else None}


def test_it_can_what_the_partner_can():
    stage = Stage()
    can = {name for name, each in contract.CAPABILITIES.items() if stage.partner.has(each)}
    assert can == {"start a session", "redeem a proof", "describe a card", "revoke", "notify"}


# ── a session ─────────────────────────────────────────────────────────────────────────────────


async def test_a_session_has_what_flow_needs():
    stage = Stage("create_session")
    started = await stage.partner.start_session(SessionRequest(PERSON, "https://ignored.example"))
    assert started.data == {
        "id": "ps_39vhHjFxZuJRKOw5Hexbnv39fC7",
        "payment_session_secret": "pss_2400dd88-171d-4a9c-bebf-e06b56d59bb6",
        "payment_session_token": "YmFzZTY0:eyJpZCI6InBzXzM5dmhIakZ4WnVKUktPdzVIZXhibnYzOWZDNyJ9",
    }
    assert started.external_id == "ps_39vhHjFxZuJRKOw5Hexbnv39fC7"
    assert started.expires_at == from_iso("2026-11-20T10:30:00.000Z")
    assert "pss_" not in repr(started)


async def test_each_session_has_an_idempotency_key_of_its_own():
    keys = set()
    for _ in range(2):
        stage = Stage("create_session")
        await stage.partner.start_session(SessionRequest(PERSON))
        keys.add(stage.requests[0].headers["cko-idempotency-key"])
    assert len(keys) == 2


async def test_a_session_asks_whose_card_it_is():
    stage = Stage("create_session_with_inquiry")
    started = await stage.partner.start_session(
        SessionRequest(PERSON, holder=CardHolder("John", "Doe"))
    )
    assert started.external_id == "ps_39vhHjFxZuJRKOw5Hexbnv39fC7"
    assert "John" not in repr(SessionRequest(PERSON, holder=CardHolder("John", "Doe")))


@pytest.mark.parametrize("person", ["", "x" * 40])
async def test_a_person_that_no_reference_can_hold_is_refused(person):
    stage = Stage()
    with pytest.raises(PartnerRefused, match="PERSON_DOES_NOT_FIT"):
        await stage.partner.start_session(SessionRequest(person))
    assert stage.requests == []


@pytest.mark.parametrize(
    "members",
    [
        {"id": ...},
        {"id": 7},
        {"id": "ps_/../x"},
        {"id": ""},
        {"payment_session_secret": ...},
        {"payment_session_token": None},
        {"payment_session_token": ""},
        {"payment_session_token": "x" * 20_000},
    ],
    ids=str,
)
async def test_a_session_that_is_none_is_unreadable(members):
    stage = Stage("create_session", _0=changed("create_session", **members))
    with pytest.raises(PartnerUnavailable, match="UNREADABLE_ANSWER"):
        await stage.partner.start_session(SessionRequest(PERSON))


# ── redeeming ─────────────────────────────────────────────────────────────────────────────────


async def test_a_payment_becomes_a_grant_that_says_whose_it_is():
    grant = await redeem()
    assert grant.external_id == PAYMENT
    assert json.loads(grant.secret.reveal()) == HELD
    assert grant.person == PERSON
    assert grant.consent_expires_at is None
    assert grant.name_match is None


@pytest.mark.parametrize(
    ("holder", "said"),
    [
        ({"account_name_inquiry": "full_match"}, "full-match"),
        ({"account_name_inquiry": "partial_match"}, "partial-match"),
        ({"account_name_inquiry": "no_match"}, "no-match"),
        ({"account_name_inquiry": "not_performed"}, "not-performed"),
        ({"account_name_inquiry": "not_supported"}, "not-supported"),
        ({"account_name_inquiry": "something_new"}, None),
        ({"account_name_inquiry": None}, None),
        ({"account_name_inquiry": True}, None),
        ({"type": "individual", "first_name": "John"}, None),
        (None, None),
    ],
    ids=str,
)
async def test_what_the_issuer_says_to_a_name(holder, said):
    assert (await redeem(source(account_holder=holder))).name_match == said


@pytest.mark.parametrize("status", ["Card Verified", "Authorized", "Captured"])
async def test_statuses_that_prove_the_card(status):
    assert await redeem(changed("read_payment", status=status))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (changed("read_payment", approved=False), "PAYMENT_NOT_APPROVED"),
        (changed("read_payment", approved=...), "PAYMENT_NOT_APPROVED"),
        (changed("read_payment", status="Declined"), "PAYMENT_NOT_APPROVED"),
        (changed("read_payment", status="Pending"), "PAYMENT_NOT_APPROVED"),
        (changed("read_payment", status="Voided"), "PAYMENT_NOT_APPROVED"),
        (changed("read_payment", status="captured"), "PAYMENT_NOT_APPROVED"),
        (changed("read_payment", source=...), "PAYMENT_WITHOUT_A_CARD"),
        (source(type="paypal"), "PAYMENT_WITHOUT_A_CARD"),
        (source(id=...), "CARD_NOT_STORED"),
        (changed("read_payment", reference=...), "PAYMENT_NOT_OURS"),
        (changed("read_payment", reference="ORDER-1"), "PAYMENT_NOT_OURS"),
        (changed("read_payment", reference="tallystick:"), "PAYMENT_NOT_OURS"),
        ({"status": 404, "json": None}, "HTTP_404"),
    ],
    ids=str,
)
async def test_a_payment_that_proves_nothing_is_rejected(answer, code):
    with pytest.raises(ProofRejected, match=code):
        await redeem(answer)


@pytest.mark.parametrize(
    "token", ["sid_mbabizu24mvu3mela5njyhpit4", "pay_", PAYMENT + "a", "pay_../../../instruments/abc", PAYMENT + "\n", "4024764449971519", "pay_mbabizu24mvu3mela5njyhpit\u0664"]
)  # fmt: skip
async def test_what_is_no_payment_id_goes_nowhere(token):
    stage = Stage()
    with pytest.raises(ProofRejected) as caught:
        await stage.partner.redeem(CheckoutPayment(token))
    assert stage.requests == []
    assert token not in str(caught.value)


async def test_another_kind_of_proof_is_rejected():
    with pytest.raises(ProofRejected):
        await Stage().partner.redeem(Proof())


async def test_an_answer_about_another_payment_is_not_believed():
    with pytest.raises(PartnerUnavailable, match="ANSWER_ABOUT_ANOTHER"):
        await redeem(changed("read_payment", id="pay_" + "a" * 26))


# ── the card ──────────────────────────────────────────────────────────────────────────────────


async def test_a_card_is_described():
    card = await Stage("read_instrument").partner.read_card(GRANT)
    assert card == contract.Card(
        external_id=INSTRUMENT,
        fingerprint=Secret("436B87AF8D5D6F7E0E1F3C8E4F9D2B51C07AA6B1"),
        brand="VISA",
        first_six="402476",
        last_four="1519",
        expiration_month=12,
        expiration_year=2030,
        country="US",
        kind="debit",
    )
    assert "436B" not in repr(card)


@pytest.mark.parametrize(
    ("members", "kind", "country"),
    [
        ({"card_type": "CREDIT"}, "credit", "US"),
        ({"card_type": "Deferred Debit"}, "deferred debit", "US"),
        ({"issuer_country": "gb"}, "debit", "GB"),
    ],
)
async def test_cards_that_dwolla_has_no_use_for_are_told(members, kind, country):
    card = await read_card(changed("read_instrument", **members))
    assert (card.kind, card.country) == (kind, country)


@pytest.mark.parametrize("missing", ["card_type", "issuer_country"])
async def test_what_the_instrument_does_not_say_the_network_does(missing):
    card = await read_card(changed("read_instrument", **{missing: ...}), "read_card_metadata")
    assert (card.kind, card.country) == ("debit", "US")


async def test_a_card_of_which_nobody_knows_the_country_is_none():
    silent = changed("read_card_metadata", issuer_country=...)
    with pytest.raises(PartnerUnavailable, match="CARD_NOT_DESCRIBED"):
        await read_card(
            changed("read_instrument", issuer_country=...), "read_card_metadata", _1=silent
        )


async def test_metadata_of_another_card_is_not_believed():
    other = changed("read_card_metadata", bin="53187730")
    with pytest.raises(PartnerUnavailable, match="ANSWER_ABOUT_ANOTHER"):
        await read_card(changed("read_instrument", card_type=...), "read_card_metadata", _1=other)


async def test_a_deleted_card_is_a_revoked_grant():
    with pytest.raises(GrantRevoked):
        await read_card({"status": 404, "json": None})


async def test_an_answer_about_another_card_is_not_believed():
    with pytest.raises(PartnerUnavailable, match="ANSWER_ABOUT_ANOTHER"):
        await read_card(changed("read_instrument", id="src_" + "a" * 26))


@pytest.mark.parametrize(
    "members",
    [
        {"id": "src_../payments"},
        {"type": "bank_account"},
        {"expiry_month": 13},
        {"expiry_month": "**"},
        {"expiry_year": 30},
        {"expiry_year": 1e400},
        {"last4": "15190"},
        {"last4": 1519},
        {"last4": "15I9"},
        {"bin": "40247"},
        {"bin": "4024764449971519"},
        {"fingerprint": ...},
        {"fingerprint": ""},
        {"scheme": None},
        {"issuer_country": "USA"},
    ],
    ids=str,
)
async def test_a_card_that_is_none_is_unreadable(members):
    answer = changed("read_instrument", **members)
    if members == {"expiry_year": 1e400}:
        answer["raw"] = (
            json.dumps({**answer["json"], "expiry_year": 7}).replace("7}", "1e400}").encode()
        )
    with pytest.raises(PartnerUnavailable):
        await read_card(answer)


@pytest.mark.parametrize("secret", ["", "{}", "null", '{"payment_id":1}', "[" * 5000])
async def test_a_grant_that_is_none_of_ours_is_refused(secret):
    grant = Grant(Secret(secret), external_id="x")
    with pytest.raises(PartnerRefused, match="UNREADABLE_GRANT"):
        await Stage().partner.read_card(grant)
    with pytest.raises(PartnerRefused, match="UNREADABLE_GRANT"):
        await Stage().partner.revoke(grant)


async def test_a_card_is_given_back():
    stage = Stage("delete_instrument")
    await stage.partner.revoke(GRANT)
    assert len(stage.requests) == 1


async def test_a_card_that_is_gone_is_given_back():
    await Stage("delete_instrument", _0={"status": 404, "json": None}).partner.revoke(GRANT)


# ── refusals ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        ({"status": 401, "json": None}, PartnerRefused, "HTTP_401"),
        ({"status": 403, "json": None}, PartnerRefused, "HTTP_403"),
        ({"status": 404, "json": None}, PartnerRefused, "HTTP_404"),
        (refused(422, "processing_channel_id_required"), PartnerRefused, "processing_channel_id_required"),
        (refused(422, "4024 7644 4997 1519"), PartnerRefused, "request_invalid"),
        ({"status": 422, "json": [1]}, PartnerRefused, "HTTP_422"),
        ({"status": 422, "json": {"error_codes": {"a": 1}, "error_type": None}}, PartnerRefused, "HTTP_422"),
        (refused(429, "rate_limit_exceeded"), PartnerUnavailable, "rate_limit_exceeded"),
        ({"status": 500, "json": None}, PartnerUnavailable, "HTTP_500"),
        ({"status": 302, "json": None}, PartnerUnavailable, "HTTP_302"),
        ({"status": 502, "raw": b"<html>"}, PartnerUnavailable, "HTTP_502"),
        ({"status": 200, "raw": b'{"id": NaN}'}, PartnerUnavailable, "NOT_JSON"),
        ({"status": 200, "raw": b"[" * 100_000}, PartnerUnavailable, "NOT_JSON"),
        ({"status": 200, "json": None}, PartnerUnavailable, "UNREADABLE_ANSWER"),
        ({"status": 200, "json": "text"}, PartnerUnavailable, "UNREADABLE_ANSWER"),
    ],
    ids=str,
)  # fmt: skip
async def test_refusals_are_sorted(answer, error, code):
    stage = Stage("create_session", _0=answer)
    with pytest.raises(error) as caught:
        await stage.partner.start_session(SessionRequest(PERSON))
    assert type(caught.value) is error
    assert caught.value.code == code
    assert len(stage.requests) == 1


async def test_a_call_that_was_turned_away_has_not_acted():
    stage = Stage("create_session", _0=refused(429))
    with pytest.raises(PartnerUnavailable) as caught:
        await stage.partner.start_session(SessionRequest(PERSON))
    assert caught.value.acted is False
    assert caught.value.request_id == REQUEST_ID


async def test_a_request_id_that_is_none_is_not_kept():
    stage = Stage("create_session", _0={**refused(422, "x"), "request_id": "a b\x01"})
    with pytest.raises(PartnerError) as caught:
        await stage.partner.start_session(SessionRequest(PERSON))
    assert caught.value.request_id is None


def test_settings_show_no_value():
    settings = CheckoutSettings(base_url=BASE, secret_key="sk_sbox_key")
    assert "sk_sbox" not in repr(settings)
    for wrong in (
        {"processing_channel_id": "pc_x"},
        {"landing_url": "javascript:1"},
        {"secret_key": ""},
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"base_url": BASE, "secret_key": "k", **wrong}, CheckoutSettings)


def test_a_key_that_checkout_repeats_is_no_error_code():
    answer = Answer(401, httpx2.Headers(), {"error_type": "sk_sbox_4bd3xq7", "error_codes": []})
    assert refusal(answer, PartnerRefused).code == "HTTP_401"
