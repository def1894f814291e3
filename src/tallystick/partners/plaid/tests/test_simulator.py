"""Plaid's API as the simulator speaks it, each answer held against Plaid's OpenAPI document."""

from collections.abc import Iterator

import pytest

from tallystick.clock import DAY_MS, HOUR_MS, MINUTE_MS, from_iso
from tallystick.partners.plaid.simulator import fields
from tallystick.partners.plaid.tests.simulator_stage import LINK, Stage, document, on_stage

HOOK = "http://hook.test/plaid"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with on_stage() as staged:
        staged.clock.freeze()
        yield staged


# Requests


def test_fields_are_those_of_the_document():
    schemas = document()["components"]["schemas"]
    for path, mine in fields.FIELDS.items():
        content = document()["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        request = schemas[content["schema"]["$ref"].rsplit("/", 1)[1]]
        names = set(request["properties"]) - {"client_id", "secret"}
        required = {name for name, kind in mine.items() if kind.endswith("*")}
        assert set(mine) == names, path
        assert required == set(request.get("required", [])) - {"client_id", "secret"}, path
    assert set(schemas["Products"]["enum"]) == fields.PRODUCTS
    assert set(schemas["CountryCode"]["enum"]) == fields.COUNTRIES
    processor = schemas["ProcessorTokenCreateRequest"]["properties"]["processor"]
    assert set(processor["enum"]) == fields.PROCESSORS


def test_keys_are_read_from_the_headers_too(stage):
    headers = {"PLAID-CLIENT-ID": "sandbox", "PLAID-SECRET": "sandbox"}
    assert stage.post("/link/token/create", LINK, headers=headers).status_code == 200
    headers["PLAID-SECRET"] = "other"
    answer = stage.post("/link/token/create", LINK, headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_API_KEYS")


def test_a_body_wins_over_the_headers(stage):
    headers = {"PLAID-CLIENT-ID": "sandbox", "PLAID-SECRET": "sandbox"}
    answer = stage.post("/item/get", {"secret": "wrong", "access_token": "a"}, headers=headers)
    assert answer.json()["error_code"] == "INVALID_API_KEYS"


def test_missing_keys_are_named(stage):
    answer = stage.post("/item/get", {"client_id": "sandbox", "access_token": "a"}).json()
    assert answer["error_type"] == "INVALID_REQUEST"
    assert answer["error_code"] == "MISSING_FIELDS"
    assert answer["error_message"].endswith(": secret")


def test_what_is_not_json_is_an_invalid_body(stage):
    for headers, content in (
        ({"Content-Type": "application/json"}, b"{"),
        ({"Content-Type": "application/json"}, b"[]"),
        ({"Content-Type": "text/plain"}, b"{}"),
    ):
        answer = stage.post("/item/get", None, headers=headers, content=content)
        assert answer.json()["error_code"] == "INVALID_BODY", content


def test_missing_unknown_and_wrong_fields_are_told_apart(stage):
    stage.refuse("/link/token/create", "MISSING_FIELDS", client_name="Acme")
    error = stage.refuse("/link/token/create", "UNKNOWN_FIELDS", **LINK, colour="red")
    assert error["error_message"].endswith(": colour")
    stage.refuse("/link/token/create", "INVALID_FIELD", **{**LINK, "country_codes": ["XX"]})
    stage.refuse("/link/token/create", "INVALID_FIELD", **{**LINK, "language": "xx"})
    stage.refuse("/link/token/create", "INVALID_FIELD", **{**LINK, "products": "auth"})
    stage.refuse("/link/token/create", "INVALID_FIELD", **{**LINK, "products": []})
    stage.refuse("/link/token/create", "INVALID_PRODUCT", **{**LINK, "products": ["balance"]})
    stage.refuse("/link/token/create", "INVALID_FIELD", **LINK, webhook="not a url")
    stage.refuse("/link/token/create", "MISSING_FIELDS", **{**LINK, "user": {}})
    stage.refuse("/institutions/get", "INVALID_FIELD", count=0, offset=0, country_codes=["US"])
    stage.refuse("/institutions/get", "INVALID_FIELD", count=True, offset=0, country_codes=["US"])


def test_every_answer_has_a_request_id_of_its_own(stage):
    one = stage.call("/link/token/create", **LINK)["request_id"]
    two = stage.refuse("/item/get", "INVALID_ACCESS_TOKEN", access_token="x")["request_id"]
    assert one != two


def test_an_unknown_path_is_not_found_in_plaids_shape(stage):
    error = stage.post("/transactions/sync", {"client_id": "sandbox", "secret": "sandbox"})
    assert error.status_code == 404
    assert error.json()["error_code"] == "NOT_FOUND"


# Link tokens


def test_a_link_token_lives_four_hours(stage):
    answer = stage.call("/link/token/create", **LINK)
    assert answer["link_token"].startswith("link-sandbox-")
    assert from_iso(answer["expiration"]) == stage.clock.now_ms() + 4 * HOUR_MS
    stage.clock.advance(4 * HOUR_MS)
    error = stage.control("complete", 400, handle=answer["link_token"])
    assert error["error_code"] == "INVALID_LINK_TOKEN"


def test_in_update_mode_it_lives_thirty_minutes(stage):
    access, _ = stage.linked()
    update = {key: value for key, value in LINK.items() if key != "products"}
    answer = stage.call("/link/token/create", **update, access_token=access)
    assert from_iso(answer["expiration"]) == stage.clock.now_ms() + 30 * MINUTE_MS


def test_link_token_get_tells_the_sessions(stage):
    token = stage.link_token()
    assert stage.call("/link/token/get", link_token=token)["link_sessions"] == []
    stage.control("complete", 400, handle=token, password="error_ITEM_LOCKED")
    public = stage.control("complete", handle=token)["publicToken"]
    failed, done = stage.call("/link/token/get", link_token=token)["link_sessions"]
    assert failed["exit"]["error"]["error_code"] == "ITEM_LOCKED"
    assert failed["exit"]["metadata"]["status"] == "requires_credentials"
    assert failed["finished_at"]
    assert done["results"]["item_add_results"][0]["public_token"] == public
    assert done["on_success"]["public_token"] == public
    assert done["events"][0]["event_name"] == "HANDOFF"
    assert done["events"][-1]["event_name"] == "OPEN"


def test_link_token_get_outlives_the_token_and_refuses_others(stage):
    token = stage.link_token()
    stage.clock.advance(5 * HOUR_MS)
    assert stage.call("/link/token/get", link_token=token)["link_token"] == token
    stage.refuse("/link/token/get", "INVALID_LINK_TOKEN", link_token="link-sandbox-none")


def test_a_hosted_link_has_an_address_and_its_own_span(stage):
    hosted = {"url_lifetime_seconds": 900}
    answer = stage.call("/link/token/create", **LINK, hosted_link=hosted)
    assert answer["hosted_link_url"].endswith(f"/_partners/plaid/hosted/{answer['link_token']}")
    assert from_iso(answer["expiration"]) == stage.clock.now_ms() + 15 * MINUTE_MS


# Public, access and processor tokens


def test_from_link_token_to_processor_auth(stage):
    access, item_id = stage.linked(complete={"accounts": ["Plaid Checking"]})
    assert access.startswith("access-sandbox-")
    auth = stage.call("/auth/get", access_token=access)
    (ach,) = auth["numbers"]["ach"]
    assert (ach["account"], ach["routing"]) == ("1111222233330000", "011401533")
    assert ach["wire_routing"] == "021000021"
    (account,) = auth["accounts"]
    assert (account["name"], account["mask"]) == ("Plaid Checking", "0000")
    assert (account["balances"]["available"], account["balances"]["current"]) == (100, 110)
    assert auth["item"]["item_id"] == item_id
    processor = stage.call(
        "/processor/token/create",
        access_token=access,
        account_id=account["account_id"],
        processor="dwolla",
    )["processor_token"]
    assert processor.startswith("processor-sandbox-")
    numbers = stage.call("/processor/auth/get", processor_token=processor)["numbers"]
    assert numbers["ach"] == ach
    for path in ("account", "balance", "identity"):
        got = stage.call(f"/processor/{path}/get", processor_token=processor)["account"]
        assert got["account_id"] == account["account_id"]


def test_all_accounts_are_shared_when_none_is_named(stage):
    access, _ = stage.linked()
    for path in ("/accounts/get", "/accounts/balance/get", "/identity/get"):
        names = [one["name"] for one in stage.call(path, access_token=access)["accounts"]]
        assert names == ["Plaid Checking", "Plaid Saving"]


def test_other_products_offer_other_accounts(stage):
    access, _ = stage.linked(products=["transactions"])
    accounts = stage.call("/accounts/get", access_token=access)["accounts"]
    assert "Plaid Credit Card" in {one["name"] for one in accounts}
    filters = {"depository": {"account_subtypes": ["savings"]}}
    access, _ = stage.linked(account_filters=filters)
    (only,) = stage.call("/accounts/get", access_token=access)["accounts"]
    assert only["subtype"] == "savings"


def test_account_ids_filter_and_a_wrong_one_is_refused(stage):
    access, _ = stage.linked()
    wanted = stage.call("/accounts/get", access_token=access)["accounts"][1]["account_id"]
    options = {"account_ids": [wanted]}
    (only,) = stage.call("/accounts/balance/get", access_token=access, options=options)["accounts"]
    assert only["account_id"] == wanted
    options = {"account_ids": ["nobody"]}
    stage.refuse("/auth/get", "INVALID_ACCOUNT_ID", access_token=access, options=options)
    stage.refuse(
        "/processor/token/create",
        "INVALID_ACCOUNT_ID",
        access_token=access,
        account_id="nobody",
        processor="dwolla",
    )


def test_a_processor_that_plaid_does_not_know_is_refused(stage):
    access, _ = stage.linked()
    account = stage.call("/accounts/get", access_token=access)["accounts"][0]["account_id"]
    stage.refuse(
        "/processor/token/create",
        "INVALID_FIELD",
        access_token=access,
        account_id=account,
        processor="acme",
    )


def test_a_public_token_works_once_and_for_thirty_minutes(stage):
    path = "/item/public_token/exchange"
    public = stage.control("complete", handle=stage.link_token())["publicToken"]
    stage.call(path, public_token=public)
    stage.refuse(path, "INVALID_PUBLIC_TOKEN", public_token=public)
    public = stage.control("complete", handle=stage.link_token())["publicToken"]
    stage.clock.advance(30 * MINUTE_MS)
    error = stage.refuse(path, "INVALID_PUBLIC_TOKEN", public_token=public)
    assert "expired" in error["error_message"]
    stage.refuse(path, "INVALID_PUBLIC_TOKEN", public_token="public-sandbox-0")
    error = stage.refuse(path, "INVALID_PUBLIC_TOKEN", public_token="nonsense")
    assert "format" in error["error_message"]


def test_an_item_can_be_given_a_new_public_token(stage):
    access, item_id = stage.linked()
    public = stage.call("/item/public_token/create", access_token=access)["public_token"]
    again = stage.call("/item/public_token/exchange", public_token=public)
    assert (again["access_token"], again["item_id"]) == (access, item_id)


def test_a_rotated_access_token_is_dead(stage):
    access, item_id = stage.linked()
    fresh = stage.call("/item/access_token/invalidate", access_token=access)["new_access_token"]
    stage.refuse("/item/get", "INVALID_ACCESS_TOKEN", access_token=access)
    assert stage.call("/item/get", access_token=fresh)["item"]["item_id"] == item_id


def test_removing_an_item_kills_its_tokens(stage):
    access, _ = stage.linked()
    account = stage.call("/accounts/get", access_token=access)["accounts"][0]["account_id"]
    processor = stage.call(
        "/processor/token/create", access_token=access, account_id=account, processor="dwolla"
    )["processor_token"]
    public = stage.call("/item/public_token/create", access_token=access)["public_token"]
    stage.call("/item/remove", access_token=access)
    stage.refuse("/item/get", "ITEM_NOT_FOUND", access_token=access)
    stage.refuse("/item/remove", "ITEM_NOT_FOUND", access_token=access)
    stage.refuse("/auth/get", "ITEM_NOT_FOUND", access_token=access)
    stage.refuse("/processor/auth/get", "INVALID_PROCESSOR_TOKEN", processor_token=processor)
    stage.refuse("/item/public_token/exchange", "INVALID_PUBLIC_TOKEN", public_token=public)


def test_an_item_remembers_its_client_user(stage):
    _, item_id = stage.linked()
    assert stage.kit.shelf.get("item", item_id)["client_user_id"] == "customer-1"


# The login


def test_a_reset_login_asks_for_update_mode_which_repairs_it(stage):
    access, item_id = stage.linked(webhook=HOOK)
    account = stage.call("/accounts/get", access_token=access)["accounts"][0]["account_id"]
    assert stage.call("/sandbox/item/reset_login", access_token=access)["reset_login"] is True
    for path in ("/auth/get", "/accounts/get", "/accounts/balance/get", "/identity/get"):
        error = stage.refuse(path, "ITEM_LOGIN_REQUIRED", access_token=access)
        assert error["error_type"] == "ITEM_ERROR"
    item = stage.call("/item/get", access_token=access)["item"]
    assert item["error"]["error_code"] == "ITEM_LOGIN_REQUIRED"
    token = stage.link_token(access_token=access)
    assert stage.control("complete", handle=token) == {"repaired": True}
    assert stage.call("/item/get", access_token=access)["item"]["error"] is None
    accounts = stage.call("/accounts/get", access_token=access)["accounts"]
    assert accounts[0]["account_id"] == account
    assert [told["webhook_code"] for told in stage.told()] == ["ERROR"]
    assert {told["item_id"] for told in stage.told()} == {item_id}


def test_a_failed_update_repairs_nothing(stage):
    access, _ = stage.linked()
    stage.call("/sandbox/item/reset_login", access_token=access)
    token = stage.link_token(access_token=access)
    error = stage.control("complete", 400, handle=token, password="wrong")
    assert error["error_code"] == "INVALID_CREDENTIALS"
    stage.refuse("/auth/get", "ITEM_LOGIN_REQUIRED", access_token=access)


def test_update_mode_with_account_selection_keeps_the_ids(stage):
    access, _ = stage.linked(complete={"accounts": ["Plaid Checking"]})
    (before,) = stage.call("/accounts/get", access_token=access)["accounts"]
    token = stage.link_token(access_token=access, update={"account_selection_enabled": True})
    both = ["Plaid Checking", "Plaid Saving"]
    stage.control("complete", handle=token, accounts=both)
    after = stage.call("/accounts/get", access_token=access)["accounts"]
    assert [one["name"] for one in after] == both
    assert after[0]["account_id"] == before["account_id"]


def test_a_login_lasts_thirty_days(stage):
    access, _ = stage.linked()
    stage.clock.advance(30 * DAY_MS - 1)
    stage.call("/auth/get", access_token=access)
    stage.clock.advance(1)
    stage.refuse("/auth/get", "ITEM_LOGIN_REQUIRED", access_token=access)


def test_a_processor_meets_the_broken_login_too(stage):
    token = stage.call("/sandbox/processor_token/create", institution_id="ins_109508")
    processor = token["processor_token"]
    stage.call("/processor/balance/get", processor_token=processor)
    stage.clock.advance(31 * DAY_MS)
    error = stage.refuse("/processor/auth/get", "ITEM_LOGIN_REQUIRED", processor_token=processor)
    assert error["error_type"] == "ITEM_ERROR"


# Institutions


def test_institutions_are_listed_found_and_shown(stage):
    page = stage.call("/institutions/get", count=3, offset=1, country_codes=["US"])
    assert len(page["institutions"]) == 3
    assert page["total"] > 3
    found = stage.call("/institutions/search", query="gingham", country_codes=["US"])
    assert [one["institution_id"] for one in found["institutions"]] == ["ins_109509"]
    shown = stage.call(
        "/institutions/get_by_id",
        institution_id="ins_109508",
        country_codes=["US"],
        options={"include_optional_metadata": True, "include_status": True},
    )["institution"]
    assert shown["name"] == "First Platypus Bank"
    assert shown["status"]["item_logins"]["status"] == "HEALTHY"
    for place in ("ins_0", "ins_43"):
        stage.refuse(
            "/institutions/get_by_id",
            "INVALID_INSTITUTION",
            institution_id=place,
            country_codes=["US"],
        )
