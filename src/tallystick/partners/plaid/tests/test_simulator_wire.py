"""The simulator over a socket: Plaid's own Python SDK, unmodified, and callers at once."""

import threading
from collections.abc import Iterator

import httpx2
import plaid
import pytest
from plaid.api import plaid_api
from plaid.model import (
    accounts_balance_get_request as balance,
    auth_get_request as auth,
    country_code,
    item_public_token_exchange_request as exchange,
    item_remove_request as remove,
    link_token_create_request as link,
    link_token_create_request_user as link_user,
    processor_auth_get_request as processor_auth,
    processor_token_create_request as processor_token,
    products,
    sandbox_item_reset_login_request as reset_login,
    sandbox_public_token_create_request as sandbox_token,
)

from tallystick.partners.plaid.tests.simulator_stage import PREFIX, Stage, on_stage, served


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with on_stage() as staged, served(staged) as url:
        staged.url = f"{url}{PREFIX}"
        yield staged


@pytest.fixture
def client(stage) -> Iterator[plaid_api.PlaidApi]:
    keys = {"clientId": "sandbox", "secret": "sandbox"}
    with plaid.ApiClient(plaid.Configuration(host=stage.url, api_key=keys)) as api:
        yield plaid_api.PlaidApi(api)


def link_token(client, **more) -> str:
    request = link.LinkTokenCreateRequest(
        client_name="Acme Pay",
        language="en",
        country_codes=[country_code.CountryCode("US")],
        user=link_user.LinkTokenCreateRequestUser(client_user_id="customer-1"),
        **more,
    )
    return client.link_token_create(request).link_token


def complete(stage, **body) -> httpx2.Response:
    return httpx2.post(f"{stage.url}/_control/complete", json=body, trust_env=False)


def test_the_sdk_goes_the_whole_way(stage, client):
    token = link_token(client, products=[products.Products("auth")])
    public = complete(stage, handle=token, accounts=["Plaid Saving"]).json()["publicToken"]
    grant = client.item_public_token_exchange(
        exchange.ItemPublicTokenExchangeRequest(public_token=public)
    )
    access = grant.access_token
    numbers = client.auth_get(auth.AuthGetRequest(access_token=access)).numbers
    assert numbers.ach[0].account == "1111222233331111"
    accounts = client.accounts_balance_get(
        balance.AccountsBalanceGetRequest(access_token=access)
    ).accounts
    assert accounts[0].balances.available == 200
    made = client.processor_token_create(
        processor_token.ProcessorTokenCreateRequest(
            access_token=access, account_id=accounts[0].account_id, processor="dwolla"
        )
    )
    request = processor_auth.ProcessorAuthGetRequest(processor_token=made.processor_token)
    assert client.processor_auth_get(request).numbers.ach.routing == "011401533"
    client.item_remove(remove.ItemRemoveRequest(access_token=access))
    with pytest.raises(plaid.ApiException) as error:
        client.auth_get(auth.AuthGetRequest(access_token=access))
    assert (error.value.status, '"ITEM_NOT_FOUND"' in error.value.body) == (400, True)


def test_the_sdk_meets_a_broken_login_and_repairs_it(stage, client):
    public = client.sandbox_public_token_create(
        sandbox_token.SandboxPublicTokenCreateRequest(
            institution_id="ins_109508", initial_products=[products.Products("auth")]
        )
    ).public_token
    request = exchange.ItemPublicTokenExchangeRequest(public_token=public)
    access = client.item_public_token_exchange(request).access_token
    with pytest.raises(plaid.ApiException, match="INVALID_PUBLIC_TOKEN"):
        client.item_public_token_exchange(request)
    client.sandbox_item_reset_login(reset_login.SandboxItemResetLoginRequest(access_token=access))
    with pytest.raises(plaid.ApiException, match="ITEM_LOGIN_REQUIRED"):
        client.auth_get(auth.AuthGetRequest(access_token=access))
    token = link_token(client, access_token=access)
    assert complete(stage, handle=token).json() == {"repaired": True}
    client.auth_get(auth.AuthGetRequest(access_token=access))


def test_the_sdk_meets_wrong_keys(stage):
    keys = {"clientId": "sandbox", "secret": "wrong"}
    with plaid.ApiClient(plaid.Configuration(host=stage.url, api_key=keys)) as api:
        request = exchange.ItemPublicTokenExchangeRequest(public_token="public-sandbox-0")
        with pytest.raises(plaid.ApiException, match="INVALID_API_KEYS"):
            plaid_api.PlaidApi(api).item_public_token_exchange(request)


def test_of_many_exchanges_at_once_one_wins(stage, client):
    token = link_token(client, products=[products.Products("auth")])
    public = complete(stage, handle=token).json()["publicToken"]
    body = {"client_id": "sandbox", "secret": "sandbox", "public_token": public}
    together = threading.Barrier(12)
    statuses = []

    def try_it() -> None:
        with httpx2.Client(trust_env=False) as own:
            together.wait()
            answer = own.post(f"{stage.url}/item/public_token/exchange", json=body)
            statuses.append(answer.status_code)

    threads = [threading.Thread(target=try_it) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [400] * 11


def test_two_processes_on_one_database_spend_a_token_once(tmp_path):
    """Two simulators with connections of their own: the transaction decides, not the loop."""
    path = str(tmp_path / "sandbox.db")
    with on_stage(path=path) as one, on_stage(path=path, seed=2) as other:
        for _ in range(20):
            public = one.control("complete", handle=one.link_token())["publicToken"]
            body = {"client_id": "sandbox", "secret": "sandbox", "public_token": public}
            together = threading.Barrier(2)
            statuses = []

            def try_it(staged, body=body, together=together, statuses=statuses) -> None:
                together.wait()
                statuses.append(staged.post("/item/public_token/exchange", body).status_code)

            threads = [threading.Thread(target=try_it, args=(each,)) for each in (one, other)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(statuses) == [200, 400]


def test_a_restart_keeps_everything(tmp_path):
    path = str(tmp_path / "sandbox.db")
    with on_stage(path=path) as before:
        access, item_id = before.linked(webhook="http://hook.test/")
        waiting = before.link_token()
        before.call("/sandbox/item/reset_login", access_token=access)
        kid = before.kit.shelf.get("signing_key", "current")["kid"]
    with on_stage(path=path, seed=2) as after:
        error = after.call("/item/get", access_token=access)["item"]["error"]
        assert error["error_code"] == "ITEM_LOGIN_REQUIRED"
        assert after.control("complete", handle=after.link_token(access_token=access))
        assert after.call("/auth/get", access_token=access)["item"]["item_id"] == item_id
        assert "publicToken" in after.control("complete", handle=waiting)
        after.call("/webhook_verification_key/get", key_id=kid)
