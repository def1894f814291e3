"""What the SDK's tests stand on: a transport that records, servers of a few lines, both clients."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2

from tallystick import AsyncClient, Client, RetryConfig

BASE = "http://127.0.0.1:7420"
HAL = "application/vnd.dwolla.v1.hal+json"
ID = "9a1c1cf7-3c1d-4a1f-9d0e-6a5b6a4a7f11"
CUSTOMER = f"{BASE}/customers/{ID}"
ADA = {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.com"}
QUICK = RetryConfig(initial_s=0.001)

Handler = Callable[[httpx2.Request], httpx2.Response]


def answer(body: Any = None, status: int = 200, **headers: str) -> httpx2.Response:
    content = b"" if body is None else json.dumps(body).encode()
    return httpx2.Response(
        status, content=content, headers={"content-type": HAL, "x-request-id": "req-1", **headers}
    )


def created(path: str) -> httpx2.Response:
    return answer(None, 201, location=f"{BASE}{path}")


def error(status: int, code: str, message: str = "No.", **more: Any) -> httpx2.Response:
    return answer({"code": code, "message": message, **more}, status)


def token(value: str = "token-1", expires_in: Any = 3600) -> httpx2.Response:
    return answer({"access_token": value, "token_type": "Bearer", "expires_in": expires_in})


def customer(**members: Any) -> dict[str, Any]:
    return {
        "_links": {"self": {"href": CUSTOMER}},
        "id": ID,
        "firstName": "Ada",
        "lastName": "Byron",
        "email": "ada@example.com",
        "type": "unverified",
        "status": "unverified",
        "created": "2026-02-03T10:11:12.013Z",
        **members,
    }


class Recorder:
    """Answers each request with the next of `answers`, or by a handler; keeps what was sent.

    POST /token is answered aside, with tokens that count up, unless `tokens` says otherwise.
    """

    def __init__(self, *answers: httpx2.Response | Exception | Handler) -> None:
        self._answers = iter(answers)
        self._last: httpx2.Response | Exception | Handler | None = None
        self.sent: list[httpx2.Request] = []
        self.token_requests: list[httpx2.Request] = []
        self.tokens: Callable[[int], httpx2.Response] = lambda n: token(f"token-{n}")

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/token":
            self.token_requests.append(request)
            return self.tokens(len(self.token_requests))
        self.sent.append(request)
        step = next(self._answers, self._last)
        assert step is not None, f"nobody expected {request.method} {request.url}"
        if callable(step):
            self._last = step
            return step(request)
        if isinstance(step, Exception):
            raise step
        return step

    def client(self, **options: Any) -> Client:
        return Client(base_url=BASE, transport=httpx2.MockTransport(self), **options)

    def async_client(self, **options: Any) -> AsyncClient:
        return AsyncClient(base_url=BASE, transport=httpx2.MockTransport(self), **options)

    def header(self, name: str) -> list[str | None]:
        return [each.headers.get(name) for each in self.sent]


def get_customer(client: Any) -> Any:
    return client.customers.get(ID)


def create(client: Any) -> Any:
    return client.customers.create(**ADA)
