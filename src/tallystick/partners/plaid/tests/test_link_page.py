"""Plaid Link in a real browser as a person goes through it, step by step."""

import pytest
from playwright.sync_api import expect

from tallystick.partners.plaid.tests.link_visit import Visit

pytestmark = pytest.mark.browser


def test_by_mouse_from_consent_to_a_public_token(visit):
    visit.open()
    assert "Acme Pay" in visit.see("step-consent").inner_text()
    visit.to_credentials()
    visit.log_in()
    visit.click("account-0000", "submit-accounts")
    assert "Plaid Checking" in visit.see("summary").inner_text()
    visit.click("finish")
    done = visit.told("onSuccess")
    assert done["token"].startswith("public-sandbox-")
    metadata = done["metadata"]
    assert metadata["institution"] == {
        "name": "First Platypus Bank",
        "institution_id": "ins_109508",
    }
    (account,) = metadata["accounts"]
    assert set(account) == {
        "id", "name", "mask", "type", "subtype", "verification_status", "class_type",
    }  # fmt: skip
    assert (account["name"], account["mask"]) == ("Plaid Checking", "0000")
    assert metadata["link_session_id"]
    assert metadata["transfer_status"] is None
    assert not visit.is_open()
    item = visit.api("/item/public_token/exchange", {"public_token": done["token"]})
    shared = visit.api("/accounts/get", {"access_token": item["access_token"]})
    assert [one["account_id"] for one in shared["accounts"]] == [account["id"]]
    assert " ".join(visit.events()) == (
        "OPEN TRANSITION_VIEW TRANSITION_VIEW SELECT_INSTITUTION TRANSITION_VIEW "
        "SUBMIT_CREDENTIALS TRANSITION_VIEW TRANSITION_VIEW HANDOFF"
    )


def test_by_keyboard_alone(visit):
    visit.arrive()
    keyboard = visit.page.keyboard
    keyboard.press("Tab")
    keyboard.press("Enter")
    visit.see("continue")
    keyboard.press("Enter")
    visit.see("institution-ins_109508")
    keyboard.type("gingham")
    expect(visit.link.get_by_test_id("results").locator("li")).to_have_count(1)
    keyboard.press("Tab")
    expect(visit.see("institution-ins_109509")).to_be_focused()
    keyboard.press("Enter")
    visit.see("username")
    keyboard.type("user_good")
    keyboard.press("Tab")
    keyboard.type("pass_good")
    keyboard.press("Enter")
    visit.see("account-0000")
    # Focus is on the heading; the accounts are next.
    keyboard.press("Tab")
    keyboard.press("Space")
    keyboard.press("Tab")
    keyboard.press("Tab")
    keyboard.press("Enter")
    visit.see("finish")
    keyboard.press("Enter")
    done = visit.told("onSuccess")
    assert done["metadata"]["institution"]["institution_id"] == "ins_109509"
    assert [one["mask"] for one in done["metadata"]["accounts"]] == ["0000"]
    assert visit.page.evaluate("document.activeElement.id") == "go"


def test_focus_stays_within_link(visit):
    visit.open()
    visit.see("continue")
    for key in ("Tab", "Tab", "Tab", "Tab", "Shift+Tab", "Shift+Tab", "Shift+Tab"):
        visit.page.keyboard.press(key)
        assert visit.page.evaluate("document.activeElement.tagName") == "IFRAME", key


def test_only_the_page_that_framed_link_may_speak_to_it(visit):
    """A third page's message is ignored, and so is one that did not come from our frame."""
    visit.open()
    visit.see("continue")
    forged = {"plaidLink": "success", "public_token": "public-sandbox-forged", "metadata": {}}
    visit.page.evaluate("(message) => window.postMessage(message, '*')", forged)
    frame = next(one for one in visit.page.frames if "link.html" in one.url)
    frame.evaluate("window.postMessage({ plaidLink: 'exit', force: true }, '*')")
    visit.click("continue")
    visit.see("institution-ins_109508")
    visit.catch_up()
    names = {call["name"] for call in visit.page.evaluate("calls")}
    assert names == {"onLoad", "onEvent"}


def test_a_wrong_password_and_then_the_right_one(visit):
    visit.open()
    visit.to_credentials()
    visit.log_in(password="wrong")
    error = visit.link.locator("[data-step=credentials]").get_by_test_id("error")
    error.wait_for(state="visible")
    assert error.get_attribute("role") == "alert"
    assert visit.see("password").get_attribute("aria-invalid") == "true"
    assert visit.see("username").input_value() == "user_good"
    visit.page.keyboard.type("pass_good")
    visit.page.keyboard.press("Enter")
    visit.see("account-0000")
    visit.catch_up()
    assert visit.events().count("ERROR") == 1


def test_mfa_with_a_device_and_a_code(visit):
    visit.open()
    visit.to_credentials()
    visit.log_in(password="mfa_device")
    visit.click("option-0-0", "submit-mfa")
    visit.see("answer-0").fill("9999")
    visit.click("submit-mfa")
    visit.link.locator("[data-step=mfa]").get_by_test_id("error").wait_for(state="visible")
    visit.see("answer-0").fill("1234")
    visit.click("submit-mfa", "account-1111", "submit-accounts", "finish")
    (account,) = visit.told("onSuccess")["metadata"]["accounts"]
    assert account["subtype"] == "savings"


