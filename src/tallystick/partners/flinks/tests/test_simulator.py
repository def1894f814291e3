"""The simulator's API, as an integrator and a partner use it."""

from __future__ import annotations

import asyncio
import json

import httpx2
import jsonschema_rs
import pytest
from tests.requirements import spec

from tallystick.clock import DAY_MS, MINUTE_MS, SECOND_MS
from tallystick.partners.contract import Account, Balance, Grant
from tallystick.partners.errors import ProofRejected
from tallystick.partners.flinks import PARTNER
from tallystick.partners.flinks.connector import Connector
from tallystick.partners.flinks.settings import FlinksSettings
from tallystick.partners.flinks.tests.flinks_stage import pair
from tallystick.partners.flinks.tests.simulator_stage import (
    ANSWERS,
    BANKING,
    BASE,
    BEARER,
    DOCUMENTS,
    PREFIX,
    SHARING,
    Stage,
    check,
)
from tallystick.partners.http import PartnerHttp
from tallystick.partners.registry import GuardedPartner

AUTHORIZE = f"{BANKING}/Authorize"
DETAIL = f"{BANKING}/GetAccountsDetail"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def stage() -> Stage:
    return Stage()


# ── sessions ──────────────────────────────────────────────────────────────────────────────────


def test_credentials_open_a_session_with_accounts(stage: Stage) -> None:
    opened = stage.log_in("jane_doe_2_accounts")
    assert opened["Institution"] == "FlinksCapital"
    checking, savings = stage.accounts(opened["RequestId"])
    assert (checking["Type"], savings["Type"]) == ("Chequing", "Savings")
    assert checking["TransitNumber"] == "222222226"
    assert "InstitutionNumber" not in checking
    assert checking["AccountNumber"].endswith(checking["LastFourDigits"])
    assert checking["Balance"] == {"Available": 2401.55, "Current": 2511.2}
    assert checking["Transactions"][0]["Balance"] == checking["Balance"]["Current"]


def test_a_login_id_opens_a_session_again(stage: Stage) -> None:
    login = stage.log_in("jane_doe_2_accounts")["Login"]
    stage.clock.advance(DAY_MS)
    cached = stage.authorize(LoginId=login["Id"], MostRecentCached=True, Tag="shop-7")
    assert cached["Login"] == login
    assert cached["Tag"] == "shop-7"
    live = stage.authorize(LoginId=login["Id"], MostRecentCached="false")
    assert live["Login"]["LastRefresh"] > login["LastRefresh"]
    assert stage.accounts(cached["RequestId"]) == stage.accounts(live["RequestId"])


@pytest.mark.parametrize("username", ["Greatday", "greatday"])
def test_a_question_is_asked_and_answered(stage: Stage, username: str) -> None:
    asked = stage.log_in(username, status=203)
    [challenge] = asked["SecurityChallenges"]
    assert challenge["Type"] == "QuestionAndAnswer"
    request_id, prompt = asked["RequestId"], challenge["Prompt"]
    stage.refuse("POST", DETAIL, "SESSION_NONEXISTENT", 400, json={"RequestId": request_id})

    def answer(responses: object, code: str) -> None:
        body = {"RequestId": request_id, "SecurityResponses": responses}
        stage.refuse("POST", AUTHORIZE, code, json=body)

    answer({prompt: ["Paris"]}, "INVALID_SECURITY_RESPONSE")
    answer({prompt: []}, "SECURITYRESPONSES_INCOMPLETE")
    answer({}, "SECURITYRESPONSES_INCOMPLETE")
    answer({"What is your name?": ["x"]}, "UNKNOWN_CHALLENGE_KEY")
    answer("Montreal", "INVALID_REQUEST")
    right = {prompt: [ANSWERS[prompt]]}
    opened = stage.authorize(RequestId=request_id, SecurityResponses=right)
    shown = stage.accounts(opened["RequestId"])
    assert {each["InstitutionNumber"] for each in shown} == {"777"}
    assert {each["Currency"] for each in shown} == {"CAD", "USD"}


def test_three_wrong_answers_end_the_attempt(stage: Stage) -> None:
    asked = stage.log_in("Greatday", status=203)
    wrong = {asked["SecurityChallenges"][0]["Prompt"]: ["wrong"]}
    body = {"RequestId": asked["RequestId"], "SecurityResponses": wrong}
    for code in [*["INVALID_SECURITY_RESPONSE"] * 2, "INVALID_SECURITY_RESPONSE_NO_RETRY"]:
        stage.refuse("POST", AUTHORIZE, code, json=body)
    stage.refuse("POST", AUTHORIZE, "SESSION_NONEXISTENT", 400, json=body)


