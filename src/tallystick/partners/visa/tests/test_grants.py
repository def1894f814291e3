"""What a grant is good for, against Tink's documented requests and answers (`transcripts/`)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tallystick.partners.errors import ConsentLost, GrantRevoked, PartnerUnavailable
from tallystick.partners.visa import connector
from tallystick.partners.visa.tests.visa_stage import (
    ACCOUNT,
    BALANCE,
    LIST,
    REVOKE,
    USER_BALANCE,
    Stage,
    changed,
    held,
    refused,
    transcript,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(connector, "WAITS_S", (0.0, 0.0, 0.0))


async def test_accounts_that_are_no_longer_shared_are_not_listed():
    gone = changed("list_accounts", accounts=[])
    assert await Stage(*LIST, _4=gone).partner.list_accounts(await held()) == []


async def test_balance_of_an_account_that_is_no_longer_shared_wants_the_person():
    stage = Stage(*USER_BALANCE, "list_consents", "read_balances_fresh", _4=refused(404))
    with pytest.raises(ConsentLost):
        await stage.partner.read_balance(await held(), ACCOUNT)


async def test_balance():
    balance = await Stage(*BALANCE).partner.read_balance(await held(), ACCOUNT)
    assert (balance.current_cents, balance.available_cents) == (190_000, 184_250)
    assert balance.as_of == Stage().clock.now_ms()


async def test_fresh_balance_is_not_asked_for_again():
    stage = Stage(*USER_BALANCE, "list_consents", "read_balances_fresh")
    assert await stage.partner.read_balance(await held(), ACCOUNT)


async def test_refresh_that_fails_wants_the_person():
    stage = Stage(*BALANCE[:6], "refresh_failed", "list_consents")
    with pytest.raises(ConsentLost, match="BALANCE_REFRESH_FAILED"):
        await stage.partner.read_balance(await held(), ACCOUNT)


@pytest.mark.parametrize(
    "answer",
    [
        refused(400),
        refused(403),
        refused(404),
        refused(429),
        refused(500),
        {"error": httpx2.ReadTimeout("slow")},
        {"status": 200, "json": {}},
    ],
)
async def test_refresh_that_tink_declines_leaves_the_old_balance(answer):
    stage = Stage(*BALANCE[:6], _5=answer)
    balance = await stage.partner.read_balance(await held(), ACCOUNT)
    assert balance.as_of < stage.clock.now_ms()


def balances_with(**amounts: Any) -> dict[str, Any]:
    answer = transcript("read_balances_fresh")["response"]
    answer["json"]["balances"] |= amounts
    return answer


def amount(scale: Any, unscaled: Any, currency: Any = "USD") -> dict[str, Any]:
    return {"scale": scale, "unscaledValue": unscaled, "currencyCode": currency}


@pytest.mark.parametrize(
    ("booked", "cents"),
    [
        (amount(0, 12), 1200),
        (amount("2", "-5"), -5),
        (amount(4, 120_000), 1200),
        (amount(12, 10**12), 100),
    ],
)
async def test_amounts(booked, cents):
    answer = balances_with(booked=booked, available=None)
    stage = Stage(*USER_BALANCE, "list_consents", "read_balances", _4=answer)
    balance = await stage.partner.read_balance(await held(), ACCOUNT)
    assert (balance.current_cents, balance.available_cents) == (cents, None)


@pytest.mark.parametrize(
    "booked",
    [
        None,
        amount(3, 1),
        amount(-1, 1),
        amount(10**9, 1),
        amount(2, 10**15),
        amount(2, "many"),
        amount(2, 1.5),
        amount(2, 1, "US"),
        amount(2, 1, "EUR"),
        amount(2, 1, "ÜSD"),
        {"scale": 2},
    ],
)
async def test_amounts_that_are_none(booked):
    stage = Stage(*USER_BALANCE, "list_consents", "read_balances", _4=balances_with(booked=booked))
    with pytest.raises(PartnerUnavailable):
        await stage.partner.read_balance(await held(), ACCOUNT)


async def test_balance_of_another_account_is_not_believed():
    answer = changed("read_balances_fresh", accountId="another")
    stage = Stage(*USER_BALANCE, "list_consents", "read_balances", _4=answer)
    with pytest.raises(PartnerUnavailable, match="ANSWER_ABOUT_ANOTHER"):
        await stage.partner.read_balance(await held(), ACCOUNT)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        ("AUTHENTICATION_ERROR", ConsentLost, "AUTHENTICATION_ERROR"),
        ("SESSION_EXPIRED", ConsentLost, "SESSION_EXPIRED"),
        ("DELETED", GrantRevoked, "DELETED"),
        ("TEMPORARY_ERROR", PartnerUnavailable, "CONSENT_TEMPORARY_ERROR"),
        ("NEW_WORD", PartnerUnavailable, "CONSENT_NEW_WORD"),
        ("<script>", PartnerUnavailable, "CONSENT_STATUS"),
        (None, PartnerUnavailable, "CONSENT_STATUS"),
    ],
)
async def test_statuses_of_a_consent(status, error, code):
    consents = transcript("list_consents")["response"]
    consents["json"]["providerConsents"][0]["status"] = status
    with pytest.raises(error) as caught:
        await Stage(*LIST, _3=consents).partner.list_accounts(await held())
    assert caught.value.code == code


async def test_revoke():
    stage = Stage(*REVOKE)
    await stage.partner.revoke(await held())
    assert not stage.script


@pytest.mark.parametrize(("number", "status"), [(1, 404), (3, 404), (3, 410)])
async def test_revoking_what_is_gone(number, status):
    await Stage(*REVOKE, **{f"_{number}": refused(status)}).partner.revoke(await held())


async def test_revoking_that_fails():
    with pytest.raises(PartnerUnavailable):
        await Stage(*REVOKE, _3=refused(500)).partner.revoke(await held())
