"""What the SDK sends and shows, where to and as whom.

Where a test takes `both`, it runs with both clients.
"""

from __future__ import annotations

import logging

import httpx2
import pytest

from tallystick import APIError, ArgumentError, AsyncClient, Client, ConfigurationError, RetryConfig
from tallystick.sdk import options as settings

from .sdk_world import ADA, BASE, ID, Recorder, answer, created, customer, error, get_customer

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
    elsewhere = {"TALLYSTICK_URL": "https://api.dwolla.com"}
    assert settings.server_url("local", None, elsewhere) == "http://127.0.0.1:7420"


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
