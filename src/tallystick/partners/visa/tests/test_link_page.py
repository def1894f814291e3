"""Tink Link in a real browser, from the integrator's page and back to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.browser import visit

from tallystick.partners.visa.tests.visa_seat import STATE, Seat, Street

PHONE = {"width": 360, "height": 640}

pytestmark = pytest.mark.browser


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with Street(str(tmp_path / "shelves.db")) as street:
        yield street


@pytest.fixture
def seat(browser: Browser, street: Street) -> Iterator[Seat]:
    with visit(browser) as page:
        yield Seat(street, page)


@pytest.fixture(params=["light", "dark"])
def phone(request: pytest.FixtureRequest, browser: Browser, street: Street) -> Iterator[Seat]:
    """The pages need no script: on the phone there is none."""
    options = {"viewport": PHONE, "color_scheme": request.param, "java_script_enabled": False}
    with visit(browser, **options) as page:
        yield Seat(street, page)


def link(seat: Seat, account: str = "checking") -> None:
    seat.open()
    seat.at("bank")
    assert "authorization_code" not in seat.page.url
    seat.log_in("u35490150", "ckr403")
    seat.at("accounts")
    seat.see(f"account-{account}").check()
    seat.press("choose")
    seat.at("consent")
    seat.press("allow")
    seat.in_shop("exchange=*")


def test_account_is_linked_with_the_mouse(seat: Seat) -> None:
    link(seat, "savings")
    [query] = seat.street.queries
    assert query.keys() == {"account_verification_report_id", "credentials_id", "state"}
    assert query["state"] == STATE
    assert len(seat.street.grants) == 1


def test_account_is_linked_on_a_phone(phone: Seat) -> None:
    link(phone)
    assert len(phone.street.grants) == 1


def test_account_is_linked_with_the_keyboard_alone(seat: Seat) -> None:
    seat.open()
    keys = seat.page.keyboard
    expect(seat.see("bank-us-demobank")).to_be_focused()
    keys.press("Enter")
    expect(seat.see("username")).to_be_focused()
    keys.type("u35490150")
    keys.press("Tab")
    expect(seat.see("password")).to_be_focused()
    keys.type("ckr403")
    keys.press("Enter")
    expect(seat.see("account-checking")).to_be_focused()
    keys.press("ArrowDown")
    expect(seat.see("account-savings")).to_be_checked()
    keys.press("Enter")
    expect(seat.see("allow")).to_be_focused()
    expect(seat.see("chosen")).to_contain_text("Rainy Day Savings")
    keys.press("Enter")
    seat.in_shop("exchange=*")
    assert len(seat.street.grants) == 1


@pytest.mark.parametrize(
    ("username", "password", "code"),
    [
        ("u92721594", "nbs589", "AUTHENTICATION_ERROR"),
        ("u35490150", "a-typo", "AUTHENTICATION_ERROR"),
        ("u91902655", "jtx720", "TEMPORARY_ERROR"),
    ],
)
def test_login_that_fails(seat: Seat, username: str, password: str, code: str) -> None:
    seat.open()
    seat.log_in(username, password)
    seat.at("failed")
    expect(seat.see("failure")).not_to_be_empty()
    seat.press("give-up")
    seat.in_shop(f"error={code}")
    assert seat.street.queries[0]["error"] == code
    assert seat.street.grants == []


def test_login_is_tried_again_at_another_bank(seat: Seat) -> None:
    seat.open()
    seat.log_in("u35490150", "a-typo")
    seat.press("again")
    seat.press("back")
    seat.press("bank-us-demobank-credit-union")
    seat.see("username").fill("u35490150")
    seat.see("password").fill("ckr403")
    seat.press("log-in")
    seat.press("choose")
    seat.press("allow")
    seat.in_shop("exchange=*")


def test_login_without_accounts(seat: Seat) -> None:
    seat.open()
    seat.log_in("u51613239", "cty440")
    seat.at("empty")
    seat.press("continue")
    seat.in_shop("error=AUTHENTICATION_ERROR")
    assert "account_verification_report_id" in seat.street.queries[0]


@pytest.mark.parametrize("step", ["bank", "login", "accounts", "consent"])
def test_visit_is_cancelled(seat: Seat, step: str) -> None:
    seat.open()
    if step == "login":
        seat.press("bank-us-demobank")
    elif step != "bank":
        seat.log_in("u35490150", "ckr403")
    if step == "consent":
        seat.press("choose")
    seat.at(step)
    seat.press("deny" if step == "consent" else "cancel")
    seat.in_shop("error=USER_CANCELLED")


def test_consent_is_renewed(seat: Seat) -> None:
    link(seat)
    seat.open("/repair")
    seat.at("login")
    seat.see("username").fill("u35490150")
    seat.see("password").fill("ckr403")
    seat.press("log-in")
    seat.press("allow")
    seat.in_shop(f"exchange={seat.street.grants[0].external_id}")
    assert seat.street.queries[1].keys() == {"credentials_id", "state"}


def test_link_works_once(seat: Seat) -> None:
    opened: list[str] = []
    seat.page.on("request", lambda request: opened.append(request.url))
    seat.open()
    [used] = [url for url in opened if "authorization_code=" in url]
    seat.page.goto(used)
    expect(seat.see("problem")).to_contain_text("used before")
    seat.press("return")
    seat.in_shop("error=TEMPORARY_ERROR")
    assert seat.street.queries[0]["error_reason"] == "INVALID_PARAMETER_AUTHORIZATION_CODE"


def test_page_that_is_reloaded_stays_where_it_was(seat: Seat) -> None:
    seat.open()
    seat.press("bank-us-demobank")
    seat.at("login")
    seat.page.wait_for_load_state()  # a reload while the page still comes is refused
    seat.page.reload()
    seat.at("login")
    seat.page.go_back()
    seat.at("login")
