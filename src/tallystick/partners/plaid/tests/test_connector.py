"""The connector against a Plaid that plays its transcripts."""

import subprocess
import sys
from dataclasses import replace

import msgspec
import pytest

from tallystick.clock import SystemClock, from_iso
from tallystick.partners import contract
from tallystick.partners.contract import Grant
from tallystick.partners.errors import (
    NotOffered,
    PartnerRefused,
    PartnerUnavailable,
    ProofRejected,
)
from tallystick.partners.plaid import PARTNER, messages as plaid
from tallystick.partners.plaid.connector import Connector
from tallystick.partners.plaid.proof import PlaidProcessorToken, PlaidPublicToken
from tallystick.partners.plaid.settings import PlaidSettings
from tallystick.partners.plaid.tests.plaid_calls import (
    ACCESS,
    CALLS,
    CHECKING,
    ITEM,
    LINK,
    OF_ITEM,
    OF_PROCESSOR,
    PERSON,
    PROCESSOR,
    PUBLIC,
    SECRETS,
    leaks,
)
from tallystick.partners.plaid.tests.plaid_stage import (
    CLIENT_SECRET,
    SETTINGS,
    Stage,
    answer_of,
    check_request,
    refusal,
    transcript,
)
from tallystick.partners.registry import Registry, read_settings
from tallystick.secret import Secret

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


# ── what is asked ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", CALLS)
async def test_each_call_sends_what_the_transcript_has_and_plaid_documents(name):
    call, transcripts = CALLS[name]
    stage = Stage().play(*transcripts)
    await call(stage.partner)
    told = [transcript(each)["request"] for each in transcripts]
    assert stage.paths == [each["path"] for each in told]
    for index, (request, each) in enumerate(zip(stage.requests, told, strict=True)):
        assert request.method == "POST"
        assert stage.body(index) == each["body"]
        assert request.headers["PLAID-CLIENT-ID"] == SETTINGS.client_id
        assert request.headers["PLAID-SECRET"] == CLIENT_SECRET
        assert request.headers["Plaid-Version"] == "2020-09-14"
    for index, each in enumerate(told):
        check_request(each["path"], stage.body(index))


async def test_a_session_has_the_link_token_and_its_end():
    started = await Stage().play("link-token-create").partner.start_session(PERSON)
    assert started.token == Secret(LINK)
    assert started.expires_at == from_iso("2026-03-25T21:13:38Z")
    assert (started.href, started.data, started.external_id) == (None, None, None)


@pytest.mark.parametrize("redirect", ["https://example.com/app123", "com.example.app123"])
async def test_a_redirect_goes_along_in_both_kinds_of_session(redirect):
    request = replace(PERSON, redirect_url=redirect, grant=OF_ITEM)
    stage = Stage().play("link-token-create")
    await stage.partner.start_session(request)
    await stage.partner.start_reauth(request)
    first, second = stage.body(0), stage.body(1)
    assert redirect in first.values()
    assert redirect in second.values()
    assert first["products"] == ["auth"]
    assert "access_token" not in first
    assert second["access_token"] == ACCESS
    assert "products" not in second
    check_request("/link/token/create", first)
    check_request("/link/token/create", second)


@pytest.mark.parametrize("trouble", [None, "ITEM_LOGIN_REQUIRED", *sorted(plaid.LACKS_ACCOUNT)])
async def test_accounts_are_asked_for_again_only_where_the_linked_one_is_missing(trouble):
    request = replace(PERSON, grant=OF_ITEM, trouble=trouble)
    stage = Stage().play("link-token-create")
    await stage.partner.start_reauth(request)
    await stage.partner.start_session(request)
    wanted = {"account_selection_enabled": True} if trouble in plaid.LACKS_ACCOUNT else None
    assert [stage.body(0).get("update"), stage.body(1).get("update")] == [wanted, None]
    check_request("/link/token/create", stage.body(0))


async def test_an_exchange_is_one_call_and_its_answer_the_grant():
    stage = Stage().play("item-public-token-exchange")
    grant = await stage.partner.redeem(PlaidPublicToken(PUBLIC))
    assert len(stage.requests) == 1
    assert grant == OF_ITEM
    assert grant.external_id == ITEM
    assert plaid.opened(grant) == plaid.OfItem(ACCESS)


