"""The app token: fetched once, renewed in time, and never at the price of the partner's lock."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from tallystick.partners.errors import PartnerRefused, PartnerUnavailable
from tallystick.partners.finicity.tests.finicity_stage import (
    ACCOUNT,
    RECEIPT,
    Stage,
    held,
    receipt,
)
from tallystick.partners.finicity.wire import COOL_DOWN_MS, RENEW_MS, TOKEN_MS

pytestmark = pytest.mark.anyio


async def test_one_token_serves_many_calls_at_once():
    stage = Stage("authenticate", "read_details", "read_details", "read_details")
    await asyncio.gather(*(stage.partner.redeem(receipt()) for _ in range(3)))
    assert stage.asked == ["authentication", "details", "details", "details"]


async def test_a_token_is_renewed_before_it_ends():
    stage, grant = await held("read_balance", "authenticate", "read_balance")
    stage.clock.advance(RENEW_MS - 1)
    await stage.partner.read_balance(grant, ACCOUNT)
    stage.clock.advance(1)
    await stage.partner.read_balance(grant, ACCOUNT)
    assert stage.asked[2:] == ["availableBalance", "authentication", "availableBalance"]


async def test_a_token_that_ended_too_early_is_renewed_once():
    stage, grant = await held("read_details_expired_token", "authenticate", "read_details")
    assert await stage.partner.list_accounts(grant)
    stage, grant = await held(
        "read_details_expired_token", "authenticate", "read_details_expired_token"
    )
    with pytest.raises(PartnerRefused) as caught:
        await stage.partner.list_accounts(grant)
    assert caught.value.code == "10023"


async def test_refused_credentials_are_not_tried_again_for_a_while():
    """Five wrong secrets lock the partner."""
    stage = Stage("authenticate_refused", "authenticate", "read_details")
    for _ in range(10):
        with pytest.raises(PartnerRefused):
            await stage.partner.redeem(receipt())
    assert stage.asked == ["authentication"]
    stage.clock.advance(COOL_DOWN_MS)
    await stage.partner.redeem(receipt())


@pytest.mark.parametrize(
    "answer", [{"status": 503, "json": {}}, {"status": 429, "json": {}}, httpx2.ConnectError("no")]
)
async def test_trouble_with_authentication_is_no_refusal(answer):
    stage = Stage("authenticate", "authenticate", "read_details", answers={0: answer})
    with pytest.raises(PartnerUnavailable):
        await stage.partner.redeem(receipt())
    await stage.partner.redeem(receipt())


async def test_an_old_token_serves_while_there_is_no_new_one():
    down = {"status": 503, "json": {}}
    script = ("authenticate", *["read_balance"] * 3, "authenticate", "read_balance")
    stage, grant = await held(*script, answers={2: down, 6: down})
    stage.clock.advance(RENEW_MS)
    for _ in range(3):
        await stage.partner.read_balance(grant, ACCOUNT)
    assert stage.asked.count("authentication") == 2
    stage.clock.advance(TOKEN_MS - RENEW_MS)
    with pytest.raises(PartnerUnavailable):
        await stage.partner.read_balance(grant, ACCOUNT)


def slow(stage: Stage) -> asyncio.Event:
    """Lets partner authentication wait; set the event to let it go on."""
    go_on = asyncio.Event()
    answer = stage.answer

    async def wait(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/authentication"):
            await go_on.wait()
        return answer(request)

    stage.connector._wire._http._client._transport = httpx2.MockTransport(wait)
    return go_on


async def test_who_stops_waiting_for_a_token_does_not_stop_the_others():
    stage = Stage("authenticate", "read_details")
    go_on = slow(stage)
    lost = asyncio.create_task(stage.partner.redeem(receipt()))
    waiting = asyncio.create_task(stage.partner.redeem(receipt()))
    await asyncio.sleep(0.01)
    lost.cancel()
    go_on.set()
    assert (await waiting).external_id == RECEIPT["receiptId"]
    assert stage.asked == ["authentication", "details"]


async def test_a_failure_is_the_failure_of_all_who_wait():
    """Else a silent Finicity would keep the last in the queue waiting for all before it."""
    stage = Stage("authenticate", answers={0: {"status": 500, "json": {}}})
    go_on = slow(stage)
    waiting = [asyncio.create_task(stage.partner.redeem(receipt())) for _ in range(20)]
    await asyncio.sleep(0.01)
    go_on.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in found} == {PartnerUnavailable}
    assert stage.asked == ["authentication"]
