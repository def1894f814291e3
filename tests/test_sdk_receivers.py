"""Webhooks in FastAPI, Flask and Django, each through its own test client."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import django
import flask
import httpx2
import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tallystick import Event
from tallystick.receivers import django as for_django, fastapi as for_fastapi, flask as for_flask

from .sdk_world import ID

SECRETS = ["new", "old"]
BODY = json.dumps({"id": ID, "topic": "customer_created"}).encode()

Post = Callable[[bytes, dict[str, str]], tuple[int, str]]


def by_fastapi(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    """By FastAPI itself where it is: `mx-platform-python` wants a pydantic that it does not."""
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()
    event_of = fastapi.Depends(for_fastapi.webhook(SECRETS))

    @app.post("/hook")
    async def receive(event=event_of) -> str:
        return event.topic

    return asked(app, body, headers)


def by_starlette(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    verified = for_fastapi.webhook(SECRETS)

    async def receive(request: Request) -> Response:
        return PlainTextResponse((await verified(request)).topic)

    return asked(Starlette(routes=[Route("/hook", receive, methods=["POST"])]), body, headers)


def asked(app: Any, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    async def post() -> tuple[int, str]:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://shop") as client:
            answer = await client.post("/hook", content=body, headers=headers)
            return answer.status_code, answer.text

    return asyncio.run(post())


def by_flask(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    app = flask.Flask("shop")

    @app.post("/hook/<name>")
    @for_flask.webhook(SECRETS)
    def receive(event: Event, name: str) -> str:
        assert name == "a"
        return event.topic

    answer = app.test_client().post("/hook/a", data=body, headers=headers)
    return answer.status_code, answer.text


def by_django(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], DEFAULT_CHARSET="utf-8")
        django.setup()

    @for_django.webhook(SECRETS)
    def receive(request: HttpRequest, event: Event, name: str) -> HttpResponse:
        assert (request.method, name) == ("POST", "a")
        return HttpResponse(event.topic)

    assert receive(RequestFactory().get("/hook"), name="a").status_code == 405
    request = RequestFactory().post("/hook", body, content_type="application/json", headers=headers)
    answer = receive(request, name="a")
    return answer.status_code, answer.content.decode()


def signed(secret: str, body: bytes = BODY) -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Request-Signature-SHA-256": signature, "Content-Type": "application/json"}


@pytest.mark.parametrize("post", [by_fastapi, by_starlette, by_flask, by_django])
def test_only_what_a_secret_signed_comes_through(post: Post):
    for secret in SECRETS:
        status, said = post(BODY, signed(secret))
        assert (status, said.strip('"')) == (200, "customer_created")
    wrong = [signed("other"), {"Content-Type": "application/json"}, signed("new", BODY + b" ")]
    for headers in wrong:
        status, said = post(BODY, headers)
        assert status == 401
        assert "customer_created" not in said
    assert post(b"[]", signed("new", b"[]"))[0] == 401
