"""The token, retries, idempotency keys, deadlines, hooks and the log of the SDK.

Each test runs with both clients: `both` gives one whose calls are made the same way.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time

import httpx2
import pytest

from tallystick import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ArgumentError,
    AsyncClient,
    AuthenticationError,
    Client,
    ConfigurationError,
    ConflictError,
    InvalidExchangeTokenError,
    RateLimitError,
    ResponseShapeError,
    RetryConfig,
    ServerError,
)
from tallystick.sdk import options as settings, retries as retrying
from tallystick.sdk.errors import ExpiredAccessTokenError, InvalidCredentialsError

from .sdk_world import BASE, ID, Recorder, answer, created, customer, error, token

ADA = {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.com"}
QUICK = RetryConfig(initial_s=0.001)


@pytest.fixture(params=[Client, AsyncClient], ids=["sync", "async"])
def both(request):
    """`both(recorder, call, **options)`: the result of `call(client)`, awaited if need be."""

    def run(recorder: Recorder, call, **options):
        options = {"retry_config": QUICK, **options}
        if request.param is Client:
            with recorder.client(**options) as client:
                return call(client)

        async def later():
            async with recorder.async_client(**options) as client:
                return await call(client)

        return asyncio.run(later())

    return run


def get_customer(client):
    return client.customers.get(ID)


def create(client):
    return client.customers.create(**ADA)


# ── the token ─────────────────────────────────────────────────────────────────────────────────


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


# ── retries ───────────────────────────────────────────────────────────────────────────────────


FAILURES = {
    "429": lambda: error(429, "TooManyRequests"),
    "500": lambda: error(500, "ServerError"),
    "503": lambda: answer("<html>", 503),
    "408": lambda: error(408, "RequestTimeout"),
    "refused": lambda: httpx2.ConnectError("refused"),
    "timeout": lambda: httpx2.ReadTimeout("slow"),
    "garbage": lambda: httpx2.RemoteProtocolError("garbage"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_what_may_pass_is_tried_again_with_the_same_key(both, failure):
    server = Recorder(failure(), failure(), created(f"/customers/{ID}"))
    made = both(server, create)
    assert (made.id, made.http.retries) == (ID, 2)
    keys = server.header("idempotency-key")
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert re.fullmatch(r"[0-9a-f-]{36}", keys[0])


def test_two_calls_have_two_keys(both):
    server = Recorder(lambda _request: created(f"/customers/{ID}"))
    both(server, create)
    both(server, create)
    assert len(set(server.header("idempotency-key"))) == 2


def test_reading_has_no_key(both):
    server = Recorder(answer(customer()))
    both(server, get_customer)
    assert server.header("idempotency-key") == [None]


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 409, 501])
def test_what_will_not_pass_is_not_tried_again(both, status):
    server = Recorder(error(status, "Whatever"))
    with pytest.raises(APIError) as caught:
        both(server, create)
    assert len(server.sent) == 1
    assert caught.value.status_code == status


def test_a_retry_that_meets_its_own_first_try_waits_for_it(both):
    """409 on a retry: the first try is still running at the server (contract 4.1)."""
    server = Recorder(
        httpx2.ReadTimeout("slow"), error(409, "Conflict"), created(f"/customers/{ID}")
    )
    assert both(server, create).id == ID
    stays = Recorder(httpx2.ReadTimeout("slow"), lambda _request: error(409, "Conflict"))
    with pytest.raises(ConflictError):
        both(stays, create)


def test_retries_end(both):
    server = Recorder(lambda _request: error(503, "ServerError"))
    with pytest.raises(ServerError) as caught:
        both(server, get_customer)
    assert len(server.sent) == 3
    assert caught.value.http.retries == 2


def test_retries_can_be_off_and_options_share_the_token(both):
    server = Recorder(lambda _request: error(503, "ServerError"))
    with pytest.raises(ServerError):
        both(server, get_customer, retry_config=None, max_retries=0)
    assert len(server.sent) == 1
    other = Recorder(lambda _request: answer(customer()))
    with other.client() as client:
        get_customer(client)
        get_customer(client.with_options(max_retries=5, timeout=5, headers={"X-Trace": "t"}))
    assert len(other.token_requests) == 1
    assert other.header("x-trace") == [None, "t"]


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [("3", 3.0), ("0", 0.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None), ("", None),
     ("-5", None), ("1e9", None), ("9" * 40, 999_999_999.0), ("٣", None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(sent, seconds):
    assert retrying.retry_after_s({"retry-after": sent}) == seconds


def test_retry_after_lengthens_the_wait_and_the_deadline_ends_it(both):
    server = Recorder(answer({"code": "TooManyRequests"}, 429, **{"retry-after": "60"}))
    started = time.monotonic()
    with pytest.raises(RateLimitError) as caught:
        both(server, get_customer, timeout=5)
    assert time.monotonic() - started < 4
    assert caught.value.retry_after_s == 60
    assert len(server.sent) == 1


def test_waits_grow_and_differ():
    config = RetryConfig()
    failure = APIConnectionError("x")
    for tried, longest in ((1, 0.5), (2, 1.0)):
        waits = {config.wait_s(failure, tried) for _ in range(50)}
        assert len(waits) > 10
        assert all(longest / 2 <= each <= longest for each in waits)
    assert config.wait_s(failure, 3) is None
    assert RetryConfig(connection_errors=False).wait_s(failure, 1) is None
    assert RetryConfig(10**6, 1, 100, 7).wait_s(failure, 10**6) <= 7
    for wrong in ({"max_retries": -1}, {"factor": 0.5}, {"initial_s": float("nan")}):
        with pytest.raises(ConfigurationError):
            RetryConfig(**wrong)


# ── deadlines ─────────────────────────────────────────────────────────────────────────────────


def test_the_deadline_bounds_all_tries(both):
    server = Recorder(lambda _request: error(503, "ServerError"))
    started = time.monotonic()
    with pytest.raises(ServerError):
        both(server, get_customer, timeout=0.3, retry_config=RetryConfig(100, 0.05, 1.0))
    assert time.monotonic() - started < 1
    assert 2 < len(server.sent) < 15


class Dripping(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body of one byte every 50 ms, without end."""

    def __iter__(self):
        while True:
            time.sleep(0.05)
            yield b" "

    async def __aiter__(self):
        while True:
            await asyncio.sleep(0.05)
            yield b" "


