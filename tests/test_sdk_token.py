"""The SDK's access token: fetched once, renewed early, shared, and never shown.

Where a test takes `both`, it runs with both clients.
"""

from __future__ import annotations

import asyncio
import threading
import time

import httpx2
import pytest

from tallystick import (
    AsyncClient,
    AuthenticationError,
    InvalidExchangeTokenError,
    ResponseShapeError,
    RetryConfig,
    ServerError,
)
from tallystick.sdk.errors import ExpiredAccessTokenError, InvalidCredentialsError

from .sdk_world import (
    BASE,
    ID,
    Recorder,
    answer,
    create,
    created,
    customer,
    error,
    get_customer,
    token,
)


def test_the_token_is_fetched_once_and_sent(both):
    server = Recorder(lambda _request: answer(customer()))

    def twice(client):
        first = get_customer(client)
        if not hasattr(first, "__await__"):
            return get_customer(client)

        async def later():
            await first
            return await get_customer(client)

        return later()

    both(server, twice)
    assert len(server.token_requests) == 1
    assert server.header("authorization") == ["Bearer token-1"] * 2
    asked = server.token_requests[0]
    assert asked.content == b"grant_type=client_credentials"
    assert asked.headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "code", ["ExpiredAccessToken", "InvalidAccessToken", "expiredaccesstoken", ""]
)
def test_a_refused_token_is_renewed_once(both, code):
    server = Recorder(error(401, code), answer(customer()))
    assert both(server, get_customer).id == ID
    assert server.header("authorization") == ["Bearer token-1", "Bearer token-2"]
    always = Recorder(lambda _request: error(401, code))
    with pytest.raises(AuthenticationError):
        both(always, get_customer)
    assert len(always.sent) == 2


def test_a_post_keeps_its_key_when_the_token_is_renewed(both):
    server = Recorder(error(401, "ExpiredAccessToken"), created(f"/customers/{ID}"))
    both(server, create)
    first, second = server.header("idempotency-key")
    assert first == second is not None


def test_a_bad_proof_does_not_renew_the_token(both):
    server = Recorder(error(401, "InvalidExchangeToken"))
    with pytest.raises(InvalidExchangeTokenError):
        both(server, get_customer)
    assert len(server.token_requests) == 1


def test_wrong_credentials_are_an_error_that_does_not_show_them(both):
    server = Recorder()
    server.tokens = lambda _n: answer({"error": "invalid_client"}, 401)
    with pytest.raises(InvalidCredentialsError) as caught:
        both(server, get_customer, key="my-key", secret="my-secret")
    assert len(server.token_requests) == 1
    assert "my-secret" not in f"{caught.value!r} {caught.value}"


@pytest.mark.parametrize(
    "body",
    [{}, {"access_token": ""}, {"access_token": "a\nb"}, {"access_token": 5}, [], None, "text",
     {"access_token": "ключ"}],
)  # fmt: skip
def test_a_token_that_is_none_is_an_error(both, body):
    server = Recorder()
    server.tokens = lambda _n: answer(body)
    with pytest.raises(ResponseShapeError):
        both(server, get_customer)


def test_a_bearer_of_your_own_is_never_renewed(both):
    server = Recorder(error(401, "ExpiredAccessToken"))
    with pytest.raises(ExpiredAccessTokenError):
        both(server, get_customer, bearer_auth="mine")
    assert server.header("authorization") == ["Bearer mine"]
    assert not server.token_requests


class Ticks:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("expires_in", "fresh_for_s"),
    [
        (3600, 3540),
        (100, 90),
        (None, 3540),
        ("soon", 3540),
        (True, 3540),
        (-1, 3540),
        (1e300, 86340),
    ],
)
def test_the_token_is_renewed_early(expires_in, fresh_for_s):
    server = Recorder(lambda _request: answer(customer()))
    server.tokens = lambda n: token(f"token-{n}", expires_in)
    ticks = Ticks()
    with server.client() as client:
        engine = client._driver.engine
        engine.ticks = engine.tokens._ticks = ticks
        get_customer(client)
        ticks.now += fresh_for_s - 1
        get_customer(client)
        assert len(server.token_requests) == 1
        ticks.now += 2
        get_customer(client)
        assert len(server.token_requests) == 2


def test_an_old_token_serves_while_none_can_be_had():
    """In its last minute the token still works: an unreachable token endpoint is no outage yet."""
    server = Recorder(lambda _request: answer(customer()))
    ticks = Ticks()
    with server.client(retry_config=RetryConfig(max_retries=0)) as client:
        engine = client._driver.engine
        engine.ticks = engine.tokens._ticks = ticks
        get_customer(client)

        def unreachable(_n):
            raise httpx2.ConnectError("down")

        ticks.now += 3_590
        for outage in (unreachable, lambda _n: error(503, "ServerError")):
            server.tokens = outage
            assert get_customer(client).id == ID
        ticks.now += 20
        with pytest.raises(ServerError):
            get_customer(client)


def test_threads_fetch_one_token():
    def slow(request: httpx2.Request) -> httpx2.Response:
        return answer(customer())

    server = Recorder(slow)
    server.tokens = lambda n: (time.sleep(0.05), token(f"token-{n}"))[1]
    with server.client() as client:
        threads = [threading.Thread(target=get_customer, args=(client,)) for _ in range(16)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(10)
    assert len(server.token_requests) == 1
    assert server.header("authorization") == ["Bearer token-1"] * 16


def test_tasks_fetch_one_token():
    class Slow(httpx2.AsyncBaseTransport):
        def __init__(self, inner: Recorder) -> None:
            self.inner = inner

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            await asyncio.sleep(0.01)
            return self.inner(request)

    server = Recorder(lambda _request: answer(customer()))

    async def main():
        async with AsyncClient(base_url=BASE, transport=Slow(server)) as client:
            await asyncio.gather(*(get_customer(client) for _ in range(16)))

    asyncio.run(main())
    assert len(server.token_requests) == 1


def test_a_cancelled_renewal_leaves_the_turn_to_the_next():
    class Stuck(httpx2.AsyncBaseTransport):
        calls = 0

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if request.url.path == "/token":
                Stuck.calls += 1
                if Stuck.calls == 1:
                    await asyncio.sleep(60)
                return token()
            return answer(customer())

    async def main():
        async with AsyncClient(base_url=BASE, transport=Stuck()) as client:
            first = asyncio.create_task(get_customer(client))
            await asyncio.sleep(0.01)
            second = asyncio.create_task(get_customer(client))
            await asyncio.sleep(0.01)
            first.cancel()
            assert (await second).id == ID
            assert first.cancelled() or first.cancelling()

    asyncio.run(main())
