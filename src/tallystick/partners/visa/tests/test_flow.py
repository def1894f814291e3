"""The connector against the simulator, from the session to the revoked grant."""

from __future__ import annotations

import pytest

from tallystick.clock import HOUR_MS, MINUTE_MS
from tallystick.partners import contract
from tallystick.partners.contract import Grant, Returned, SessionRequest
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    PartnerRefused,
    PartnerUnavailable,
    ProofRejected,
)
from tallystick.partners.visa import connector
from tallystick.partners.visa.proof import VisaRepaired, VisaReport
from tallystick.partners.visa.tests.visa_world import PERSON, RETURN, World
from tallystick.secret import Secret

pytestmark = pytest.mark.anyio


@pytest.fixture
def world(monkeypatch) -> World:
    monkeypatch.setattr(connector, "WAITS_S", (0.0, 0.0, 0.0))
    return World()


def test_capabilities(world):
    has = {name for name, each in contract.CAPABILITIES.items() if world.partner.has(each)}
    assert has == {
        "start a session",
        "re-authenticate",
        "redeem a proof",
        "describe accounts",
        "read balances",
        "revoke",
        "notify",
        "return by redirect",
    }


async def test_session_leads_to_tink_link_and_hides_its_code(world):
    started = await world.partner.start_session(world.request())
    href = started.href.reveal()
    assert href.startswith("http://127.0.0.1:7420/_partners/visa/1.0/account-check/connect?")
    assert "authorization_code=" in href
    assert href not in repr(started)
    assert started.expires_at - world.clock.now_ms() <= connector.CODE_MS


@pytest.mark.parametrize("missing", [{"return_url": None}, {"state": None}])
async def test_session_needs_a_way_back(world, missing):
    with pytest.raises(PartnerRefused):
        await world.partner.start_session(world.request(**missing))
    grant = await world.linked()
    with pytest.raises(PartnerRefused):
        await world.partner.start_reauth(world.request(grant=grant, **missing))


async def test_account_is_linked(world):
    returned = await world.returned()
    assert returned.state == "opaque-state"
    proof = returned.proof
    assert isinstance(proof, VisaReport)
    grant = await world.partner.redeem(proof.opened(Secret(PERSON)))
    assert grant.external_id == proof.credentials_id
    [account] = await world.partner.list_accounts(grant)
    assert (account.kind, account.institution) == ("checking", "Demo Bank")
    assert account.routing.reveal() == "222222226"
    assert account.number.reveal().endswith(account.mask)
    balance = await world.partner.read_balance(grant, account.external_id)
    assert (balance.current_cents, balance.available_cents) == (190_000, 184_250)
    assert balance.currency == "USD"


async def test_the_other_account_is_linked(world):
    grant = await world.linked(accounts=["savings"])
    [account] = await world.partner.list_accounts(grant)
    assert account.kind == "savings"


async def test_second_session_of_a_person_finds_its_user(world):
    first, second = await world.linked(), await world.linked()
    assert first.external_id != second.external_id
    assert len(world.shelf.all("user")) == 1


async def test_report_may_be_redeemed_again_within_its_hour(world):
    proof = (await world.returned()).proof.opened(Secret(PERSON))
    assert await world.partner.redeem(proof) == await world.partner.redeem(proof)
    world.clock.advance(HOUR_MS)
    with pytest.raises(ProofRejected):
        await world.partner.redeem(proof)


async def test_report_of_another_person_is_refused(world):
    stolen = (await world.returned()).proof
    await world.linked("somebody-else")
    with pytest.raises(ProofRejected, match="REPORT_OF_ANOTHER_PERSON"):
        await world.partner.redeem(stolen.opened(Secret("somebody-else")))


async def test_credentials_id_from_the_browser_is_only_a_hint(world):
    proof = (await world.returned()).proof
    forged = VisaReport(proof.report_id, "0" * 32, PERSON)
    assert (await world.partner.redeem(forged)).external_id == proof.credentials_id
    silent = VisaReport(proof.report_id, None, PERSON)
    assert (await world.partner.redeem(silent)).external_id == proof.credentials_id


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        (VisaReport("0" * 32), "NO_PERSON"),
        (VisaReport("0" * 32, None, PERSON), "HTTP_404"),
        (VisaReport("0" * 32, None, "a-stranger"), "HTTP_404"),
        (VisaRepaired("0" * 32), "UNKNOWN_KIND_OF_PROOF"),
    ],
)
async def test_proofs_that_are_refused(world, proof, code):
    await world.linked()
    with pytest.raises(ProofRejected, match=code):
        await world.partner.redeem(proof)


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"user": "u92721594", "password": "nbs589"}, "AUTHENTICATION_ERROR"),
        ({"user": "u35490150", "password": "typo"}, "AUTHENTICATION_ERROR"),
        ({"user": "u91902655", "password": "jtx720"}, "TEMPORARY_ERROR"),
        ({"consent": False}, "USER_CANCELLED"),
    ],
)
async def test_visit_that_fails(world, how, error):
    assert await world.returned(**how) == Returned("opaque-state", error=error)