def test_a_body_that_drips_ends_at_the_deadline(both):
    server = Recorder(lambda _request: httpx2.Response(200, stream=Dripping()))
    started = time.monotonic()
    with pytest.raises(APITimeoutError):
        both(server, get_customer, timeout=0.4)
    assert time.monotonic() - started < 2


class Flooding(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    def __iter__(self):
        while True:
            yield b" " * 1_000_000

    async def __aiter__(self):
        while True:
            yield b" " * 1_000_000


def test_a_body_without_end_is_not_kept(both):
    server = Recorder(lambda _request: httpx2.Response(200, stream=Flooding()))
    with pytest.raises(ResponseShapeError):
        both(server, get_customer)


# ── what is sent ──────────────────────────────────────────────────────────────────────────────


def test_a_redirect_is_not_followed(both):
    """The token must not travel to where somebody points."""
    server = Recorder(answer(None, 302, location="https://elsewhere.example/"))
    with pytest.raises(APIError):
        both(server, get_customer)
    assert len(server.sent) == 1


@pytest.mark.parametrize("key", ["", "a\nb", "ключ", "x" * 256])
def test_a_key_that_is_no_header_is_refused(both, key):
    server = Recorder()
    with pytest.raises(ArgumentError) as caught:
        both(server, lambda client: client.customers.create(**ADA, idempotency_key=key))
    assert not server.sent
    assert not key or key not in str(caught.value)


def test_hooks_see_what_happens_but_no_credentials(both):
    seen = []

    def on_request(request):
        request.headers["x-trace"] = "t-1"
        seen.append(("request", request.method, request.path))
        assert "token-1" not in repr(request)
        assert "authorization" not in request.headers

    server = Recorder(error(503, "ServerError"), answer(customer()))
    both(
        server,
        get_customer,
        on_request=on_request,
        on_response=lambda request, http: seen.append(("response", http.status_code)),
        on_retry=lambda retried: seen.append(
            ("retry", retried.number, retried.failure.status_code)
        ),
    )
    assert seen == [
        ("request", "POST", "/token"),
        ("response", 200),
        ("request", "GET", f"/customers/{ID}"),
        ("response", 503),
        ("retry", 1, 503),
        ("request", "GET", f"/customers/{ID}"),
        ("response", 200),
    ]
    assert server.header("x-trace") == ["t-1"] * 2


SECRETS = ["token-1", "ada@example.com", "Byron", "123-45-6789", "public-sandbox-1", "s3cret"]


def test_the_log_shows_what_happens_but_no_secret(both, caplog):
    caplog.set_level(logging.DEBUG, logger="tallystick")
    server = Recorder(created(f"/customers/{ID}"))
    server_token = Recorder(answer({"token": "public-sandbox-1", "status": "verified"}))
    both(server, lambda c: c.customers.create(**ADA, ssn="123-45-6789"), key="k", secret="s3cret")
    both(server_token, get_customer)
    text = caplog.text
    assert "POST /customers" in text
    assert '"ssn":"«…»"' in text
    assert '"status":"verified"' in text
    assert "request req-1" in text
    assert not [each for each in SECRETS if each in text]


# ── where to, and who ─────────────────────────────────────────────────────────────────────────


def test_the_local_gateway_is_found_without_a_word():
    with Client() as client:
        assert client.base_url == BASE


def test_an_address_of_the_environment_is_used(monkeypatch):
    monkeypatch.setenv("TALLYSTICK_URL", "https://links.internal/")
    monkeypatch.setenv("TALLYSTICK_CLIENT_ID", "k")
    monkeypatch.setenv("TALLYSTICK_CLIENT_SECRET", "s")
    with Client() as client:
        assert client.base_url == "https://links.internal"
        assert repr(client) == "Client('https://links.internal')"


def test_credentials_without_encryption_are_warned_about(caplog):
    with Client(base_url="http://links.internal", key="k", secret="s3cret"):
        pass
    assert "without encryption" in caplog.text
    assert "s3cret" not in caplog.text


def test_production_must_be_named():
    urls = {settings.server_url(each, None, {}) for each in (None, "local", "sandbox")}
    assert settings.SERVERS["production"] not in urls
    assert settings.server_url("production", None, {}) == "https://api.dwolla.com"


@pytest.mark.parametrize(
    "options",
    [
        {"environment": "sandbox"},
        {"environment": "production"},
        {"environment": "elsewhere", "key": "k", "secret": "s"},
        {"environment": "sandbox", "base_url": BASE},
        {"base_url": "ftp://host"},
        {"base_url": "https://user:pass@host"},
        {"base_url": "not an address"},
        {"base_url": "https://links.internal"},
        {"base_url": "http://[::1"},
        {"base_url": BASE, "key": "k"},
        {"base_url": BASE, "key": "k", "secret": "a\nb"},
        {"base_url": BASE, "key": "k", "secret": "s", "bearer_auth": "b"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"max_retries": 1, "retry_config": RetryConfig()},
    ],
)
def test_a_client_that_could_not_work_is_refused(options):
    for kind in (Client, AsyncClient):
        with pytest.raises(ConfigurationError):
            kind(**options)


def test_your_own_http_client_stays_open():
    server = Recorder(answer(customer()))
    http = httpx2.Client(transport=httpx2.MockTransport(server), headers={"X-Mine": "1"})
    with Client(base_url=BASE, http_client=http) as client:
        get_customer(client)
    assert not http.is_closed
    assert server.header("x-mine") == ["1"]
    http.close()
