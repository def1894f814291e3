"""The documented test logins, walked without a browser, and the control calls around them."""

from collections.abc import Iterator

import pytest

from tallystick.partners.plaid.tests.simulator_stage import Stage, on_stage

HOOK = "http://hook.test/plaid"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with on_stage() as staged:
        staged.clock.freeze()
        yield staged


@pytest.mark.parametrize(
    "code",
    [
        "INVALID_CREDENTIALS",
        "INVALID_MFA",
        "ITEM_LOCKED",
        "ITEM_NOT_SUPPORTED",
        "MFA_NOT_SUPPORTED",
        "NO_ACCOUNTS",
        "PASSWORD_RESET_REQUIRED",
        "USER_SETUP_REQUIRED",
        "INSTITUTION_DOWN",
        "INSTITUTION_NOT_RESPONDING",
        "INSTITUTION_NO_LONGER_SUPPORTED",
        "INTERNAL_SERVER_ERROR",
    ],
)
def test_error_passwords_fail_as_they_say(stage, code):
    status = 500 if code == "INTERNAL_SERVER_ERROR" else 400
    token = stage.link_token()
    error = stage.control("complete", status, handle=token, password=f"error_{code}")
    assert error["error_code"] == code
    assert error["error_message"]
    options = {"override_password": f"error_{code}"}
    stage.refuse(
        "/sandbox/public_token/create",
        code,
        status,
        institution_id="ins_109508",
        initial_products=["auth"],
        options=options,
    )


@pytest.mark.parametrize(
    ("user", "password"),
    [("user_good", "pass_bad"), ("nobody", "pass_good"), ("user_good", "error_NO_SUCH_CODE")],
)
def test_other_logins_are_invalid(stage, user, password):
    token = stage.link_token()
    error = stage.control("complete", 400, handle=token, user=user, password=password)
    assert (error["error_type"], error["error_code"]) == ("ITEM_ERROR", "INVALID_CREDENTIALS")


@pytest.mark.parametrize(
    ("password", "answers"),
    [
        ("mfa_device", ["1234"]),
        ("mfa_selections", ["Yes"]),
        ("mfa_questions_2_1", ["answer_0_0", "answer_1_0"]),
        ("mfa_questions_1_2", ["answer_0_0", "answer_0_1"]),
        ("mfa_selections_1_1_3", ["answer_1_1_0"]),
    ],
)
def test_mfa_is_answered_and_a_wrong_answer_fails(stage, password, answers):
    token = stage.link_token()
    done = stage.control("complete", handle=token, password=password, mfa=answers)
    assert done["publicToken"].startswith("public-sandbox-")
    wrong = [*answers[:-1], "wrong"]
    for given in (wrong, answers[:-1]):
        error = stage.control("complete", 400, handle=token, password=password, mfa=given)
        assert error["error_code"] == "INVALID_MFA"


def test_unhealthy_and_oauth_institutions(stage):
    token = stage.link_token()
    for place, code in (
        ("ins_132361", "INSTITUTION_DOWN"),
        ("ins_133402", "INSTITUTION_NO_LONGER_SUPPORTED"),
        ("ins_000000", "INVALID_INSTITUTION"),
    ):
        error = stage.control("complete", 400, handle=token, institution=place)
        assert error["error_code"] == code
    assert "publicToken" in stage.control("complete", handle=token, institution="ins_127287")
    oauth = {"institution": "ins_127287", "consent": False}
    error = stage.control("complete", 400, handle=token, **oauth)
    assert error["error_code"] == "INSUFFICIENT_CREDENTIALS"


def test_accounts_that_are_not_offered_are_refused(stage):
    token = stage.link_token()
    error = stage.control("complete", 400, handle=token, accounts=["Plaid Credit Card"])
    assert error["error_code"] == "INVALID_ACCOUNT_ID"
    error = stage.control("complete", 400, handle=token, accounts=[])
    assert error["error_code"] == "NO_ACCOUNTS"


def test_reset_forgets_all_but_the_signing_key(stage):
    access, _ = stage.linked(webhook=HOOK)
    stage.call("/sandbox/item/reset_login", access_token=access)
    key = stage.kit.shelf.get("signing_key", "current")
    stage.control("reset", 204)
    stage.refuse("/item/get", "INVALID_ACCESS_TOKEN", access_token=access)
    assert stage.kit.shelf.get("signing_key", "current") == key