@pytest.mark.parametrize(
    ("username", "password", "code"),
    [
        ("nobody", "Everyday", "INVALID_USERNAME"),
        ("Greatday", "Someday", "INVALID_PASSWORD"),
        ("test_disabled_account", "Everyday", "DISABLED_LOGIN"),
        ("test_service_unavailable", "Everyday", "RETRY_LATER"),
        ("\x00", "Everyday", "INVALID_REQUEST"),
        ("\ud800", "Everyday", "INVALID_REQUEST"),
        (7, "Everyday", "INVALID_REQUEST"),
    ],
)
def test_a_login_that_fails(stage: Stage, username: object, password: str, code: str) -> None:
    body = {"Institution": "FlinksCapital", "Username": username, "Password": password}
    stage.refuse("POST", AUTHORIZE, code, content=json.dumps(body))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 9_000, b"{}", b'{"LoginId": 1}',
                b'{"LoginId": "x", "MostRecentCached": 2}', b'{"LoginId": "x", "Tag": [1]}',
                b'{"Institution": "Bank", "Username": "Greatday", "Password": "Everyday"}'],
)  # fmt: skip
def test_a_body_that_asks_for_nothing(stage: Stage, content: bytes) -> None:
    stage.refuse("POST", AUTHORIZE, "INVALID_REQUEST", content=content)


def test_ids_that_nobody_has(stage: Stage) -> None:
    stage.refuse("POST", AUTHORIZE, "INVALID_LOGIN", json={"LoginId": UNKNOWN})
    stage.refuse("POST", DETAIL, "SESSION_NONEXISTENT", 400, json={"RequestId": UNKNOWN})
    stage.refuse("GET", f"{DETAIL}Async/{UNKNOWN}", "SESSION_NONEXISTENT", 400)
    stage.refuse("DELETE", f"{BANKING}/DeleteCard/{UNKNOWN}", "INVALID_LOGIN")
    elsewhere = "/v3/another/BankingServices/Authorize"
    stage.refuse("POST", elsewhere, "CUSTOMER_NOT_FOUND", 404, json={"LoginId": UNKNOWN})
    stage.refuse("GET", "/v3/sandbox/nothing", "NOT_FOUND", 404)
    stage.refuse("PUT", AUTHORIZE, "NOT_FOUND", 405)


def test_a_session_ends(stage: Stage) -> None:
    request_id = stage.log_in("jane_doe_2_accounts")["RequestId"]
    stage.clock.advance(30 * MINUTE_MS)
    stage.refuse("POST", DETAIL, "SESSION_NONEXISTENT", 400, json={"RequestId": request_id})


def test_authorize_tokens_work_once(stage: Stage) -> None:
    login = stage.log_in("jane_doe_2_accounts")["Login"]["Id"]
    generate = f"{BANKING}/GenerateAuthorizeToken"
    made = stage.call("POST", generate, headers={"flinks-auth-key": "sandbox"})
    assert made["ExpiresIn"] == 1800
    key = {"flinks-auth-key": made["AuthorizeToken"]}
    stage.call("POST", AUTHORIZE, json={"LoginId": login}, headers=key)
    stage.refuse("POST", AUTHORIZE, "ACCESS_DENIED", json={"LoginId": login}, headers=key)
    late = stage.call("POST", generate, json={"secret": "sandbox"})["AuthorizeToken"]
    stage.clock.advance(30 * MINUTE_MS)
    old = {"flinks-auth-key": late}
    stage.refuse("POST", AUTHORIZE, "ACCESS_DENIED", json={"LoginId": login}, headers=old)
    stage.refuse("POST", generate, "ACCESS_DENIED", headers={"flinks-auth-key": "wrong"})
    stage.refuse("POST", generate, "INVALID_REQUEST", json={})


# ── accounts ──────────────────────────────────────────────────────────────────────────────────


