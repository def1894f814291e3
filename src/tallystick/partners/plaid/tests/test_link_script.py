"""Link's script in a real browser as an integrator's page uses it: opened, left, embedded, hosted."""

import time
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Route

from tallystick.partners.plaid.tests.link_visit import HOST_PAGE, Visit
from tallystick.partners.plaid.tests.simulator_stage import LINK, on_stage, served

pytestmark = pytest.mark.browser


# A frame whose next page is held back answers no question of Playwright's, so the page that is over
# says itself that it is out of sight.
TELL_WHEN_HIDDEN = """
new MutationObserver(() => parent.postMessage({ mark: "hidden" }, "*"))
  .observe(document.getElementById("link"), { attributeFilter: ["hidden"] });
"""


def test_link_can_be_opened_again_after_it_was_left(visit):
    visit.open()
    visit.see("continue")
    visit.frame.evaluate(TELL_WHEN_HIDDEN)
    held: list[Route] = []
    visit.page.route("**/link.html*", lambda route: [held.append(route)])
    visit.click("close", "confirm-yes")
    visit.told("onExit")
    visit.page.wait_for_function("marks.includes('hidden')")
    while not held:
        visit.page.wait_for_timeout(20)
    visit.page.click("#go")
    held[0].continue_()
    visit.to_credentials()
    visit.see("username")
    visit.catch_up()
    assert visit.events().count("OPEN") == 2


def test_exit_by_the_integrator(visit):
    visit.open()
    visit.see("continue")
    visit.page.evaluate("handler.exit()")
    visit.click("confirm-yes")
    assert visit.told("onExit")["error"] is None
    visit.page.evaluate("calls.length = 0")
    visit.page.click("#go")
    visit.see("continue")
    # What react-plaid-link does when its component goes away.
    visit.page.evaluate("handler.exit({ force: true }); handler.destroy()")
    left = visit.told("onExit")
    assert left["error"] is None
    assert left["metadata"]["link_session_id"]
    assert visit.page.locator("iframe").count() == 0


def test_a_session_that_was_torn_down_is_closed_at_the_simulator(visit):
    token = visit.open()
    visit.see("continue")
    visit.page.evaluate("handler.destroy()")
    deadline = time.monotonic() + 30
    while True:
        (session,) = visit.api("/link/token/get", {"link_token": token})["link_sessions"]
        if session["finished_at"]:
            break
        assert time.monotonic() < deadline, "the session is still open"
        visit.page.wait_for_timeout(50)
    assert session["exit"]["error"] is None


def test_an_expired_token_is_told_on_exit(visit):
    visit.expected = "400"  # Chromium reports the refused call
    visit.open("link-sandbox-no-such-token")
    visit.see("failure")
    visit.click("close")
    left = visit.told("onExit")
    assert left["error"]["error_code"] == "INVALID_LINK_TOKEN"
    assert left["metadata"]["institution"] is None


def test_embedded_link(visit):
    visit.arrive(query="&embedded=1")
    visit.click("institution-ins_109508")
    visit.log_in()
    visit.click("account-0000", "submit-accounts", "finish")
    assert visit.told("onSuccess")["token"]
    visit.page.evaluate("handler.destroy()")
    assert visit.page.locator("iframe").count() == 0


def test_hosted_link_stands_alone(visit):
    made = visit.api("/link/token/create", {**LINK, "hosted_link": {}})
    visit.page.goto(made["hosted_link_url"])
    page = visit.page
    for name in ("continue", "institution-ins_109508"):
        page.get_by_test_id(name).click()
    page.get_by_test_id("username").fill("user_good")
    page.get_by_test_id("password").fill("pass_good")
    page.get_by_test_id("submit-credentials").click()
    for name in ("account-0000", "submit-accounts", "finish"):
        page.get_by_test_id(name).click()
    page.get_by_test_id("step-done").wait_for(state="visible")
    found = visit.api("/link/token/get", {"link_token": made["link_token"]})
    (result,) = found["link_sessions"][0]["results"]["item_add_results"]
    assert result["public_token"].startswith("public-sandbox-")


@pytest.mark.parametrize("way", ["fulfilled", "window", "query"])
def test_the_script_finds_the_simulator_when_loaded_as_plaids_own(visit, way):
    """As react-plaid-link loads it, with something between that answers for cdn.plaid.com."""
    script = f"{visit.stage.url}/link/v2/stable/link-initialize.js"
    as_plaid = {"Host": "cdn.plaid.com"} if way != "fulfilled" else {}
    text = httpx2.get(script, headers=as_plaid, trust_env=False).text
    cdn = "https://cdn.plaid.com/link/v2/stable/link-initialize.js"
    address = f"{cdn}?tallystick={visit.stage.url}" if way == "query" else cdn
    page = HOST_PAGE.replace("SCRIPT", address).replace("http:;", "http: https:;")
    if way == "window":
        setting = f'<script>window.TALLYSTICK_PLAID_URL = "{visit.stage.url}"</script>'
        page = page.replace("<body>", f"<body>{setting}")

    def answer(route: Any) -> None:
        route.fulfill(body=text, content_type="text/javascript")

    visit.page.route(lambda url: url.startswith(cdn), answer)
    with on_stage() as other, served(other, page) as url:
        visit.host = url.replace("127.0.0.1", "localhost")
        visit.open()
        visit.see("continue")


def test_many_sessions_at_once_do_not_mix(stage, host, browser):
    """Two people on two pages, step by step in turn."""
    contexts = [browser.new_context() for _ in range(2)]
    one, other = (Visit(stage, context.new_page(), host) for context in contexts)
    for visit in (one, other):
        visit.open()
    for visit, institution in ((one, "ins_109509"), (other, "ins_109510")):
        visit.to_credentials(institution)
    for visit in (one, other):
        visit.log_in()
    for visit, account in ((one, "account-0000"), (other, "account-1111")):
        visit.click(account, "submit-accounts", "finish")
    first, second = (visit.told("onSuccess") for visit in (one, other))
    assert first["metadata"]["institution"]["institution_id"] == "ins_109509"
    assert second["metadata"]["accounts"][0]["mask"] == "1111"
    assert first["token"] != second["token"]
    for context in contexts:
        context.close()
