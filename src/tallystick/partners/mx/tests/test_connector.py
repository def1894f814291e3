"""The connector against MX's documented requests and answers (`transcripts/`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tallystick.clock import HOUR_MS, from_iso
from tallystick.partners import contract
from tallystick.partners.contract import Grant, SessionRequest
from tallystick.partners.errors import (
    ConsentLost,
    GrantRevoked,
    NotOffered,
    PartnerError,
    PartnerRefused,
    PartnerUnavailable,
    ProofRejected,
)
from tallystick.partners.mx.connector import WIDGET_MS
from tallystick.partners.mx.proof import MxAuthorizationCode, MxAvailableConnection
from tallystick.partners.mx.settings import MxSettings
from tallystick.partners.mx.tests.mx_stage import (
    BASE,
    CHECKING,
    MEMBER,
    NOW_MS,
    PROOF,
    TRANSCRIPTS,
    USER,
    Stage,
    transcript,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def refused(status: int, body: Any = None) -> dict[str, Any]:
    return {"status": status, "json": body or {"error": {"message": "no"}}}


GRANT = ("read_member", "list_account_numbers", "read_account")


async def held(**changes: Any) -> tuple[Stage, Grant]:
    stage = Stage(*GRANT)
    grant = await stage.partner.redeem(PROOF)
    return stage, grant


async def test_a_session_for_a_known_person():
    stage = Stage("find_user", "widget_url")
    started = await stage.partner.start_session(SessionRequest("customer-1"))
    assert started.href.reveal().startswith("https://int-widgets.moneydesktop.com/md/connect/")
    assert started.expires_at - stage.clock.now_ms() <= WIDGET_MS
    assert stage.requests[0].headers["authorization"] == "Basic Y2xpZW50OmtleQ=="


async def test_a_session_for_a_new_person():
    stage = Stage("find_no_user", "create_user", "widget_url")
    assert (await stage.partner.start_session(SessionRequest("customer-1"))).href


async def test_a_person_whom_another_session_makes_at_the_same_time():
    stage = Stage("find_no_user", "create_user", "find_user", "widget_url", _1=refused(409))
    assert (await stage.partner.start_session(SessionRequest("customer-1"))).href


async def test_a_session_to_repair():
    _, grant = await held()
    stage = Stage("widget_url_to_repair")
    started = await stage.partner.start_reauth(SessionRequest("customer-1", grant=grant))
    assert started.href.reveal().endswith("/repair")


async def test_connections_are_the_accounts_with_numbers():
    stage = Stage("find_user", "list_members", "list_account_numbers", "list_accounts")
    found = await stage.partner.list_connections("customer-1")
    assert [each.name for each in found] == ["MX Bank Checking", "MX Bank Savings"]
    opened = MxAvailableConnection("sealed").opened(found[0].handle)
    assert opened == PROOF


async def test_a_stranger_has_no_connections():
    assert list(await Stage("find_no_user").partner.list_connections("customer-1")) == []


async def test_names_are_unique():
    accounts = transcript("list_accounts")["response"]
    for each in accounts["json"]["accounts"]:
        each["name"] = "Same"
    stage = Stage("find_user", "list_members", "list_account_numbers", "list_accounts", _3=accounts)
    names = [each.name for each in await stage.partner.list_connections("customer-1")]
    assert names == ["MX Bank Same", "MX Bank Same 0002"]


async def test_every_page_of_a_list_is_read():
    first, second = transcript("list_members")["response"], transcript("list_members")["response"]
    first["json"]["pagination"]["total_pages"] = 2
    for each in first["json"]["members"]:
        each["connection_status"] = "DENIED"
    stage = Stage("find_user", "list_members", "list_members", "list_account_numbers", "list_accounts",
                  _1=first, _2=second)  # fmt: skip
    stage.script[2]["request"]["query"]["page"] = "2"
    assert len(await stage.partner.list_connections("customer-1")) == 2


async def test_a_shared_account_becomes_a_grant_and_describes_itself():
    _, grant = await held()
    assert grant.external_id == MEMBER
    stage = Stage(*GRANT)
    (account,) = await stage.partner.list_accounts(grant)
    assert (account.kind, account.mask, account.institution) == ("checking", "0001", "MX Bank")
    assert (account.number.reveal(), account.routing.reveal()) == ("10001", "021000021")
    balance = await Stage("read_member", "read_account").partner.read_balance(grant, CHECKING)
    assert (balance.current_cents, balance.available_cents, balance.currency) == (
        100_021,
        100_011,
        "USD",
    )


async def test_a_stale_balance_is_asked_for_again():
    _, grant = await held()
    stage = Stage("read_member", "check_balance", "read_member", "read_account")
    stage.clock.set(NOW_MS + 3 * HOUR_MS)
    balance = await stage.partner.read_balance(grant, CHECKING)
    assert balance.as_of == from_iso("2026-02-03T16:39:14Z")
    # MX declines to look again: what it knows is the answer, with its own time.
    stage = Stage("read_member", "check_balance", "read_member", "read_account", _1=refused(403))
    stage.clock.set(NOW_MS + 3 * HOUR_MS)
    assert (await stage.partner.read_balance(grant, CHECKING)).as_of == balance.as_of


def closed() -> dict[str, Any]:
    answer: dict[str, Any] = transcript("read_account")["response"]
    answer["json"]["account"]["is_closed"] = True
    return answer


@pytest.mark.parametrize("answer", [closed(), refused(404)])
async def test_an_account_that_the_member_no_longer_shows_wants_the_person(answer):
    """The member works: somebody signed in again, and not where the account is."""
    _, grant = await held()
    with pytest.raises(ConsentLost):
        await Stage("read_member", "read_account", _1=answer).partner.read_balance(grant, CHECKING)


async def test_a_stale_balance_behind_a_code_is_asked_for_again():
    grant = await Stage("redeem_code").partner.redeem(MxAuthorizationCode("code-1"))
    stage = Stage("read_payment_account", "check_payment_balance", "read_payment_account")
    stage.clock.set(NOW_MS + 3 * HOUR_MS)
    assert (await stage.partner.read_balance(grant, CHECKING)).current_cents == 100_021


@pytest.mark.parametrize("amount", [1e400, -1e400, 1e30, 0.001, "NaN", [], {}])
async def test_a_balance_that_is_no_amount(amount):
    _, grant = await held()
    answer = transcript("read_account")["response"]
    answer["json"]["account"]["balance"] = amount
    stage = Stage("read_member", "read_account", _1=answer)
    with pytest.raises(PartnerUnavailable):
        await stage.partner.read_balance(grant, CHECKING)


@pytest.mark.parametrize("scope", [None, "", 7, "user-guid:USR-1 read-protected"])
async def test_a_code_becomes_a_grant_whatever_its_scope_says(scope):
    """The token came only once."""
    answer = transcript("redeem_code")["response"]
    answer["json"]["scope"] = scope
    grant = await Stage("redeem_code", _0=answer).partner.redeem(MxAuthorizationCode("code-1"))
    assert grant.external_id == ""
    assert await Stage("read_payment_account").partner.list_accounts(grant)


async def test_a_code_becomes_a_grant():
    stage = Stage("redeem_code")
    grant = await stage.partner.redeem(MxAuthorizationCode("code-1"))
    assert grant.external_id == MEMBER
    stage = Stage("read_payment_account", "read_payment_account")
    (account,) = await stage.partner.list_accounts(grant)
    assert (account.number.reveal(), account.kind) == ("10001", "checking")
    assert stage.requests[0].headers["authorization"] == "Bearer processor-access-1"
    assert (await stage.partner.read_balance(grant, CHECKING)).current_cents == 100_021
    with pytest.raises(NotOffered):
        await stage.partner.start_reauth(SessionRequest("customer-1", grant=grant))


@pytest.mark.parametrize("status", [400, 401, 404, 422])
async def test_a_code_that_mx_does_not_take(status):
    with pytest.raises(ProofRejected):
        await Stage("redeem_code", _0=refused(status)).partner.redeem(MxAuthorizationCode("code-1"))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *(
            (each, ConsentLost)
            for each in ("DENIED", "LOCKED", "CHALLENGED", "EXPIRED", "PREVENTED")
        ),
        *((each, GrantRevoked) for each in ("CLOSED", "DISCONTINUED")),
        *(
            (each, PartnerUnavailable)
            for each in ("FAILED", "DEGRADED", "DISCONNECTED", "something new", None)
        ),
        ("DISABLED", PartnerRefused),
    ],
)
async def test_a_member_that_does_not_work(status, error):
    answer = transcript("read_member")["response"]
    answer["json"]["member"]["connection_status"] = status
    with pytest.raises(error):
        await Stage("read_member", _0=answer).partner.redeem(PROOF)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, ProofRejected),
        (401, PartnerRefused),
        (403, PartnerRefused),
        (429, PartnerUnavailable),
        (500, PartnerUnavailable),
        (302, PartnerUnavailable),
    ],
)
async def test_refusals_while_redeeming(status, error):
    with pytest.raises(error):
        await Stage("read_member", _0=refused(status)).partner.redeem(PROOF)


async def test_a_member_that_is_gone_is_a_grant_that_is_gone():
    _, grant = await held()
    with pytest.raises(GrantRevoked):
        await Stage("read_member", _0=refused(404)).partner.list_accounts(grant)


LIES: Sequence[bytes] = (
    b"", b"<html>", b"null", b"[]", b'"text"', b"{}", b'{"member":null}', b'{"member":[]}',
    b'{"member":{"guid":5,"connection_status":{}}}', b'{"users":5}', b'{"users":[5]}',
    b"[" * 5_000 + b"]" * 5_000, b'{"member":' * 3_000, b"x" * 2_000_000, b"\xff\xfe",
)  # fmt: skip


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
@pytest.mark.parametrize("position", range(3))
async def test_a_lying_partner_ends_in_a_partner_error(position, lie):
    stage = Stage(*GRANT, **{f"_{position}": {"status": 200, "raw": lie}})
    with pytest.raises(PartnerError) as caught:
        await stage.partner.redeem(PROOF)
    assert "10001" not in f"{caught.value!r} {caught.value}"
    stage = Stage("find_user", "widget_url", _1={"status": 200, "raw": lie})
    with pytest.raises(PartnerError):
        await stage.partner.start_session(SessionRequest("customer-1"))


async def test_secrets_do_not_show():
    _, grant = await held()
    (account,) = await Stage(*GRANT).partner.list_accounts(grant)
    for each in (
        grant,
        account,
        PROOF,
        MxAuthorizationCode("code-1"),
        MxAvailableConnection("tok"),
    ):
        for secret in ("10001", "021000021", "code-1", USER, "tok'"):
            assert secret not in repr(each).replace(MEMBER, "")
    settings = MxSettings(base_url=BASE, client_id="client", api_key="sesame")
    assert "sesame" not in f"{settings} {settings!r}"


def test_capabilities():
    connector = Stage().connector
    assert not isinstance(connector, contract.Revokes)
    for each in (
        contract.StartsSessions,
        contract.ListsConnections,
        contract.Redeems,
        contract.Notifies,
    ):
        assert isinstance(connector, each)


# ── MX's own document ─────────────────────────────────────────────────────────────────────────


@cache
def document() -> dict[str, Any]:
    path = Path(__file__).parents[5].parent / "shared" / "specs" / "mx-v20111101.yml"
    if not path.exists():
        pytest.skip("../shared/specs/mx-v20111101.yml is not here")
    with path.open() as file:
        return yaml.load(file, Loader=yaml.CSafeLoader)


# Documented in MX's guide for processors, but not in its OpenAPI document.
UNDESCRIBED = {"redeem_code"}


@pytest.mark.parametrize("name", sorted(path.stem for path in TRANSCRIPTS.glob("*.json")))
def test_transcripts_are_as_the_document_says(name):
    spec = document()
    each = transcript(name)
    method, path = each["request"]["method"].lower(), each["request"]["path"]
    for real, template in (
        (USER, "{user_guid}"),
        (MEMBER, "{member_guid}"),
        (CHECKING, "{account_guid}"),
    ):
        path = path.replace(real, template)
    if name in UNDESCRIBED or path not in spec["paths"]:
        assert name in UNDESCRIBED, path
        return
    operation = spec["paths"][path][method]
    components = {"components": spec["components"]}
    body = each["request"]["json"]
    if body is not None:
        (content,) = operation["requestBody"]["content"].values()
        jsonschema_rs.validator_for({**content["schema"], **components}).validate(body)
    names = {
        parameter.get("name") or parameter["$ref"] for parameter in operation.get("parameters", ())
    }
    for query in each["request"]["query"]:
        assert any(
            query.replace("_", "") in str(name).replace("_", "").lower() for name in names
        ), query