def test_parts_of_an_account_can_be_left_out(stage: Stage) -> None:
    request_id = stage.log_in("jane_doe_2_accounts")["RequestId"]
    first = stage.accounts(request_id)[0]["Id"]
    body = {
        "RequestId": request_id,
        "WithAccountIdentity": False,
        "WithKYC": False,
        "WithTransactions": False,
        "AccountsFilter": [first],
    }
    [shown] = stage.call("POST", DETAIL, json=body)["Accounts"]
    assert shown["Id"] == first
    assert not {"AccountNumber", "TransitNumber", "Holder", "Transactions"} & set(shown)
    wrong = {**body, "AccountsFilter": [7]}
    stage.refuse("POST", DETAIL, "INVALID_REQUEST", json=wrong)
    summary = f"{BANKING}/GetAccountsSummary"
    without = {"RequestId": request_id, "WithBalance": False}
    assert "Balance" not in stage.call("POST", summary, json=without)["Accounts"][0]
    with_all = stage.call("GET", f"{summary}Async/{request_id}")["Accounts"]
    assert with_all == stage.call("POST", summary, json={"RequestId": request_id})["Accounts"]
    assert "Transactions" not in with_all[0]


@pytest.mark.parametrize("word", ["pending", "dispatched"])
def test_what_takes_time_is_polled_for(stage: Stage, word: str) -> None:
    opened = stage.log_in(f"test_{word}")
    request_id, login = opened["RequestId"], opened["Login"]["Id"]
    code = f"OPERATION_{word.upper()}"
    for path in (DETAIL, f"{BANKING}/GetAccountsSummary"):
        stage.refuse("POST", path, code, 202, json={"RequestId": request_id})
    stage.refuse("GET", f"{DETAIL}Async/{request_id}", code, 202)
    stage.refuse("GET", f"{BANKING}/GetAccountsSummaryAsync/{request_id}", code, 202)
    stage.refuse("DELETE", f"{BANKING}/DeleteCard/{login}", "CARD_IN_USE", 400)
    stage.clock.advance(10 * SECOND_MS)
    assert len(stage.call("GET", f"{DETAIL}Async/{request_id}")["Accounts"]) == 2


def test_numbers_are_the_same_from_run_to_run_and_ids_are_not(stage: Stage) -> None:
    once, again = (stage.accounts(stage.log_in("greatday_nomfa")["RequestId"]) for _ in range(2))
    assert [a["AccountNumber"] for a in once] == [a["AccountNumber"] for a in again]
    assert not {a["Id"] for a in once} & {a["Id"] for a in again}


# ── sharing ───────────────────────────────────────────────────────────────────────────────────


def test_a_partner_sees_the_shared_account_and_no_other(stage: Stage) -> None:
    login, account, secret, token = stage.linked()
    [detail] = stage.look(secret, token)["GetAccountsDetail"]
    assert (detail["LoginId"], detail["CustomerId"]) == (login, "sandbox")
    assert [each["Id"] for each in detail["Accounts"]] == [account]


def test_an_access_token_lapses_and_is_extended(stage: Stage) -> None:
    login, account, secret, token = stage.linked()
    stage.clock.advance(30 * DAY_MS)
    assert stage.look(secret, token, 401)["FlinksCode"] == "ACCESS_DENIED"
    assert stage.access_token(login, account)["AccessToken"] == token
    assert stage.look(secret, token)


def test_a_partner_can_be_shut_out_and_let_in_again(stage: Stage) -> None:
    _, _, _, token = stage.linked()
    partner = stage.auth_secret()
    path = f"{SHARING}/authsecret"
    stage.call("GET", f"{path}/disable/{partner['PermissionId']}", headers=BEARER)
    assert stage.look(partner["AuthSecret"], token, 401)
    stage.call("GET", f"{path}/enable/{partner['PermissionId']}", headers=BEARER)
    assert stage.look(partner["AuthSecret"], token)
    stage.refuse("GET", f"{path}/disable/{UNKNOWN}", "INVALID_REQUEST", headers=BEARER)
    assert stage.call("GET", path, headers=BEARER)["AuthSecret"]


def test_deleting_the_login_ends_what_was_shared(stage: Stage) -> None:
    login, account, secret, token = stage.linked()
    stage.call("DELETE", f"{BANKING}/DeleteCard/{login}")
    assert stage.look(secret, token, 401)
    stage.refuse("GET", f"{SHARING}/{login}/{account}", "INVALID_LOGIN", headers=BEARER)
    stage.refuse("POST", AUTHORIZE, "INVALID_LOGIN", json={"LoginId": login})


