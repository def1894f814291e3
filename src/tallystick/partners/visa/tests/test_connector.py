"""Sessions and redeeming against Tink's documented requests and answers (`transcripts/`)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
import pytest

from tallystick.partners.contract import SessionRequest
from tallystick.partners.errors import PartnerRefused, PartnerUnavailable, ProofRejected
from tallystick.partners.registry import read_settings
from tallystick.partners.visa import PARTNER, connector, link
from tallystick.partners.visa.settings import VisaSettings
from tallystick.partners.visa.tests.visa_stage import (
    BASE,
    CREDENTIALS,
    LIST,
    PERSON,
    PROOF,
    REDEEM,
    REQUEST,
    RETURN,
    SESSION,
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


def query_of(address: str) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(address).query).items()}


# ── sessions ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("user", ["create_user", "create_user_again"])
async def test_session(user):
    stage = Stage("token_session", user, "delegate")
    started = await stage.partner.start_session(REQUEST)
    href = started.href.reveal()
    assert href.startswith("https://link.visa.com/1.0/account-check/connect?")
    assert query_of(href) == {
        "client_id": "8f1c0a2b4d6e4f708192a3b4c5d6e7f8",
        "redirect_uri": RETURN,
        "authorization_code": "9b7e0a4c5d3f4e2a8c6b1d0f9e8a7c6b",
        "market": "US",
        "locale": "en_US",
        "state": "sealed",
    }
    assert started.expires_at == stage.clock.now_ms() + connector.CODE_MS


async def test_session_to_repair():
    request = SessionRequest(PERSON, grant=await held(), return_url=RETURN, state="sealed")
    started = await Stage("token_grant", "delegate").partner.start_reauth(request)
    href = started.href.reveal()
    assert href.startswith("https://link.visa.com/1.0/account-check/update-consent?")
    assert query_of(href)["credentials_id"] == CREDENTIALS


@pytest.mark.parametrize(
    ("number", "answer", "error"),
    [
        (0, refused(401), PartnerRefused),
        (1, refused(403), PartnerRefused),
        (1, changed("create_user", external_user_id="somebody"), PartnerUnavailable),
        (2, refused(404), PartnerUnavailable),
        (2, refused(400), PartnerRefused),
        (2, refused(302), PartnerUnavailable),
        (2, refused(503), PartnerUnavailable),
    ],
)
async def test_session_that_does_not_start(number, answer, error):
    stage = Stage(*SESSION, **{f"_{number}": answer})
    with pytest.raises(error) as caught:
        await stage.partner.start_session(REQUEST)
    assert len(stage.requests) == number + 1, "nothing that acts is repeated"
    assert caught.value.request_id in (None, "1f2e3d4c5b6a")


async def test_refusal_at_the_door_says_so():
    stage = Stage(*SESSION, _2=refused(429, headers={"Retry-After": "5"}))
    with pytest.raises(PartnerUnavailable) as caught:
        await stage.partner.start_session(REQUEST)
    assert caught.value.acted is False


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"base_url": "https://api.us.tink.com"}, "https://link.visa.com"),
        ({"base_url": "https://api.tink.com/"}, "https://link.tink.com"),
        ({"base_url": "http://localhost:1/_partners/visa"}, "http://localhost:1/_partners/visa"),
        (
            {"base_url": BASE, "link_url": "https://link.us.tink.com/"},
            "https://link.us.tink.com",
        ),
    ],
)
def test_where_the_pages_are(settings, expected):
    assert VisaSettings(client_id="a", client_secret="b", **settings).link_base() == expected


@pytest.mark.parametrize("link_url", ["http://link.example", "javascript:1", "link.example", ""])
def test_pages_are_not_on_plain_http(link_url):
    given = {"base_url": BASE, "client_id": "a", "client_secret": "b", "link_url": link_url}
    with pytest.raises(msgspec.ValidationError):
        read_settings(PARTNER, given)


def test_manifest():
    assert PARTNER.opt_in
    posted = [kind for kind in PARTNER.proofs if kind.posted]
    assert posted == [], "nothing that a client posts makes an exchange with Visa"
    assert link.read_return({"state": "s", "error": "x"}).error == "TEMPORARY_ERROR"


# ── redeeming ─────────────────────────────────────────────────────────────────────────────────


async def test_redeem():
    stage = Stage(*REDEEM)
    grant = await stage.partner.redeem(PROOF)
    assert (grant.external_id, grant.consent_expires_at) == (CREDENTIALS, 1739959872000)
    assert not stage.script
    assert "1234567890" not in repr(grant)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (None, None),
        ("2025-02-19T10:11:12Z", 1739959872000),
        ("soon", None),
        (-1, None),
        (10**20, None),
    ],
)
async def test_end_of_a_consent(date, expected):
    consents = transcript("list_consents")["response"]
    consents["json"]["providerConsents"][0]["sessionExpiryDate"] = date
    grant = await Stage(*REDEEM, _6=consents).partner.redeem(PROOF)
    assert grant.consent_expires_at == expected


def report_with(**members: Any) -> dict[str, Any]:
    answer = transcript("read_report")["response"]
    answer["json"]["userDataByProvider"][0]["accounts"][0] |= members
    return answer


@pytest.mark.parametrize(
    "members",
    [
        {"accountIdentifiers": {"ach": {"routingNumber": "222222226"}}},
        {"accountIdentifiers": {"iban": {"iban": "DE1"}, "us": {"routingNumber": "222222226"}}},
        {"accountNumber": None},
        {"accountType": None},
        {"name": None},
    ],
)
async def test_reports_with_less(members):
    grant = await Stage(*REDEEM, _1=report_with(**members)).partner.redeem(PROOF)
    [account] = await Stage(*LIST).partner.list_accounts(grant)
    assert (account.kind, account.name) == ("checking", "Everyday Checking")
    assert (account.number.reveal(), account.routing.reveal()) == ("1234567890", "222222226")


async def test_numbers_from_the_account_itself():
    accounts = transcript("list_accounts")["response"]
    accounts["json"]["accounts"][0]["identifiers"] = {"us": {"routingNumber": "222222226"}}
    stage = Stage(*REDEEM, _1=report_with(accountIdentifiers=None), _5=accounts)
    [account] = await Stage(*LIST).partner.list_accounts(await stage.partner.redeem(PROOF))
    assert account.mask == "7890"


@pytest.mark.parametrize(
    "members",
    [
        {"accountIdentifiers": None},
        {"accountIdentifiers": {"us": {"routingNumber": "22222222x", "accountNumber": "1234"}}},
        {"accountIdentifiers": {"us": {"routingNumber": "222222226", "accountNumber": "12a4"}}},
        {"accountIdentifiers": {"us": {"routingNumber": 222222226, "accountNumber": "1234"}}},
        {"accountIdentifiers": {"us": {"routingNumber": "٢٢٢٢٢٢٢٢٢", "accountNumber": "1234"}}},
        {"accountType": "CREDIT_CARD"},
    ],
)
async def test_accounts_that_nobody_can_pay_with(members):
    with pytest.raises(ProofRejected, match="NO_ACCOUNTS"):
        await Stage(*REDEEM, _1=report_with(**members)).partner.redeem(PROOF)


@pytest.mark.parametrize(
    ("number", "answer", "error"),
    [
        (1, refused(404), ProofRejected),
        (1, changed("read_report", id="another"), PartnerUnavailable),
        (1, changed("read_report", userDataByProvider=[]), ProofRejected),
        (1, report_with(id="0" * 32), ProofRejected),
        (3, refused(404), ProofRejected),
        (5, changed("list_accounts", accounts=[]), ProofRejected),
        (6, changed("list_consents", providerConsents=[]), ProofRejected),
        (6, refused(500), PartnerUnavailable),
        (6, {"error": httpx2.ReadTimeout("slow")}, PartnerUnavailable),
    ],
)
async def test_redeeming_that_fails(number, answer, error):
    with pytest.raises(error) as caught:
        await Stage(*REDEEM, **{f"_{number}": answer}).partner.redeem(PROOF)
    if error is PartnerUnavailable:
        assert caught.value.acted is False, "a report is not used up: try again"


async def test_consent_that_lists_no_accounts_needs_the_hint():
    consents = transcript("list_consents")["response"]
    consents["json"]["providerConsents"][0]["accountIds"] = []
    assert (await Stage(*REDEEM, _6=consents).partner.redeem(PROOF)).external_id == CREDENTIALS
    bare = type(PROOF)(PROOF.report_id, None, PERSON)
    with pytest.raises(ProofRejected, match="NO_CONSENT"):
        await Stage(*REDEEM, _6=consents).partner.redeem(bare)


async def test_every_page_of_accounts_is_read():
    first = changed("list_accounts", accounts=[], nextPageToken="page-2")
    stage = Stage(*REDEEM[:6], "list_accounts", "list_consents", _5=first)
    stage.script[6]["request"]["query"] = {"pageSize": "200", "pageToken": "page-2"}
    assert await stage.partner.redeem(PROOF)


async def test_endless_pages_are_not_believed():
    stage = Stage(*REDEEM[:5], *["list_accounts"] * 10)
    for number, told in enumerate(stage.script[5:]):
        told["response"]["json"]["nextPageToken"] = "again"
        if number:
            told["request"]["query"]["pageToken"] = "again"
    with pytest.raises(PartnerUnavailable, match="TOO_MANY_PAGES"):
        await stage.partner.redeem(PROOF)