async def test_a_processor_token_becomes_a_grant_when_plaid_knows_it():
    grant = await Stage().play("processor-auth-get").partner.redeem(PlaidProcessorToken(PROCESSOR))
    assert grant == OF_PROCESSOR
    assert grant.external_id == CHECKING


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body["account"].update(subtype="cd"),
        lambda body: body["account"].update(type="credit", subtype="credit card"),
        lambda body: body["numbers"].update(ach=None),
    ],
)
async def test_a_processor_token_of_an_account_without_ach_is_rejected(change):
    body = answer_of("processor-auth-get")
    change(body)
    stage = Stage().say("/processor/auth/get", body)
    with pytest.raises(ProofRejected) as caught:
        await stage.partner.redeem(PlaidProcessorToken(PROCESSOR))
    assert caught.value.code == "NO_AUTH_ACCOUNTS"


@pytest.mark.parametrize(
    "proof",
    [
        PlaidPublicToken("nonsense"),
        PlaidPublicToken(ACCESS),
        PlaidPublicToken("public-sandbox-1\n"),
        PlaidPublicToken(PROCESSOR),
        PlaidProcessorToken(PUBLIC),
        PlaidProcessorToken("processor-sandbox-"),
        contract.Proof(),
    ],
)
async def test_a_proof_of_another_form_is_rejected_without_a_call(proof):
    stage = Stage()
    with pytest.raises(ProofRejected):
        await stage.partner.redeem(proof)
    assert stage.requests == []


async def test_accounts_of_an_item():
    found = await Stage().play("auth-get").partner.list_accounts(OF_ITEM)
    assert [(one.kind, one.mask) for one in found] == [("checking", "4417"), ("savings", "8802")]
    assert {one.institution for one in found} == {"Orchard Credit Union"}


async def test_the_institution_is_looked_up_when_the_item_has_no_name_for_it():
    body = answer_of("auth-get")
    body["item"]["institution_name"] = None
    stage = Stage().play("institutions-get-by-id").say("/auth/get", body)
    found = await stage.partner.list_accounts(OF_ITEM)
    assert {one.institution for one in found} == {"Orchard Credit Union"}


async def test_accounts_are_listed_without_the_institution_when_nobody_names_it():
    down = refusal("INTERNAL_SERVER_ERROR", "API_ERROR")
    stage = (
        Stage()
        .play("processor-auth-get", "processor-account-get")
        .say("/institutions/get_by_id", down, 500)
    )
    (one,) = await stage.partner.list_accounts(OF_PROCESSOR)
    assert (one.external_id, one.institution) == (CHECKING, "")
    stage.say("/processor/account/get", down, 500)
    (one,) = await stage.partner.list_accounts(OF_PROCESSOR)
    assert one.institution == ""


@pytest.mark.parametrize("code", ["NO_AUTH_ACCOUNTS", "no-depository-accounts", "NO_ACCOUNTS"])
async def test_an_item_without_accounts_has_none(code):
    stage = Stage().say("/auth/get", refusal(code, "ITEM_ERROR"), 400)
    assert await stage.partner.list_accounts(OF_ITEM) == []


async def test_balances():
    stage = Stage().play("accounts-balance-get", "processor-balance-get")
    for grant in (OF_ITEM, OF_PROCESSOR):
        found = await stage.partner.read_balance(grant, CHECKING)
        assert (found.current_cents, found.available_cents, found.currency) == (
            11_010,
            10_000,
            "USD",
        )
        assert found.as_of == stage.clock.now_ms()


async def test_a_balance_of_another_account_is_no_answer():
    stage = Stage().play("accounts-balance-get", "processor-balance-get")
    for grant in (OF_ITEM, OF_PROCESSOR):
        with pytest.raises(PartnerUnavailable):
            await stage.partner.read_balance(grant, "another-account")


@pytest.mark.parametrize(
    "code", ["ITEM_NOT_FOUND", "INVALID_ACCESS_TOKEN", "ITEM_CONCURRENTLY_DELETED"]
)
async def test_revoking_what_is_gone_is_a_success(code):
    stage = Stage().say("/item/remove", refusal(code, "ITEM_ERROR"), 400)
    assert await stage.partner.revoke(OF_ITEM) is None


async def test_revoking_fails_when_plaid_does():
    stage = Stage().say("/item/remove", refusal("INTERNAL_SERVER_ERROR", "API_ERROR"), 500)
    with pytest.raises(PartnerUnavailable):
        await stage.partner.revoke(OF_ITEM)


