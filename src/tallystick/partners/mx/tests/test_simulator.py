"""MX's own Python client, unmodified, against the simulator over a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import mx_platform_python as mx
import pytest

from tallystick.partners.mx.tests.test_simulator_world import (
    MINUTE_MS,
    NEW,
    OLD,
    Sdk,
    World,
    contract,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    contract(OLD)
    with World(str(tmp_path / "shelves.db")) as world:
        yield world
        assert world.inspector.complaints == []


@pytest.fixture
def sdk(world: World) -> Sdk:
    return Sdk(world)


def test_client_links_an_account_and_deletes_it_again(world: World, sdk: Sdk) -> None:
    user = sdk.new_user(id="customer-1", email="jane@example.com")
    url = sdk.new_url(user.guid, ui_message_version=4, ui_message_webview_url_scheme="mx")
    assert url.type == "connect_widget"
    assert url.user_id == "customer-1"
    done = world.complete(url.url, accounts=["checking"]).json()
    member = sdk.members.read_member(done["memberGuid"], user.guid).member
    assert member.connection_status == "CONNECTED"
    assert member.institution_code == "mxbank"
    status = sdk.members.read_member_status(member.guid, user.guid).member
    assert status.has_processed_account_numbers
    assert status.is_authenticated
    accounts = sdk.accounts.list_user_accounts(user.guid).accounts
    assert [account.type for account in accounts] == ["CHECKING", "SAVINGS"]
    [numbers] = sdk.accounts.list_account_numbers_by_member(member.guid, user.guid).account_numbers
    assert numbers.routing_number == "222222226"
    assert numbers.account_guid == done["accountGuids"][0] == accounts[0].guid
    assert numbers.account_number.endswith(accounts[0].account_number)
    scope = (
        f"user-guid:{user.guid} member-guid:{member.guid} "
        f"account-guid:{accounts[0].guid} read-protected"
    )
    body = mx.AuthorizationCodeRequestBody(
        authorization_code=mx.AuthorizationCodeRequest(scope=scope)
    )
    assert sdk.tokens.request_authorization_code(body).authorization_code.code
    sdk.members.delete_member(member.guid, user.guid)
    with pytest.raises(mx.ApiException) as gone:
        sdk.members.read_member(member.guid, user.guid)
    assert gone.value.status == 404
    assert sdk.accounts.list_user_accounts(user.guid).accounts == []
    sdk.users.delete_user("application/vnd.mx.api.v1+json", user.guid)
    with pytest.raises(mx.ApiException):
        sdk.users.read_user(user.guid)
    assert world.inspector.checked == 12


def test_processor_redeems_a_code_once_and_reads_the_account(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    member = world.connect(user)
    account, other = sdk.accounts.list_member_accounts(user, member).accounts
    body = mx.PaymentProcessorAuthorizationCodeRequestBody(
        payment_processor_authorization_code=mx.PaymentProcessorAuthorizationCodeRequest(
            user_guid=user, member_guid=member, account_guid=account.guid
        )
    )
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        answer = sdk.tokens.deprecated_request_payment_processor_authorization_code(body)
    code = answer.payment_processor_authorization_code.authorization_code
    with world.client() as client:
        ask = {"grant_type": "authorization_code", "code": code}
        granted = client.post("/token", params=ask).json()
        assert client.post("/token", params=ask).status_code == 401
        assert client.post("/token", params={**ask, "grant_type": "x"}).status_code == 400
    assert granted["token_type"] == "Bearer"
    assert f"account-guid:{account.guid}" in granted["scope"]
    settings = mx.Configuration(host=world.base_url, access_token=granted["access_token"])
    processor = mx.ProcessorTokenApi(mx.ApiClient(settings))
    assert processor.read_account_balance().payment_account.available_balance == 1204.55
    assert processor.check_real_time_account_balance().member.guid == member
    headers = {"Authorization": f"Bearer {granted['access_token']}"}
    with httpx2.Client(base_url=world.base_url, headers=headers) as client:
        [numbers] = client.get("/account/account_numbers").json()["account_numbers"]
        assert numbers["account_guid"] == account.guid != other.guid
        shown = client.get("/payment_account").json()["payment_account"]
        assert shown["account_number"] == str(numbers["account_number"])
        assert shown["available_balance"] == 1204.55
        assert client.post("/account/check_balance").json()["member"]["guid"] == member
        assert client.get("/account/account_owners").json()["account_owners"] == []
        sdk.members.identify_member(member, user)
        [owner] = client.get("/account/account_owners").json()["account_owners"]
        assert owner["owner_name"] == "Mx User"
        assert [token.active for token in sdk.tokens.list_tokens().tokens] == [True]
        world.clock.advance(60 * 24 * 60 * MINUTE_MS)
        assert client.get("/payment_account").status_code == 401


def test_token_dies_with_its_member(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    member = world.connect(user)
    account = sdk.accounts.list_member_accounts(user, member).accounts[0]
    scope = f"user-guid:{user} member-guid:{member} account-guid:{account.guid} read-protected"
    with world.client() as client:
        body = {"authorization_code": {"scope": scope}}
        code = client.post("/authorization_code", json=body).json()["authorization_code"]["code"]
        params = {"grant_type": "authorization_code", "code": code}
        token = client.post("/token", params=params).json()["access_token"]
    sdk.members.delete_member(member, user)
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx2.get(f"{world.base_url}/payment_account", headers=headers).status_code == 401


def test_wrong_credentials_and_unknown_things_are_refused(world: World, sdk: Sdk) -> None:
    with pytest.raises(mx.ApiException) as refused:
        Sdk(world, password="wrong").users.list_users()
    assert refused.value.status == 401
    assert "message" in json.loads(refused.value.body)["error"]
    user = sdk.new_user(id="twice")
    with pytest.raises(mx.ApiException) as twice:
        sdk.new_user(id="twice")
    assert twice.value.status == 409
    for scope in ("", "user-guid:USR-1", f"user-guid:{user.guid} member-guid:MBR-1 x:y"):
        body = mx.AuthorizationCodeRequestBody(
            authorization_code=mx.AuthorizationCodeRequest(scope=scope)
        )
        with pytest.raises(mx.ApiException) as bad:
            sdk.tokens.request_authorization_code(body)
        assert bad.value.status == 400
    with pytest.raises(mx.ApiException) as nobody:
        sdk.new_url("USR-nobody")
    assert nobody.value.status == 404


def test_code_needs_a_verified_member(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    member = world.complete(world.new_url(user, mode="aggregation")).json()["memberGuid"]
    account = sdk.accounts.list_member_accounts(user, member).accounts[0]
    assert sdk.accounts.list_account_numbers_by_member(member, user).account_numbers == []
    scope = f"user-guid:{user} member-guid:{member} account-guid:{account.guid} read-protected"
    body = mx.AuthorizationCodeRequestBody(
        authorization_code=mx.AuthorizationCodeRequest(scope=scope)
    )
    with pytest.raises(mx.ApiException) as early:
        sdk.tokens.request_authorization_code(body)
    assert early.value.status == 422
    sdk.members.verify_member(member, user)
    assert sdk.tokens.request_authorization_code(body).authorization_code.code
    assert len(sdk.accounts.list_account_numbers_by_member(member, user).account_numbers) == 2


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        ("/nothing", "GET", None),
        ("/users", "PATCH", None),
        ("/users", "POST", {"user": []}),
        ("/users", "POST", {"user": {"id": 7}}),
        ("/users", "POST", None),
    ],
)
def test_errors_have_one_shape(world: World, path: str, method: str, body: Any) -> None:
    with world.client() as client:
        answer = client.request(method, path, json=body)
    assert answer.status_code in {400, 404, 405}
    error = answer.json()["error"]
    assert error["status"] == answer.status_code
    assert isinstance(error["message"], str)


def test_body_that_is_not_json_is_refused(world: World) -> None:
    with world.client() as client:
        assert client.post("/users", content=b"{").status_code == 400


@pytest.mark.parametrize("headers", [{"Accept": "text/html"}, {"Accept-Version": "v20990101"}])
def test_unknown_version_is_not_acceptable(world: World, headers: dict[str, str]) -> None:
    with world.client(**headers) as client:
        assert client.get("/users").status_code == 406


def test_new_version_speaks_plain_json_and_takes_ids(world: World) -> None:
    contract(NEW)
    headers = {"Accept": "application/json", "Accept-Version": "v20250224"}
    with world.client(**headers) as client:
        user = client.post("/users", json={"user": {"id": "mine"}}).json()["user"]["guid"]
        member = world.connect(user)
        listed = client.get("/users/mine/members")
        assert listed.headers["content-type"] == "application/json"
        assert listed.json()["members"][0]["guid"] == member
        account = client.get("/users/mine/accounts").json()["accounts"][0]
        assert "institution_guid" not in account
        institution = client.get("/institutions/mxbank").json()["institution"]
        assert institution["supported_products"][0] == "account_verification"
        numbers = client.get(f"/users/mine/accounts/{account['guid']}/account_numbers").json()
        assert numbers["pagination"]["total_entries"] == 1
        client.post(f"/users/mine/members/{member}/identify")
        owners = client.get(f"/users/mine/members/{member}/account_owners").json()
        assert owners["pagination"]["total_entries"] == 2
    with world.client() as client:
        assert client.get("/users/mine").status_code == 404


def test_lists_come_by_the_page(world: World, sdk: Sdk) -> None:
    for count in range(12):
        world.new_user(id=f"user-{count}")
    first = sdk.users.list_users(records_per_page=10)
    assert len(first.users) == 10
    assert first.pagination.total_entries == 12
    assert first.pagination.total_pages == 2
    second = sdk.users.list_users(page=2, records_per_page=10)
    assert [user.id for user in second.users] == ["user-10", "user-11"]
    assert sdk.users.list_users(records_per_page=1001).pagination.per_page == 25
    assert [u.id for u in sdk.users.list_users(id="user-3").users] == ["user-3"]


def test_institutions_are_searched_by_name(sdk: Sdk) -> None:
    assert {i.code for i in sdk.institutions.list_institutions(name="mx bank").institutions} == {
        "mxbank",
        "mx_bank_oauth",
    }
    assert sdk.institutions.list_institutions(name="nowhere").institutions == []
    assert sdk.institutions.read_institution("mxbank").institution.name == "MX Bank"
    fields = sdk.institutions.list_institution_credentials("mxbank").credentials
    assert [field.field_name for field in fields] == ["LOGIN", "PASSWORD"]
    assert len(sdk.institutions.list_favorite_institutions().institutions) == 2
