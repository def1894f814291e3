"""The connector against what Flinks documents (`transcripts/`)."""

from __future__ import annotations

import base64

import httpx2
import msgspec
import pytest

from tallystick.partners import contract
from tallystick.partners.contract import CAPABILITIES, Grant, Proof
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    PartnerRefused,
    PartnerUnavailable,
    ProofRejected,
)
from tallystick.partners.flinks import PARTNER
from tallystick.partners.flinks.proof import FlinksPair
from tallystick.partners.flinks.settings import FlinksSettings
from tallystick.partners.flinks.tests import simulator_stage
from tallystick.partners.flinks.tests.flinks_stage import (
    ACCESS_TOKEN,
    ACCOUNT,
    AUTH_SECRET,
    GRANT,
    LOGIN,
    NUMBER,
    PROOF,
    ROUTING,
    Stage,
    answer_of,
    leaks,
    pair,
)
from tallystick.partners.registry import read_settings
from tallystick.secret import Secret

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_a_pair_becomes_a_grant_with_one_look():
    stage = Stage()
    grant = await stage.partner.redeem(PROOF)
    assert grant == GRANT
    assert grant.external_id == LOGIN
    assert len(stage.requests) == 1


async def test_the_account_under_a_grant():
    [account] = await Stage().partner.list_accounts(GRANT)
    assert (account.external_id, account.kind, account.mask) == (ACCOUNT, "checking", "1007")
    assert (account.number.reveal(), account.routing.reveal()) == (NUMBER, ROUTING)
    assert (account.name, account.institution) == ("Everyday Checking", "FlinksCapital")


async def test_the_balance_is_that_of_the_last_refresh():
    balance = await Stage().partner.read_balance(GRANT, ACCOUNT)
    assert (balance.current_cents, balance.available_cents) == (432_140, 123_445)
    assert balance.currency == "USD"
    assert balance.as_of == 1_769_028_467_146


async def test_another_account_than_the_one_shared():
    with pytest.raises(GrantRevoked):
        await Stage().partner.read_balance(GRANT, "another")


async def test_a_canadian_account_is_refused_where_another_can_still_be_chosen():
    stage = Stage("partner_access_canadian")
    with pytest.raises(ProofRejected, match="NO_US_ACCOUNT"):
        await stage.partner.redeem(PROOF)
    assert list(await stage.partner.list_accounts(GRANT)) == []


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("Type", "LineOfCredit"),
        ("Type", None),
        ("Currency", "CAD"),
        ("TransitNumber", "222222227"),
        ("TransitNumber", "22222222６"),
        ("TransitNumber", None),
        ("AccountNumber", "111-1007"),
        ("AccountNumber", "１１１１007"),
        ("AccountNumber", "1" * 18),
        ("AccountNumber", "123"),
        ("AccountNumber", None),
    ],
)
async def test_an_account_that_ach_cannot_reach_is_left_out(member, value):
    body = answer_of("partner_access")
    body["GetAccountsDetail"][0]["Accounts"][0][member] = value
    assert list(await Stage(body=body).partner.list_accounts(GRANT)) == []


async def test_an_answer_about_another_login():
    other = Grant(GRANT.secret, "11111111-1ed3-468f-ae30-08d6decf1675")
    with pytest.raises(PartnerUnavailable, match="ANSWER_ABOUT_ANOTHER"):
        await Stage().partner.list_accounts(other)


async def test_an_answer_about_two_logins():
    body = answer_of("partner_access")
    body["GetAccountsDetail"][0]["Login"]["Id"] = "another"
    with pytest.raises(PartnerUnavailable):
        await Stage(body=body).partner.redeem(PROOF)


async def test_a_pair_that_opens_nothing():
    stage = Stage("access_denied")
    with pytest.raises(ProofRejected, match="ACCESS_DENIED"):
        await stage.partner.redeem(PROOF)
    with pytest.raises(ConsentLost):
        await stage.partner.list_accounts(GRANT)


async def test_flinks_still_collects():
    with pytest.raises(PartnerUnavailable, match="OPERATION_PENDING") as pending:
        await Stage("operation_pending").partner.redeem(PROOF)
    assert pending.value.acted is False


@pytest.mark.parametrize(
    ("status", "redeeming", "reading"),
    [
        (400, PartnerRefused, PartnerRefused),
        (403, ProofRejected, ConsentLost),
        (404, ProofRejected, GrantRevoked),
        (410, ProofRejected, GrantRevoked),
        (302, PartnerUnavailable, PartnerUnavailable),
        (429, PartnerUnavailable, PartnerUnavailable),
        (503, PartnerUnavailable, PartnerUnavailable),
    ],
)
async def test_other_answers(status, redeeming, reading):
    stage = Stage(status=status, body={"FlinksCode": AUTH_SECRET, "RequestId": f"{NUMBER}\n"})
    with pytest.raises(redeeming) as first:
        await stage.partner.redeem(PROOF)
    with pytest.raises(reading):
        await stage.partner.list_accounts(GRANT)
    assert first.value.code == f"HTTP_{status}"
    assert leaks(first.value) == []