async def test_a_processor_token_is_given_back_without_a_call():
    stage = Stage()
    assert await stage.partner.revoke(OF_PROCESSOR) is None
    assert stage.requests == []


async def test_a_processor_token_has_no_update_mode():
    with pytest.raises(NotOffered) as caught:
        await Stage().partner.start_reauth(replace(PERSON, grant=OF_PROCESSOR))
    assert caught.value.code == "PROCESSOR_TOKEN_WITHOUT_UPDATE_MODE"


@pytest.mark.parametrize(
    "grant",
    [
        None,
        Grant(Secret(""), "x"),
        Grant(Secret("{}"), "x"),
        Grant(Secret('{"kind":"item"}'), "x"),
        Grant(Secret(ACCESS), "x"),
    ],
)
async def test_a_grant_that_is_not_ours_is_refused_without_a_call(grant):
    stage = Stage()
    with pytest.raises(PartnerRefused) as caught:
        await stage.partner.start_reauth(replace(PERSON, grant=grant))
    assert stage.requests == []
    assert leaks(caught.value) == []


# ── what is shown ─────────────────────────────────────────────────────────────────────────────


async def test_nothing_shows_a_secret():
    stage = Stage().play(*(name for _, names in CALLS.values() for name in names))
    made = [await call(stage.partner) for call, _ in CALLS.values()]
    made += [
        SETTINGS,
        stage.connector,
        vars(stage.connector),
        vars(stage.connector._wire)["_http"],
        PlaidPublicToken(PUBLIC),
        PlaidProcessorToken(PROCESSOR),
        replace(PERSON, grant=OF_ITEM),
        PARTNER,
        plaid.OfItem(ACCESS),
        plaid.OfProcessor(PROCESSOR),
        plaid.PublicTokenExchange(PUBLIC),
        plaid.link_request(SETTINGS, PERSON, update=ACCESS),
        msgspec.convert(answer_of("auth-get"), plaid.AuthAnswer),
        msgspec.convert(answer_of("item-public-token-exchange"), plaid.PublicTokenExchanged),
    ]
    for each in made:
        for shown in (repr(each), str(each), f"{each!s}"):
            assert [secret for secret in SECRETS if secret in shown] == [], type(each)


# ── the manifest ──────────────────────────────────────────────────────────────────────────────


async def test_the_manifest_leads_to_this_connector():
    registry = Registry({"plaid": SETTINGS}, clock=SystemClock(), only=[PARTNER])
    partner = registry.by_key("plaid")
    missing = {name for name, has in contract.CAPABILITIES.items() if not partner.has(has)}
    assert missing == {
        "list available connections",
        "describe a card",
        "return by redirect",
    }
    assert isinstance(partner._connector, Connector)
    await registry.close()


def test_settings_are_read_from_text():
    given = {"base_url": "https://sandbox.plaid.com", "client_id": "c", "secret": "s"}
    assert read_settings(PARTNER, given) == PlaidSettings(**given)
    for wrong in (
        {"secret": ""},
        {"client_name": "x" * 31},
        {"country_codes": "us"},
        {"country_codes": "US,"},
        {"language": "english"},
        {"simulated": "yes"},
    ):
        with pytest.raises(msgspec.ValidationError):
            read_settings(PARTNER, given | wrong)


def test_proofs_are_read_from_the_wire():
    assert {proof.member for proof in PARTNER.proofs} == {"plaid", "token"}
    assert msgspec.convert({"publicToken": PUBLIC}, PlaidPublicToken).identity() == PUBLIC
    assert msgspec.convert({"token": PROCESSOR}, PlaidProcessorToken).identity() == PROCESSOR
    for wrong in ({}, {"public_token": PUBLIC}, {"publicToken": ""}, {"publicToken": "x" * 257}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, PlaidPublicToken)


def test_the_manifest_loads_neither_end():
    """The SDK's users have the proofs without the server's libraries (architecture 4.4)."""
    told = subprocess.run(
        [sys.executable, "-c", "import sys, tallystick.partners.plaid; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert "tallystick.partners.plaid.proof" in told
    ends = ("tallystick.partners.plaid.connector", "tallystick.partners.plaid.simulator")
    assert [name for name in told if name.startswith((*ends, "joserfc", "httpx2"))] == []