def test_mfa_with_questions_and_selections(visit):
    visit.open()
    visit.to_credentials()
    visit.log_in(password="mfa_questions_2_2")
    for turn in range(2):
        visit.link.get_by_text(f"Security question 2 of round {turn + 1}").wait_for()
        for number in range(2):
            visit.see(f"answer-{number}").fill(f"answer_{turn}_{number}")
        visit.click("submit-mfa")
    visit.see("account-0000")
    visit.click("back", "institution-ins_109508")
    visit.log_in(password="mfa_selections")
    visit.click("option-0-0", "submit-mfa")
    visit.see("account-0000")


def test_a_locked_account_ends_the_attempt_and_is_told_on_exit(visit):
    visit.open()
    visit.to_credentials()
    visit.log_in(password="error_ITEM_LOCKED")
    assert "locked" in visit.see("failure").inner_text()
    visit.click("failed-exit")
    left = visit.told("onExit")
    assert set(left["error"]) == {
        "error_type", "error_code", "error_message", "display_message",
    }  # fmt: skip
    assert left["error"]["error_code"] == "ITEM_LOCKED"
    assert left["metadata"]["institution"]["institution_id"] == "ins_109508"
    assert left["metadata"]["status"] == "requires_credentials"
    assert not visit.is_open()


def test_a_bank_that_is_down_and_then_another(visit):
    visit.open()
    visit.click("continue", "institution-ins_132361")
    assert "not answering" in visit.see("failure").inner_text()
    visit.click("other-institution", "institution-ins_109511")
    visit.log_in()
    visit.see("account-0000")
    visit.catch_up()
    assert "SELECT_DOWN_INSTITUTION" in visit.events()


def test_a_search_that_was_not_answered_is_told(visit):
    visit.expected = "net::ERR_FAILED"
    visit.page.route("**/_link/search", lambda route: route.abort(), times=1)
    visit.open()
    visit.click("continue")
    assert "went wrong" in visit.see("failure").inner_text()
    visit.click("other-institution", "institution-ins_109511")
    visit.log_in()
    visit.see("account-0000")


def test_a_bank_with_a_page_of_its_own(visit):
    visit.open()
    visit.click("continue", "institution-ins_127287", "oauth-deny")
    assert "did not allow" in visit.see("failure").inner_text()
    visit.click("other-institution", "institution-ins_127287", "oauth-allow")
    visit.click("account-0000", "submit-accounts", "finish")
    assert visit.told("onSuccess")["token"]


def test_leaving_is_confirmed(visit):
    visit.open()
    visit.to_credentials()
    visit.see("username")
    visit.page.keyboard.press("Escape")
    visit.click("confirm-no")
    visit.see("username")
    visit.click("close", "confirm-yes")
    left = visit.told("onExit")
    assert left["error"] is None
    assert set(left["metadata"]) == {"institution", "status", "link_session_id", "request_id"}
    assert left["metadata"]["status"] == "requires_credentials"
    assert visit.events()[-1] == "EXIT"
    assert visit.page.evaluate("document.activeElement.id") == "go"


def test_update_mode_goes_straight_to_the_login(visit):
    public = visit.api("/_control/complete", {"handle": visit.link_token()})["publicToken"]
    item = visit.api("/item/public_token/exchange", {"public_token": public})
    access = {"access_token": item["access_token"]}
    visit.api("/sandbox/item/reset_login", access)
    visit.open(visit.link_token(access_token=item["access_token"]))
    assert "log in again" in visit.see("step-credentials").inner_text()
    assert visit.link.get_by_test_id("back").is_hidden()
    visit.log_in(username="someone_else", password="pass_good")
    visit.link.locator("[data-step=credentials]").get_by_test_id("error").wait_for(state="visible")
    visit.log_in()
    visit.click("finish")
    assert len(visit.told("onSuccess")["metadata"]["accounts"]) == 2
    assert visit.api("/item/get", access)["item"]["error"] is None


def test_one_account_or_several(visit):
    visit.open(visit.link_token(link_customization_name="single_account"))
    visit.to_credentials()
    visit.log_in()
    assert visit.see("account-0000").get_attribute("type") == "radio"
    visit.click("submit-accounts")
    visit.link.locator("[data-step=accounts]").get_by_test_id("error").wait_for(state="visible")
    visit.click("account-0000", "account-1111", "submit-accounts", "finish")
    assert [one["mask"] for one in visit.told("onSuccess")["metadata"]["accounts"]] == ["1111"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_small_screen_nothing_scrolls_sideways(stage, host, browser, scheme):
    context = browser.new_context(viewport={"width": 360, "height": 640}, color_scheme=scheme)
    visit = Visit(stage, context.new_page(), host)

    visit.open()
    visit.check_width("step-consent")
    visit.click("continue")
    visit.see("institution-ins_132363")
    visit.check_width("step-institution")
    visit.click("institution-ins_109510")
    visit.check_width("step-credentials")
    visit.log_in(password="mfa_questions_1_1")
    visit.check_width("step-mfa")
    visit.see("answer-0").fill("answer_0_0")
    visit.click("submit-mfa")
    visit.check_width("step-accounts")
    visit.click("account-0000", "submit-accounts")
    visit.check_width("step-success")
    context.close()