async def test_a_bank_that_is_away_is_no_lost_consent():
    stage = Stage(status=401, body={"FlinksCode": "RETRY_LATER"})
    with pytest.raises(PartnerUnavailable):
        await stage.partner.list_accounts(GRANT)


@pytest.mark.parametrize("error", [httpx2.ConnectError("x"), httpx2.ReadTimeout("x")])
async def test_no_answer_leaves_nothing_behind(error):
    with pytest.raises(PartnerUnavailable) as away:
        await Stage(error=error).partner.redeem(PROOF)
    assert away.value.acted is False
    assert leaks(away.value) == []


# ── proofs ────────────────────────────────────────────────────────────────────────────────────


def b64(plain: str | bytes) -> str:
    return base64.b64encode(plain.encode() if isinstance(plain, str) else plain).decode()


MALFORMED = [
    "processor-sandbox-0f3e1d44",
    "not base64!",
    "YWJj\nZGVm",
    b64("no-colon"),
    b64(":token"),
    b64("secret:"),
    b64("secret:../v3/other"),
    b64("secret:token?x=1"),
    b64("secret:a:b"),
    b64("two words:token"),
    b64("secret\r\nX-Evil: 1:token"),
    b64("sécret:token"),
    b64(b"\xff\xfe:token"),
    b64("s" * 600 + ":token"),
    "A" * 4096,
]


@pytest.mark.parametrize("token", MALFORMED)
async def test_a_malformed_token_never_reaches_flinks(token):
    stage = Stage()
    with pytest.raises(ProofRejected, match="MALFORMED_TOKEN") as rejected:
        await stage.partner.redeem(FlinksPair(token))
    assert stage.requests == []
    assert token not in f"{rejected.value!r}"
    assert FlinksPair(token).identity() == token


def test_a_pair_has_one_identity_and_shows_nothing():
    assert PROOF.read() == (AUTH_SECRET, ACCESS_TOKEN)
    assert PROOF.identity() == pair().identity() != pair("other").identity()
    assert PROOF.token not in repr(PROOF)


@pytest.mark.parametrize("token", ["", "x" * 4097, 7, None])
def test_what_is_no_token_at_all(token):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"token": token}, FlinksPair)


async def test_another_kind_of_proof():
    with pytest.raises(ProofRejected):
        await Stage().partner.redeem(Proof())


async def test_a_grant_that_is_not_ours():
    with pytest.raises(GrantRevoked):
        await Stage().partner.list_accounts(Grant(Secret("access-sandbox-1"), LOGIN))


# ── what it is ────────────────────────────────────────────────────────────────────────────────


def test_capabilities():
    partner = Stage().partner
    has = {name for name, kind in CAPABILITIES.items() if partner.has(kind)}
    assert has == {"redeem a proof", "describe accounts", "read balances", "notify"}
    assert not partner.has(contract.StartsSessions)


def test_settings_need_an_address_and_nothing_else():
    settings = read_settings(PARTNER, {"base_url": "https://x.private.fin.ag"})
    assert isinstance(settings, FlinksSettings)
    assert settings.webhook_secret is None
    with pytest.raises(msgspec.ValidationError):
        read_settings(PARTNER, {"base_url": "https://x", "webhook_secret": ""})


# ── Flinks' own documents ─────────────────────────────────────────────────────────────────────


def test_the_one_call_is_in_no_document_and_what_it_shows_is():
    """Flinks describes `/partneraccess` in its reference alone; when one of its OpenAPI documents
    has it, this fails, and the request is to be held against that. What it shows of an account is
    the documented answer of GetAccountsDetail; that members without a value are null is not in it.
    """
    if not simulator_stage.operations():
        pytest.skip("../shared/specs has no documents of Flinks")
    asked = Stage().expected
    assert simulator_stage.documented(asked["method"], asked["path"]) is None
    path = f"{simulator_stage.BANKING}/GetAccountsDetail"
    for name in ("partner_access", "partner_access_canadian"):
        shown = answer_of(name)["GetAccountsDetail"]
        for each in shown if isinstance(shown, list) else [shown]:
            answer = httpx2.Response(200, json=_without_nulls(each))
            simulator_stage.check("POST", path, answer)


def _without_nulls(node: object) -> object:
    if isinstance(node, list):
        return [_without_nulls(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {name: _without_nulls(value) for name, value in node.items() if value is not None}
