"""What the simulator's tests stand on: the simulator behind a socket, and Plaid's own document."""

import asyncio
import functools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import pytest
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tallystick.clock import VirtualClock
from tallystick.ids import SeededEntropy
from tallystick.partners.plaid.simulator.app import create
from tallystick.sandbox.kit import ASSETS, ASSETS_URL, Kit, Shelf, open_shelves

PREFIX = "/_partners/plaid"
DOCUMENT = Path(__file__).parents[6] / "shared" / "specs" / "plaid-openapi.yml"

Json = dict[str, Any]


@dataclass
class Stage:
    """A simulator on a database of its own; `notices` are what it posted."""

    path: str = ":memory:"
    seed: int = 1
    clock: VirtualClock = field(default_factory=VirtualClock)
    notices: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self.db = open_shelves(self.path)
        self.kit = Kit(
            partner="plaid",
            prefix=PREFIX,
            shelf=Shelf(self.db, "plaid"),
            clock=self.clock,
            entropy=SeededEntropy(self.seed),
            send=lambda url, body, headers: self.notices.append((url, body, dict(headers))),
        )
        self.app = Starlette(
            routes=[
                Mount(ASSETS_URL, StaticFiles(directory=ASSETS)),
                Mount(PREFIX, create(self.kit)),
            ]
        )

    # One call, checked against Plaid's document

    def call(self, path: str, status: int = 200, **body: Any) -> Json:
        """A call with good keys, over the wire format but without a socket."""
        keys = {"client_id": "sandbox", "secret": "sandbox"}
        answer = self.post(path, {**keys, **body})
        assert answer.status_code == status, answer.text
        check_answer(path, answer.status_code, answer.json())
        return answer.json()

    def refuse(self, path: str, code: str, status: int = 400, **body: Any) -> Json:
        error = self.call(path, status, **body)
        assert error["error_code"] == code, error
        return error

    def post(self, path: str, body: Any, **options: Any) -> httpx2.Response:
        async def send() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=self.app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://sim.test") as c:
                return await c.post(f"{PREFIX}{path}", json=body, **options)

        return asyncio.run(send())

    def control(self, name: str, status: int = 200, **body: Any) -> Json:
        answer = self.post(f"/_control/{name}", body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else {}

    # Whole journeys

    def link_token(self, **more: Any) -> str:
        return self.call("/link/token/create", **{**LINK, **more})["link_token"]

    def linked(self, *, complete: Json | None = None, **more: Any) -> tuple[str, str]:
        """A link token completed and exchanged: access token and item id."""
        token = self.link_token(**more)
        public = self.control("complete", handle=token, **(complete or {}))["publicToken"]
        item = self.call("/item/public_token/exchange", public_token=public)
        return item["access_token"], item["item_id"]

    def told(self) -> list[Json]:
        return [json.loads(body) for _url, body, _headers in self.notices]

    def close(self) -> None:
        self.db.close()


LINK: Json = {
    "client_name": "Acme Pay",
    "language": "en",
    "country_codes": ["US"],
    "products": ["auth"],
    "user": {"client_user_id": "customer-1"},
}


@contextmanager
def on_stage(**options: Any) -> Iterator[Stage]:
    stage = Stage(**options)
    try:
        yield stage
    finally:
        stage.close()


@contextmanager
def served(stage: Stage, page: str = "") -> Iterator[str]:
    """The stage behind a socket; `/` answers `page`. Gives the address without a path."""
    # The page of the integrator is another program at another origin in real life; here the same
    # server answers for it under the name localhost, which is another origin than 127.0.0.1.
    page_route = Route("/", lambda _request: HTMLResponse(page))
    app = Starlette(routes=[page_route, *stage.app.routes])
    config = uvicorn.Config(app, "127.0.0.1", 0, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive(), "the server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


# Plaid's OpenAPI document


@functools.cache
def document() -> Json:
    if not DOCUMENT.exists():
        pytest.skip("Plaid's OpenAPI document is not beside the repository")
    return yaml.load(DOCUMENT.read_bytes(), yaml.CSafeLoader)


def check_answer(path: str, status: int, body: Any) -> None:
    """The answer is what Plaid's document says of it: of the path if known, else an error."""
    if not DOCUMENT.exists():
        return
    operation = document()["paths"].get(path, {}).get("post")
    if operation is None:
        return
    key = "200" if status == 200 else "default"
    responses = operation["responses"]
    schema = (
        responses[key]["content"]["application/json"]["schema"]
        if key in responses
        else {"$ref": "#/components/schemas/PlaidError"}
    )
    problems = [error.message for error in validator(json.dumps(schema)).iter_errors(body)]
    assert not problems, problems


def check_shape(name: str, body: Any) -> None:
    """`body` is an instance of the document's schema `name`."""
    ref = {"$ref": f"#/components/schemas/{name}"}
    document()
    problems = [error.message for error in validator(json.dumps(ref)).iter_errors(body)]
    assert not problems, problems


@functools.cache
def validator(schema: str) -> Any:
    """For a response schema, with only the components that it reaches."""
    root = json.loads(schema)
    reached: Json = {}
    waiting = [root]
    while waiting:
        for name in _references(waiting.pop()):
            if name not in reached:
                reached[name] = document()["components"]["schemas"][name]
                waiting.append(reached[name])
    whole = {**root, "components": {"schemas": reached}}
    return jsonschema_rs.Draft202012Validator(_with_nulls(whole), validate_formats=False)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix("#/components/schemas/")
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _with_nulls(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable`, JSON Schema says `null`; `allOf` with a nullable part means it."""
    if isinstance(node, list):
        return [_with_nulls(one) for one in node]
    if not isinstance(node, dict):
        return node
    parts = node.get("allOf")
    nullable = node.get("nullable") is True or (
        isinstance(parts, list) and any(one.get("nullable") is True for one in parts)
    )
    drop = {"nullable", "example", "examples"}
    plain = {name: _with_nulls(value) for name, value in node.items() if name not in drop}
    if isinstance(plain.get("example"), dict):
        plain.pop("example")
    return {"anyOf": [plain, {"type": "null"}]} if nullable else plain
