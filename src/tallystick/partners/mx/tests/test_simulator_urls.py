"""Widget URLs, the page sessions behind them, and what survives a restart."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import mx_platform_python as mx
import pytest

from tallystick.partners.mx.tests.test_simulator_world import (
    MINUTE_MS,
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


def test_url_says_what_it_is_for(world: World) -> None:
    url = world.new_url(world.new_user(), ui_message_version=4)
    token, tail = url.removeprefix(f"{world.base_url}/md/connect/").split("/")
    assert len(token) == 43
    shown = json.loads(base64.urlsafe_b64decode(tail + "=" * (-len(tail) % 4)))
    assert shown == {
        "ui_message_version": 4,
        "ui_message_webview_url_scheme": "mx",
        "mode": "verification",
    }


def test_url_shows_the_page_once(world: World) -> None:
    url = world.new_url(world.new_user())
    assert httpx2.head(url).status_code == 200
    page = httpx2.get(url)
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    again = httpx2.get(url)
    assert again.status_code == 410
    assert "can no longer be used" in again.text
    assert world.complete(url).json()["error"]["type"] == "used"


def test_url_lives_ten_minutes(world: World) -> None:
    user = world.new_user()
    world.clock.freeze()
    in_time, late = world.new_url(user), world.new_url(user)
    world.clock.advance(10 * MINUTE_MS)
    assert httpx2.get(in_time).status_code == 200
    world.clock.advance(1)
    assert httpx2.get(late).status_code == 410
    assert world.complete(late).json()["error"]["type"] == "expired"


def test_page_session_lives_thirty_minutes_after_its_last_call(world: World) -> None:
    world.clock.freeze()
    page = httpx2.get(world.new_url(world.new_user())).text
    token = re.search(r"token&#34;: &#34;(\w{43})", page)
    assert token is not None
    headers = {"Authorization": f"Bearer {token[1]}"}
    ping = f"{world.base_url}/_connect/ping"
    for _ in range(2):
        world.clock.advance(30 * MINUTE_MS)
        assert httpx2.post(ping, headers=headers).status_code == 200
    world.clock.advance(30 * MINUTE_MS + 1)
    assert httpx2.post(ping, headers=headers).status_code == 401
    assert httpx2.post(ping).status_code == 401


def test_page_reaches_members_of_its_own_user_only(world: World) -> None:
    stranger = world.connect(world.new_user())
    page = httpx2.get(world.new_url(world.new_user())).text
    token = re.search(r"token&#34;: &#34;(\w{43})", page)
    assert token is not None
    headers = {"Authorization": f"Bearer {token[1]}"}
    ask = {"member_guid": stranger}
    answer = httpx2.post(f"{world.base_url}/_connect/member", json=ask, headers=headers)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "settings",
    [
        {"widget_type": "pulse_widget"},
        {"mode": "guessing"},
        {"client_redirect_url": "javascript:alert(1)"},
        {"client_redirect_url": "/relative"},
        {"ui_message_webview_url_scheme": "javascript"},
        {"current_member_guid": "MBR-1"},
        {"current_institution_code": "nobank"},
    ],
)
def test_url_settings_that_cannot_work_are_refused(world: World, settings: dict[str, Any]) -> None:
    body = {"widget_url": {"widget_type": "connect_widget", **settings}}
    with world.client() as client:
        answer = client.post(f"/users/{world.new_user()}/widget_urls", json=body)
    assert answer.status_code in {400, 404}


def test_restart_keeps_everything(tmp_path: Path) -> None:
    database = str(tmp_path / "shelves.db")
    with World(database) as world:
        user = world.new_user(id="kept")
        member = world.connect(user)
        unused = world.new_url(user).removeprefix(world.base_url)
    with World(database) as world:
        sdk = Sdk(world)
        assert sdk.members.read_member(member, user).member.connection_status == "CONNECTED"
        assert len(sdk.accounts.list_account_numbers_by_member(member, user).account_numbers) == 2
        assert httpx2.get(world.base_url + unused).status_code == 200


def test_same_seed_gives_the_same_guids(tmp_path: Path) -> None:
    guids = []
    for name in ("one.db", "two.db"):
        with World(str(tmp_path / name), seed=7) as world:
            guids.append(world.connect(world.new_user()))
    assert guids[0] == guids[1]


def test_accounts_belong_to_the_login(world: World, sdk: Sdk) -> None:
    def numbers(user: str) -> list[str]:
        return [
            n.account_number
            for n in sdk.accounts.list_account_numbers_by_member(
                world.connect(user), user
            ).account_numbers
        ]

    jane, john = world.new_user(), world.new_user()
    first = numbers(jane)
    assert len(set(first)) == 2
    assert set(first).isdisjoint(numbers(john))
    assert numbers(jane) == first  # the same login again: the same member, the same accounts


def test_reset_forgets_everything(world: World) -> None:
    user = world.new_user()
    assert httpx2.post(f"{world.base_url}/_control/reset").status_code == 204
    with world.client() as client:
        assert client.get(f"/users/{user}").status_code == 404
        assert client.get("/users").json()["pagination"]["total_entries"] == 0


def test_old_widget_call_gives_the_same_kind_of_url(world: World, sdk: Sdk) -> None:
    user = world.new_user()
    body = mx.ConnectWidgetRequestBody(config=mx.ConnectWidgetRequest(mode="verification"))
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        answer = sdk.widgets.request_connect_widget_url(user, body).user
    assert answer.guid == user
    assert world.complete(answer.connect_widget_url).status_code == 200


def test_user_is_updated(sdk: Sdk) -> None:
    user = sdk.new_user(email="a@example.com")
    body = mx.UserUpdateRequestBody(user=mx.UserUpdateRequest(email="b@example.com", metadata="x"))
    changed = sdk.users.update_user(user.guid, body).user
    assert (changed.guid, changed.email, changed.metadata) == (user.guid, "b@example.com", "x")