def test_who_may_not_share_or_look(stage: Stage) -> None:
    login, account, secret, token = stage.linked()
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic sandbox"}):
        stage.refuse("GET", f"{SHARING}/authsecret/dwolla", "ACCESS_DENIED", headers=headers)
        stage.refuse("GET", f"{SHARING}/{login}/{account}", "ACCESS_DENIED", headers=headers)
        stage.refuse("GET", f"/partneraccess/{token}", "ACCESS_DENIED", headers=headers)
    stage.look(secret, UNKNOWN, 401)
    stage.refuse("GET", f"{SHARING}/{login}/{UNKNOWN}", "INVALID_REQUEST", headers=BEARER)
    long = "x" * 101
    stage.refuse("GET", f"{SHARING}/authsecret/{long}", "INVALID_REQUEST", headers=BEARER)


def test_state_outlives_a_restart(tmp_path) -> None:
    path = str(tmp_path / "shelves.db")
    before = Stage(path)
    _, account, secret, token = before.linked()
    before.db.close()
    [detail] = Stage(path, seed=2).look(secret, token)["GetAccountsDetail"]
    assert detail["Accounts"][0]["Id"] == account


# ── control ───────────────────────────────────────────────────────────────────────────────────


def test_connect_is_finished_without_a_browser(stage: Stage) -> None:
    done = stage.call("POST", "/_control/complete", json={"handle": "x"})
    assert len(done["accountIds"]) == 2
    savings = stage.call("POST", "/_control/complete", json={"accounts": ["savings"]})
    assert len(savings["accountIds"]) == 1
    assert stage.authorize(LoginId=savings["loginId"])
    body = {"user": "Greatday", "mfa": ["wrong"]}
    stage.refuse("POST", "/_control/complete", "INVALID_SECURITY_RESPONSE", json=body)
    unasked = {"user": "Greatday"}
    code = "SECURITYRESPONSES_INCOMPLETE"
    stage.refuse("POST", "/_control/complete", code, 422, json=unasked)
    stage.refuse("POST", "/_control/complete", "INVALID_REQUEST", 422, json={"accounts": ["x"]})
    for wrong in ({"accounts": []}, {"mfa": "x"}, {"user": None}):
        stage.refuse("POST", "/_control/complete", "INVALID_REQUEST", json=wrong)
    assert stage.send("POST", "/_control/reset").status_code == 204
    stage.refuse("POST", AUTHORIZE, "INVALID_LOGIN", json={"LoginId": done["loginId"]})


# ── the connector ─────────────────────────────────────────────────────────────────────────────


def test_the_connector_reads_what_the_simulator_shares(stage: Stage) -> None:
    login, account_id, secret, token = stage.linked()
    base_url = f"{BASE}{PREFIX}"
    http = PartnerHttp(base_url, transport=httpx2.ASGITransport(app=stage.app))
    partner = GuardedPartner(PARTNER, Connector(FlinksSettings(base_url=base_url), http))

    async def read() -> tuple[Grant, Account, Balance]:
        grant = await partner.redeem(pair(secret, token))
        [account] = await partner.list_accounts(grant)
        return grant, account, await partner.read_balance(grant, account.external_id)

    grant, account, balance = asyncio.run(read())
    assert grant.external_id == login
    assert account.external_id == account_id
    assert account.routing.reveal() == "222222226"
    assert (balance.available_cents, balance.current_cents) == (240_155, 251_120)
    assert abs(balance.as_of - stage.clock.now_ms()) < MINUTE_MS


def test_the_connector_refuses_what_the_simulator_does_not_share(stage: Stage) -> None:
    base_url = f"{BASE}{PREFIX}"
    http = PartnerHttp(base_url, transport=httpx2.ASGITransport(app=stage.app))
    partner = GuardedPartner(PARTNER, Connector(FlinksSettings(base_url=base_url), http))
    _, _, secret, token = stage.linked("greatday_nomfa")
    with pytest.raises(ProofRejected, match="NO_US_ACCOUNT"):
        asyncio.run(partner.redeem(pair(secret, token)))
    with pytest.raises(ProofRejected, match="ACCESS_DENIED"):
        asyncio.run(partner.redeem(pair("wrong", token)))


# ── the documents ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("body", [{"RequestId": 7}, {"Accounts": [{"Balance": {"Current": "1"}}]}])
def test_an_answer_that_breaks_the_document_is_noticed(body: object) -> None:
    spec(DOCUMENTS[1])
    answer = httpx2.Response(200, json=body)
    with pytest.raises(jsonschema_rs.ValidationError):
        check("POST", DETAIL, answer)
