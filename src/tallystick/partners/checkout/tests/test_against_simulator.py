"""The connector and the simulator together: each was written from the documentation alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.clock import MINUTE_MS
from tallystick.partners.checkout.proof import CheckoutPayment
from tallystick.partners.checkout.tests.checkout_world import (
    BRITISH_DEBIT,
    CREDIT,
    NO_FUNDS,
    PERSON,
    VISA_DEBIT,
    World,
    codes,
    token_of,
    world_at,
)
from tallystick.partners.contract import Grant, Notice, SessionRequest
from tallystick.partners.errors import GrantRevoked, PartnerRefused, ProofRejected
from tallystick.partners.registry import GuardedPartner
from tallystick.secret import Secret

pytestmark = pytest.mark.anyio

OTHER = "0193c7a0-0000-7000-8000-00000000000b"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_at(tmp_path) as world:
        yield world


@pytest.fixture
async def partner(world: World) -> AsyncIterator[GuardedPartner]:
    async with world.partner(webhook_secret="a key") as partner:
        yield partner


async def paid(world: World, partner: GuardedPartner, person: str = PERSON, **card: str) -> CheckoutPayment:  # fmt: skip
    started = await partner.start_session(SessionRequest(person))
    answer = world.complete({"id": started.external_id}, **card)
    assert answer.status_code == 200, answer.text
    return CheckoutPayment(answer.json()["token"])


async def test_a_card_from_session_to_the_end(world, partner):
    started = await partner.start_session(SessionRequest(PERSON))
    assert token_of(started.data)["amount"] == 0
    assert started.expires_at - world.clock.now_ms() <= 30 * MINUTE_MS
    proof = CheckoutPayment(world.complete({"id": started.external_id}).json()["token"])
    grant = await partner.redeem(proof)
    assert await partner.redeem(proof) == grant  # looking changes nothing; once is for the service
    card = await partner.read_card(grant)
    assert (card.brand, card.first_six, card.last_four) == ("Visa", "402476", "1519")
    assert (card.country, card.kind) == ("US", "debit")
    await partner.revoke(grant)
    await partner.revoke(grant)
    with pytest.raises(GrantRevoked):
        await partner.read_card(grant)


async def test_a_grant_says_whose_card_it_is(world, partner):
    mine = await partner.redeem(await paid(world, partner))
    theirs = await partner.redeem(await paid(world, partner, OTHER))
    assert (mine.person, theirs.person) == (PERSON, OTHER)


async def test_the_same_card_has_the_same_fingerprint(world, partner):
    cards = [
        await partner.read_card(await partner.redeem(await paid(world, partner, card=number)))
        for number in (VISA_DEBIT, VISA_DEBIT, BRITISH_DEBIT)
    ]
    assert cards[0].fingerprint == cards[1].fingerprint != cards[2].fingerprint
    assert cards[0].external_id != cards[1].external_id


@pytest.mark.parametrize(
    ("number", "kind", "country"), [(CREDIT, "credit", "US"), (BRITISH_DEBIT, "debit", "GB"), ("4000141680788456", "prepaid", "US")]
)  # fmt: skip
async def test_cards_without_use_are_told(world, partner, number, kind, country):
    card = await partner.read_card(await partner.redeem(await paid(world, partner, card=number)))
    assert (card.kind, card.country) == (kind, country)


async def test_a_payment_of_somebody_elses_is_rejected(world, partner):
    for reference in (None, "ORDER-1", "tallystick:"):
        payment = world.paid(reference=reference)
        with pytest.raises(ProofRejected, match="PAYMENT_NOT_OURS"):
            await partner.redeem(CheckoutPayment(payment["id"]))


async def test_a_card_that_was_not_stored_is_rejected(world, partner):
    payment = world.paid(payment_method_configuration=None)
    with pytest.raises(ProofRejected, match="CARD_NOT_STORED"):
        await partner.redeem(CheckoutPayment(payment["id"]))


async def test_a_declined_payment_is_rejected(world, partner):
    with pytest.raises(ProofRejected, match="PAYMENT_NOT_APPROVED"):
        await partner.redeem(CheckoutPayment(world.paid(NO_FUNDS)["id"]))


async def test_a_payment_that_is_not_there_is_rejected(partner):
    with pytest.raises(ProofRejected, match="HTTP_404"):
        await partner.redeem(CheckoutPayment("pay_" + "a" * 26))


async def test_a_session_is_over_when_we_said(world, partner):
    started = await partner.start_session(SessionRequest(PERSON))
    world.clock.set(started.expires_at)
    assert codes(world.complete({"id": started.external_id})) == ["payment_session_expired"]


async def test_a_wrong_key_is_the_operators_business(world):
    grant = Grant(Secret(json.dumps({"payment_id": "pay_" + "a" * 26, "instrument_id": "src_" + "a" * 26, "person": PERSON})), "x")  # fmt: skip
    async with world.partner(secret_key="other") as partner:
        for call in (
            partner.start_session(SessionRequest(PERSON)),
            partner.redeem(CheckoutPayment("pay_" + "a" * 26)),
            partner.read_card(grant),
            partner.revoke(grant),
        ):
            with pytest.raises(PartnerRefused, match="HTTP_401"):
                await call


async def test_a_webhook_is_verified_and_understood(world, partner):
    action = {"type": "webhook", "url": "https://gw.example/", "signature": {"method": "HMACSHA256", "key": "a key"}}  # fmt: skip
    world.call("POST", "/workflows", {"name": "n", "actions": [action]})
    proof = await paid(world, partner)
    [(_, body, headers)] = world.posted
    lower = {name.lower(): value for name, value in headers.items()}
    assert await partner.verify(lower, body)
    assert not await partner.verify(lower, body.replace(b"card_verified", b"card_verifiee"))
    notice = Notice("changed", proof.token, "card_verified")
    assert partner.translate(body) == [notice]
    grant = await partner.redeem(proof)
    assert notice == replace(notice, external_id=grant.external_id)