async def test_login_without_accounts_gives_no_grant(world):
    proof = (await world.returned(user="u51613239", password="cty440")).proof
    with pytest.raises(ProofRejected, match="NO_ACCOUNTS"):
        await world.partner.redeem(proof.opened(Secret(PERSON)))


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"error": "INTERNAL_ERROR"}, "TEMPORARY_ERROR"),
        ({"error": "BAD_REQUEST", "error_reason": "x"}, "TEMPORARY_ERROR"),
        ({"error": ""}, "TEMPORARY_ERROR"),
        ({"error": "USER_CANCELLED", "account_verification_report_id": "1"}, "USER_CANCELLED"),
    ],
)
async def test_errors_that_come_back(world, query, error):
    assert world.partner.read_return({"state": "s", **query}) == Returned("s", error=error)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"error": "USER_CANCELLED"},
        {"state": "", "error": "USER_CANCELLED"},
        {"state": "s"},
        {"state": "s" * 5_000, "error": "USER_CANCELLED"},
        {"state": "s", "account_verification_report_id": ""},
        {"state": "s", "account_verification_report_id": "../../user/delete"},
        {"state": "s", "account_verification_report_id": "1", "credentials_id": "a\n"},
        {"state": "s", "account_verification_report_id": "x" * 65},
        {"state": "s", "credentials_id": "\x00"},
    ],
)
async def test_returns_that_are_not_readable(world, query):
    with pytest.raises(PartnerUnavailable):
        world.partner.read_return(query)


# ── balances, repair, revoking ────────────────────────────────────────────────────────────────


async def test_balance_is_asked_for_again_after_fifteen_minutes(world):
    grant = await world.linked()
    [account] = await world.partner.list_accounts(grant)
    first = await world.partner.read_balance(grant, account.external_id)
    world.clock.advance(14 * MINUTE_MS)
    same = await world.partner.read_balance(grant, account.external_id)
    assert same == first
    world.clock.advance(MINUTE_MS)
    later = await world.partner.read_balance(grant, account.external_id)
    assert later.as_of - first.as_of >= 15 * MINUTE_MS


async def test_balance_that_takes_too_long_is_the_old_one(world, monkeypatch):
    monkeypatch.setattr(connector, "WAITS_S", (0.0,))
    grant = await world.linked()
    [account] = await world.partner.list_accounts(grant)
    first = await world.partner.read_balance(grant, account.external_id)
    world.clock.advance(HOUR_MS)
    assert (await world.partner.read_balance(grant, account.external_id)).as_of == first.as_of


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("AUTHENTICATION_ERROR", ConsentLost),
        ("SESSION_EXPIRED", ConsentLost),
        ("TEMPORARY_ERROR", PartnerUnavailable),
        ("DELETED", GrantRevoked),
    ],
)
async def test_consent_that_does_not_work(world, status, error):
    grant = await world.linked()
    [account] = await world.partner.list_accounts(grant)
    await world.degrade(grant, status)
    with pytest.raises(error, match=status):
        await world.partner.read_balance(grant, account.external_id)
    with pytest.raises(error, match=status):
        await world.partner.list_accounts(grant)


async def test_lost_consent_is_renewed(world):
    grant = await world.linked()
    [account] = await world.partner.list_accounts(grant)
    await world.degrade(grant, "SESSION_EXPIRED")
    started = await world.partner.start_reauth(world.request(grant=grant))
    href = started.href.reveal()
    assert "/1.0/account-check/update-consent?" in href
    returned = world.read(await world.complete(href))
    assert returned.proof == VisaRepaired(grant.external_id)
    assert await world.partner.list_accounts(grant) == [account]


async def test_renewal_by_somebody_else_fails(world):
    grant = await world.linked()
    await world.degrade(grant, "SESSION_EXPIRED")
    started = await world.partner.start_reauth(world.request(grant=grant))
    other = {"user": "u30915384", "password": "bsw325"}
    returned = world.read(await world.complete(started.href.reveal(), **other))
    assert returned.error == "AUTHENTICATION_ERROR"


async def test_revoked_grant_is_over(world):
    grant = await world.linked()
    [account] = await world.partner.list_accounts(grant)
    await world.partner.revoke(grant)
    await world.partner.revoke(grant)
    with pytest.raises(GrantRevoked):
        await world.partner.list_accounts(grant)
    with pytest.raises(GrantRevoked):
        await world.partner.read_balance(grant, account.external_id)


async def test_grant_of_a_user_who_is_gone(world):
    grant = await world.linked()
    headers = await world.user_token(PERSON, "user:delete")
    assert (await world.client.post("/api/v1/user/delete", headers=headers)).status_code == 204
    with pytest.raises(GrantRevoked):
        await world.partner.list_accounts(grant)
    with pytest.raises(GrantRevoked):
        await world.partner.start_reauth(world.request(grant=grant))
    await world.partner.revoke(grant)


async def test_grants_that_are_not_ours(world):
    grant = await world.linked()
    with pytest.raises(GrantRevoked):
        await world.partner.read_balance(grant, "another-account")
    for secret in ("", "not json", "{}", "[]"):
        with pytest.raises(GrantRevoked):
            await world.partner.list_accounts(Grant(Secret(secret), "x"))
    with pytest.raises(GrantRevoked):
        await world.partner.start_reauth(SessionRequest(PERSON, return_url=RETURN, state="s"))


async def test_state_survives_a_restart(world, tmp_path):
    path = str(tmp_path / "shelves.db")
    grant = await World(path).linked()
    assert len(await World(path).partner.list_accounts(grant)) == 1
