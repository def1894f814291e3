"""Retries, idempotency keys and deadlines of the SDK.

Where a test takes `both`, it runs with both clients.
"""

from __future__ import annotations

import asyncio
import re
import time

import httpx2
import pytest

from tallystick import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ConfigurationError,
    ConflictError,
    RateLimitError,
    ResponseShapeError,
    RetryConfig,
    ServerError,
)
from tallystick.sdk import retries as retrying

from .sdk_world import ID, Recorder, answer, create, created, customer, error, get_customer

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
        both(server, get_customer, timeout=50)
    assert time.monotonic() - started < 40
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
    # A machine that stalls may meet the deadline in the middle of a try.
    with pytest.raises((ServerError, APITimeoutError)):
        both(server, get_customer, timeout=0.5, retry_config=RetryConfig(1_000, 0.05, 1.0))
    assert time.monotonic() - started < 20  # not the 25 s and more that 1,000 tries take
    assert len(server.sent) < 100


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
    assert time.monotonic() - started < 20  # not without end


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
