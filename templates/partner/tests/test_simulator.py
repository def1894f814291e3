"""The simulator on the wire, with the connector in front of it.

REPLACE: what the partner documents; hold the answers against its OpenAPI document if it has one.
"""

from __future__ import annotations

import pytest

from tallystick.clock import HOUR_MS, MINUTE_MS
from tallystick.partners import errors
from tallystick.partners.acme.proof import AcmeCode
from tallystick.partners.acme.tests.stage import Seat
from tallystick.partners.contract import Grant, SessionRequest

pytestmark = pytest.mark.anyio

REQUEST = SessionRequest("customer-1", notify_url="http://gateway.test/_inbound/acme")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def seat() -> Seat:
    return Seat()


async def code_of(seat: Seat, **signs_in: str) -> AcmeCode:
    started = await seat.partner.start_session(REQUEST)
    done = await seat.control("complete", handle=started.href.reveal(), **signs_in)
    return AcmeCode(done["code"])


async def linked(seat: Seat) -> Grant:
    return await seat.partner.redeem(await code_of(seat))


async def test_from_session_to_balance(seat):
    grant = await linked(seat)
    assert grant.person == "customer-1"
    checking, savings = await seat.partner.list_accounts(grant)
    assert (checking.kind, savings.kind) == ("checking", "savings")
    balance = await seat.partner.read_balance(grant, checking.external_id)
    assert (balance.current_cents, balance.as_of // 1_000) == (
        125_050,
        seat.clock.now_ms() // 1_000,
    )


async def test_a_code_works_once_and_for_ten_minutes(seat):
    code = await code_of(seat)
    await seat.partner.redeem(code)
    with pytest.raises(errors.ProofRejected):
        await seat.partner.redeem(code)
    late = await code_of(seat)
    seat.clock.advance(11 * MINUTE_MS)
    with pytest.raises(errors.ProofExpired):
        await seat.partner.redeem(late)


async def test_a_session_ends(seat):
    started = await seat.partner.start_session(REQUEST)
    await seat.control("complete", 422, handle=started.href.reveal(), password="wrong")
    seat.clock.advance(HOUR_MS)
    await seat.control("complete", 410, handle=started.href.reveal())
    await seat.control("complete", 404, handle="nothing")


async def test_a_lost_login_is_told_and_repaired(seat):
    grant = await linked(seat)
    await seat.control("happen", 204, connectionId=grant.external_id, event="LOGIN_REQUIRED")
    with pytest.raises(errors.ConsentLost):
        await seat.partner.list_accounts(grant)
    started = await seat.partner.start_reauth(SessionRequest("customer-1", grant=grant))
    done = await seat.control("complete", handle=started.href.reveal())
    assert done == {"repaired": True, "connectionId": grant.external_id}
    assert len(await seat.partner.list_accounts(grant)) == 2
    told = [seat.partner.translate(body)[0] for body, _ in seat.posted]
    assert [notice.kind for notice in told] == ["reauth_required", "healthy"]
    assert {notice.external_id for notice in told} == {grant.external_id}


async def test_a_notice_is_believed_only_with_its_signature(seat):
    grant = await linked(seat)
    await seat.partner.revoke(grant)
    [(body, sent)] = seat.posted
    headers = {name.lower(): text for name, text in sent.items()}
    assert await seat.partner.verify(headers, body)
    assert seat.partner.translate(body)[0].kind == "revoked"
    assert not await seat.partner.verify(headers, body + b" ")
    for junk in ("", "t=1", "t=1,v1=0", headers["x-signature"].replace("v1=", "v1=é")):
        assert not await seat.partner.verify({"x-signature": junk}, body)
    seat.clock.advance(6 * MINUTE_MS)
    assert not await seat.partner.verify(headers, body)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"event": 1}', b"[" * 100_000, b"\xff"])
def test_a_notice_that_says_nothing(seat, body):
    assert list(seat.partner.translate(body)) == []


async def test_a_revoked_connection_stays_gone(seat):
    grant = await linked(seat)
    await seat.partner.revoke(grant)
    await seat.partner.revoke(grant)
    with pytest.raises(errors.GrantRevoked):
        await seat.partner.list_accounts(grant)
    with pytest.raises(errors.GrantRevoked):
        await seat.partner.start_reauth(SessionRequest("customer-1", grant=grant))


async def test_state_outlives_the_process(tmp_path):
    path = str(tmp_path / "shelves.db")
    grant = await linked(Seat(path))
    before, after = Seat(path), Seat(path)
    numbers = [await each.partner.list_accounts(grant) for each in (before, after)]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"user": 7}', b"[" * 100_000, b"\xff"])
async def test_hostile_bodies_are_refused_and_strangers_too(seat, content):
    keys = {"X-Client-Id": "sandbox", "X-Client-Secret": "sandbox"}
    for path in ("/link-sessions", "/tokens"):
        answer = await seat.http.post(path, content=content, headers=keys)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "REQUEST_INVALID")
        answer = await seat.http.post(path, content=content, headers={"X-Client-Id": b"\xff"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "CLIENT_UNKNOWN")


@pytest.mark.parametrize("address", ["javascript:alert(1)", "//evil.test", "ftp://x", "\x00"])
async def test_nobody_is_sent_to_a_script(seat, address):
    with pytest.raises(errors.PartnerRefused):
        await seat.partner.start_session(SessionRequest("customer-1", redirect_url=f"{address}://"))
