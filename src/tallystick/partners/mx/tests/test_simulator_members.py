"""Every state that MX's test bank can put a member in, through the API and headless."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import mx_platform_python as mx
import pytest

from tallystick.partners.mx.tests.test_simulator_world import OLD, Sdk, World, contract


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    contract(OLD)
    with World(str(tmp_path / "shelves.db")) as world:
        yield world
        assert world.inspector.complaints == []


@pytest.fixture
def sdk(world: World) -> Sdk:
    return Sdk(world)


def credentials(sdk: Sdk, username: str, password: str) -> list[Any]:
    fields = sdk.institutions.list_institution_credentials("mxbank").credentials
    values = {"LOGIN": username, "PASSWORD": password}
    return [mx.CredentialRequest(guid=f.guid, value=values[f.field_name]) for f in fields]


def create(sdk: Sdk, user: str, username: str, password: str, **more: Any) -> Any:
    asked = mx.MemberCreateRequest(
        institution_code="mxbank", credentials=credentials(sdk, username, password), **more
    )
    return sdk.members.create_member(user, mx.MemberCreateRequestBody(member=asked)).member


def update(sdk: Sdk, user: str, member: str, password: str) -> Any:
    asked = mx.MemberUpdateRequest(credentials=credentials(sdk, "mxuser", password))
    body = mx.MemberUpdateRequestBody(member=asked)
    return sdk.members.update_member(member, user, body).member


def resume(sdk: Sdk, user: str, member: str, value: str) -> Any:
    [challenge] = sdk.members.list_member_challenges(member, user).challenges
    given = mx.CredentialRequest(guid=challenge.guid, value=value)
    body = mx.MemberResumeRequestBody(member=mx.MemberResumeRequest(challenges=[given]))
    return sdk.members.resume_aggregation(member, user, body).member


@pytest.mark.parametrize(
    ("username", "password", "status"),
    [
        ("mxuser", "anything", "CONNECTED"),
        ("mxuser", "challenge", "CHALLENGED"),
        ("mxuser", "options", "CHALLENGED"),
        ("mxuser", "image", "CHALLENGED"),
        ("mxuser", "BAD_REQUEST", "FAILED"),
        ("mxuser", "SERVER_ERROR", "FAILED"),
        ("mxuser", "UNAVAILABLE", "FAILED"),
        ("mxuser", "UNAUTHORIZED", "DENIED"),
        ("mxuser", "INVALID", "DENIED"),
        ("mxuser", "DISABLED", "DENIED"),
        ("mxuser", "LOCKED", "LOCKED"),
        ("someone", "anything", "DENIED"),
    ],
)
def test_password_decides(
    world: World, sdk: Sdk, username: str, password: str, status: str
) -> None:
    user = world.new_user()
    member = create(sdk, user, username, password)
    assert member.connection_status == status
    assert sdk.members.read_member(member.guid, user).member.connection_status == status
    assert member.needs_updated_credentials == (status == "DENIED")
    accounts = sdk.accounts.list_member_accounts(user, member.guid).accounts
    assert bool(accounts) == (status == "CONNECTED")
    headless = world.complete(world.new_url(world.new_user()), user=username, password=password)
    if status == "CONNECTED":
        assert headless.status_code == 200
    else:
        assert headless.status_code == 422
        assert headless.json()["error"]["type"] == status


@pytest.mark.parametrize("password", ["challenge", "options", "image"])
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("correct", "CONNECTED"),
        ("wrong", "REJECTED"),
        ("SERVER_ERROR", "FAILED"),
        ("UNAVAILABLE", "FAILED"),
        ("DISABLED", "DENIED"),
    ],
)
def test_answer_decides(world: World, sdk: Sdk, password: str, answer: str, status: str) -> None:
    user = world.new_user()
    member = create(sdk, user, "mxuser", password)
    assert resume(sdk, user, member.guid, answer).connection_status == status
    url = world.new_url(world.new_user())
    headless = world.complete(url, password=password, mfa=[answer])
    assert (headless.status_code == 200) == (status == "CONNECTED")
    if status == "REJECTED":
        assert resume(sdk, user, member.guid, "correct").connection_status == "CONNECTED"
        assert world.complete(url, password=password, mfa=["x", "correct"]).status_code == 200


def test_challenges_carry_what_their_kind_needs(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    kinds = {}
    for password in ("challenge", "options", "image"):
        member = create(sdk, user, "mxuser", password)
        [kinds[password]] = sdk.members.read_member_status(member.guid, user).member.challenges
    assert kinds["challenge"].type == "TEXT"
    assert kinds["image"].type == "IMAGE_DATA"
    assert kinds["image"].image_data.startswith("data:image/png;base64,")
    assert kinds["options"].options[0].value == "correct"


def test_option_may_be_named_by_its_guid(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    member = create(sdk, user, "mxuser", "options")
    [challenge] = sdk.members.list_member_challenges(member.guid, user).challenges
    chosen = challenge.options[0].guid
    assert resume(sdk, user, member.guid, chosen).connection_status == "CONNECTED"


def test_only_the_waiting_challenge_can_be_answered(world: World) -> None:
    user = world.new_user()
    member = world.connect(user)
    path = f"/users/{user}/members/{member}/resume"
    body = {"member": {"challenges": [{"guid": "CRD-1", "value": "correct"}]}}
    with world.client() as client:
        assert client.put(path, json=body).status_code == 422
        httpx2.post(
            f"{world.base_url}/_control/members/{member}/degrade",
            json={"connection_status": "CHALLENGED"},
        )
        assert client.put(path, json=body).status_code == 400


def test_third_wrong_login_prevents_and_the_right_one_mends(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    member = create(sdk, user, "mxuser", "INVALID")
    seen = [member.connection_status]
    seen += [update(sdk, user, member.guid, "INVALID").connection_status for _ in range(2)]
    assert seen == ["DENIED", "DENIED", "PREVENTED"]
    assert update(sdk, user, member.guid, "fine").connection_status == "CONNECTED"
    assert update(sdk, user, member.guid, "INVALID").connection_status == "DENIED"


def test_aggregation_meets_the_same_bank_again(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    locked = create(sdk, user, "mxuser", "LOCKED")
    again = sdk.members.aggregate_member(locked.guid, user).member
    assert again.connection_status == "LOCKED"
    asked = create(sdk, user, "mxuser", "challenge")
    resume(sdk, user, asked.guid, "correct")
    balance = sdk.members.check_balances(asked.guid, user).member
    assert balance.connection_status == "CONNECTED"


def test_skipped_aggregation_waits_for_the_call(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    member = create(sdk, user, "mxuser", "fine", skip_aggregation=True)
    assert member.connection_status == "CREATED"
    assert member.aggregated_at is None
    assert sdk.members.aggregate_member(member.guid, user).member.connection_status == "CONNECTED"


def test_one_login_makes_one_member(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    first = create(sdk, user, "mxuser", "fine")
    with pytest.raises(mx.ApiException) as twice:
        create(sdk, user, "mxuser", "other")
    assert twice.value.status == 409
    assert world.connect(user) == first.guid


@pytest.mark.parametrize(
    "member",
    [
        {},
        {"institution_code": "nobank", "credentials": []},
        {"institution_code": "mxbank"},
        {"institution_code": "mxbank", "credentials": [{"guid": "CRD-1", "value": "x"}]},
        {"institution_code": "mxbank", "credentials": ["x"]},
        {"institution_code": "mxbank", "is_oauth": True},
    ],
)
def test_member_that_cannot_be_made_is_refused(world: World, member: dict[str, Any]) -> None:
    with world.client() as client:
        path = f"/users/{world.new_user()}/members"
        assert client.post(path, json={"member": member}).status_code in {400, 404}


@pytest.mark.parametrize("status", ["DENIED", "IMPEDED", "DEGRADED", "CLOSED"])
def test_broken_member_stays_broken_until_new_credentials(
    world: World, sdk: Sdk, status: str
) -> None:
    user = world.new_user()
    member = world.connect(user, accounts=["savings"])
    where = f"{world.base_url}/_control/members/{member}/degrade"
    assert httpx2.post(where, json={"connection_status": status}).status_code == 200
    assert sdk.members.aggregate_member(member, user).member.connection_status == status
    url = world.new_url(user, current_member_guid=member, update_credentials=True)
    mended = world.complete(url).json()
    assert mended["memberGuid"] == member
    assert len(mended["accountGuids"]) == 1  # what was chosen before stays chosen
    assert sdk.members.read_member(member, user).member.connection_status == "CONNECTED"


def test_degrading_needs_a_member_and_a_status(world: World) -> None:
    member = world.connect(world.new_user())
    for guid, status, code in ((member, "SLEEPY", 422), ("MBR-1", "DENIED", 404)):
        where = f"{world.base_url}/_control/members/{guid}/degrade"
        assert httpx2.post(where, json={"connection_status": status}).status_code == code


def test_owners_come_after_identification(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    member = world.connect(user)
    assert sdk.accounts.list_account_owners_by_member(member, user).account_owners == []
    sdk.members.identify_member(member, user)
    owners = sdk.accounts.list_account_owners_by_member(member, user).account_owners
    assert {owner.owner_name for owner in owners} == {"Mx User"}
    other = world.new_user()
    known = world.complete(world.new_url(other, include_identity=True)).json()["memberGuid"]
    assert len(sdk.accounts.list_account_owners_by_member(known, other).account_owners) == 2


def test_oauth_member_waits_for_the_person(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    asked = mx.MemberCreateRequest(institution_code="mx_bank_oauth", is_oauth=True, credentials=[])
    member = sdk.members.create_member(user, mx.MemberCreateRequestBody(member=asked)).member
    assert member.connection_status == "PENDING"
    first = sdk.widgets.request_o_auth_window_uri(member.guid, user).member.oauth_window_uri
    uri = sdk.widgets.request_o_auth_window_uri(member.guid, user).member.oauth_window_uri
    assert httpx2.get(first).status_code == 410
    assert httpx2.get(uri).status_code == 200
    where, _, state = uri.partition("?state=")
    form = {"state": state, "decision": "allow", "account": ["checking"]}
    done = httpx2.post(where, data=form, follow_redirects=True)
    assert 'data-testid="oauth-success"' in done.text
    assert httpx2.post(where, data=form).status_code == 410  # it works once
    accounts = sdk.accounts.list_member_accounts(user, member.guid).accounts
    assert [account.type for account in accounts] == ["CHECKING"]


def test_oauth_in_an_app_sends_the_person_back(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    asked = mx.MemberCreateRequest(institution_code="mx_bank_oauth", is_oauth=True, credentials=[])
    member = sdk.members.create_member(user, mx.MemberCreateRequestBody(member=asked)).member
    uri = sdk.widgets.request_o_auth_window_uri(
        member.guid, user, referral_source="APP", client_redirect_url="https://app.example/back?a=1"
    ).member.oauth_window_uri
    where, _, state = uri.partition("?state=")
    done = httpx2.post(where, data={"state": state, "decision": "deny"}, follow_redirects=True)
    address = f"https://app.example/back?a=1&amp;status=error&amp;member_guid={member.guid}"
    assert f'url={address}&amp;error_reason=CANCELLED"' in done.text
    assert sdk.members.read_member(member.guid, user).member.connection_status == "DENIED"


def test_oauth_is_finished_headless(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    refused = world.complete(world.new_url(user), institution="mx_bank_oauth", consent=False)
    assert refused.status_code == 422
    member = world.connect(user, institution="mx_bank_oauth")
    assert sdk.members.read_member(member, user).member.is_oauth


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"handle": "nonsense"}, 400),
        ({}, 400),
        ({"handle": "x" * 43}, 404),
    ],
)
def test_headless_needs_a_handle(world: World, body: dict[str, Any], status: int) -> None:
    answer = httpx2.post(f"{world.base_url}/_control/complete", json=body)
    assert answer.status_code == status
    assert json.loads(answer.text)["error"]["status"] == status


def test_headless_takes_the_bare_token_and_refuses_unknown_accounts(world: World) -> None:
    url = world.new_url(world.new_user())
    token = url.split("/md/connect/")[1].split("/")[0]
    assert world.complete(token, accounts=["mortgage"]).status_code == 422
    assert world.complete(token, accounts=["Savings"]).status_code == 200
    assert world.complete(token).status_code == 410


def test_deleting_a_user_takes_everything_along(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    world.connect(user)
    url = world.new_url(user)
    sdk.users.delete_user("application/vnd.mx.api.v1+json", user)
    assert httpx2.get(url).status_code == 404
    for kind in ("user", "member", "account", "widget", "page", "oauth"):
        assert world.kit.shelf.all(kind) == []
