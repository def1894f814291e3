"""The connector against transcripts, against refusals, and against lies.

REPLACE: the transcripts, from the partner's documentation; then what is expected of them here.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tallystick.clock import HOUR_MS
from tallystick.partners import errors
from tallystick.partners.acme.proof import AcmeCode
from tallystick.partners.acme.tests.stage import NOW_MS, Stage, transcript
from tallystick.partners.contract import Grant, SessionRequest
from tallystick.secret import Secret

pytestmark = pytest.mark.anyio

BACK, NOTIFY = "https://shop.example/back", "https://gateway.example/_inbound/acme"
TOKEN = "at_8d1f6c0e9b"
PROOF = AcmeCode("lc_one_use")
GRANT = Grant(Secret(TOKEN), "cn_5f0c2b7e", person="customer-1")
CALLS: dict[str, tuple[Any, ...]] = {
    "start_session": (SessionRequest("customer-1", redirect_url=BACK, notify_url=NOTIFY),),
    "start_reauth": (SessionRequest("customer-1", redirect_url="com.shop.app", grant=GRANT),),
    "redeem": (PROOF,),
    "list_accounts": (GRANT,),
    "read_balance": (GRANT, "ac_0001"),
    "revoke": (GRANT,),
}
WRONG = (None, True, -1, 1.5, "", "<script>", "\x00", "é" * 5_000, [], {}, [None], 10**30, "1e9")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def call(name: str, **answer: Any) -> Any:
    return await getattr(Stage(name, **answer).connector, name)(*CALLS[name])


@pytest.mark.parametrize("name", ["start_session", "start_reauth"])
async def test_a_session(name):
    started = await call(name)
    assert started.href.reveal() == transcript(name)["response"]["json"]["url"]
    assert started.expires_at == NOW_MS + HOUR_MS


async def test_a_code_becomes_a_grant():
    assert await call("redeem") == GRANT


async def test_only_accounts_with_numbers_are_described():
    [account] = await call("list_accounts")
    assert (account.external_id, account.kind, account.mask) == ("ac_0001", "checking", "7890")
    assert (account.number, account.routing) == (Secret("1234567890"), Secret("222222226"))


async def test_a_balance_in_cents():
    balance = await call("read_balance")
    assert (balance.current_cents, balance.available_cents) == (125_050, -5)
    assert (balance.currency, balance.as_of) == ("USD", NOW_MS)


async def test_what_is_gone_need_not_be_revoked():
    await call("revoke")
    await call("revoke", status=410, body={"error": {"code": "CONNECTION_GONE"}})


@pytest.mark.parametrize(
    ("name", "status", "code", "meaning"),
    [
        ("redeem", 400, "CODE_UNKNOWN", errors.ProofRejected),
        ("redeem", 400, "CODE_EXPIRED", errors.ProofExpired),
        ("list_accounts", 403, "LOGIN_REQUIRED", errors.ConsentLost),
        ("read_balance", 410, "CONNECTION_GONE", errors.GrantRevoked),
        ("start_session", 401, "CLIENT_UNKNOWN", errors.PartnerRefused),
        ("start_session", 429, "TOO_MANY", errors.PartnerUnavailable),
        ("list_accounts", 503, "BANK_DOWN", errors.PartnerUnavailable),
        ("read_balance", 503, "CONNECTION_GONE", errors.PartnerUnavailable),
    ],
)
async def test_refusals(name, status, code, meaning):
    body = {"error": {"code": code, "requestId": "rq_1"}}
    with pytest.raises(errors.PartnerError) as caught:
        await call(name, status=status, body=body)
    assert type(caught.value) is meaning
    assert (caught.value.code, caught.value.request_id) == (code, "rq_1")
    assert getattr(caught.value, "bank", False) is (code == "BANK_DOWN")


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("status", [302, 400, 404, 500])
async def test_refusals_that_explain_nothing(name, status):
    with pytest.raises(errors.PartnerError) as caught:
        await call(name, status=status, body={"error": {"code": TOKEN}})
    assert caught.value.code == f"HTTP_{status}"


def mutations(node: Any) -> Iterator[Any]:
    """Every way to drop one member of `node`, or to put something wrong in its place."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        rest = copy.deepcopy(node)
        del rest[key]
        yield rest
        inner = mutations(value) if isinstance(value, dict | list) else iter(())
        for wrong in (*WRONG, *inner):
            changed = copy.deepcopy(node)
            changed[key] = wrong
            yield changed


@pytest.mark.parametrize("name", [name for name in CALLS if name != "revoke"])
async def test_a_lie_is_believable_or_a_partner_error(name):
    told = ""
    for body in (*WRONG, *mutations(transcript(name)["response"]["json"])):
        try:
            await call(name, status=200, body=body)
        except errors.PartnerError as error:
            told += f"{error!r} {error.__cause__!r}"
    assert "PartnerUnavailable" in told
    assert TOKEN not in told
    assert "1234567890" not in told


@pytest.mark.parametrize("name", [name for name in CALLS if name != "revoke"])
@pytest.mark.parametrize("raw", [b"{", b"NaN", b"\xff\xfe", b"[" * 100_000, b'"' + b"x" * 2**21])
async def test_what_is_no_json_is_unavailable(name, raw):
    with pytest.raises(errors.PartnerUnavailable):
        await call(name, raw=raw)


async def test_an_answer_about_another_is_refused():
    for name, member in (("list_accounts", "connectionId"), ("read_balance", "accountId")):
        body = {**transcript(name)["response"]["json"], member: "another"}
        with pytest.raises(errors.PartnerUnavailable, match="ANSWER_ABOUT_ANOTHER"):
            await call(name, status=200, body=body)


async def test_a_page_on_plain_http_is_refused():
    body = {**transcript("start_session")["response"]["json"], "url": "http://link.example/x"}
    with pytest.raises(errors.PartnerUnavailable, match="UNSAFE_PAGE_URL"):
        await call("start_session", status=201, body=body)
