"""The simulator on a socket, with every answer checked against MX's OpenAPI documents.

The other simulator tests stand on this. Its own tests show that the check can fail.
"""

from __future__ import annotations

import json
import re
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any, Self

import httpx2
import jsonschema_rs
import mx_platform_python as mx
import pytest
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tallystick.clock import VirtualClock
from tallystick.ids import SeededEntropy, SystemEntropy
from tallystick.partners.mx.simulator.app import create
from tallystick.sandbox.kit import ASSETS, ASSETS_URL, Kit, Shelf, open_shelves

PREFIX = "/_partners/mx"
OLD, NEW = "mx-v20111101.yml", "mx-v20250224.yml"
MINUTE_MS = 60_000


def specs_folder() -> Path:
    """`<repo>/../shared/specs`, wherever the repository is."""
    for parent in Path(__file__).resolve().parents:
        if (parent / "pyproject.toml").exists():
            return parent.parent / "shared" / "specs"
    raise AssertionError("this file is in no repository")


class Contract:
    """One OpenAPI document: is this the answer that it promises?"""

    def __init__(self, path: Path) -> None:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        self._document = _as_json_schema(document)
        self._validators: dict[int, Any] = {}
        self._routes = [
            (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", template)), operations)
            for template, operations in sorted(self._document["paths"].items(), key=_literal_first)
        ]

    def find(self, method: str, path: str) -> dict[str, Any] | None:
        for pattern, operations in self._routes:
            if pattern.fullmatch(path):
                return operations.get(method.lower())
        return None

    def check(self, method: str, path: str, status: int, media: str, body: bytes) -> str | None:
        """What is wrong with the answer, or None."""
        operation = self.find(method, path)
        if operation is None or status >= 400:
            return None
        promised = operation["responses"].get(str(status))
        if promised is None:
            return f"{method} {path}: status {status} is not promised"
        if "content" not in promised:
            return f"{method} {path}: a body where there is none" if body else None
        content = promised["content"].get(media)
        if content is None:
            return f"{method} {path}: {media} is not promised"
        schema = content["schema"]
        validator = self._validators.get(id(schema))
        if validator is None:
            whole = {**schema, "components": self._document["components"]}
            validator = self._validators[id(schema)] = jsonschema_rs.validator_for(whole)
        errors = [
            f"{e.instance_path}: {e.message}" for e in validator.iter_errors(json.loads(body))
        ]
        return f"{method} {path}: {errors}" if errors else None


def _literal_first(item: tuple[str, Any]) -> tuple[int, str]:
    return item[0].count("{"), item[0]


def _as_json_schema(node: Any, *, closed: bool = True) -> Any:
    """OpenAPI 3.0's `nullable` as JSON Schema says it, and objects closed to unknown members."""
    if isinstance(node, list):
        return [_as_json_schema(one, closed=closed) for one in node]
    if not isinstance(node, dict):
        return node
    inner = closed and "allOf" not in node
    shown = {
        k: _as_json_schema(v, closed=inner or k != "allOf")
        for k, v in node.items()
        if k != "example"
    }
    if node.get("nullable") is True and isinstance(node.get("type"), str):
        shown["type"] = [node["type"], "null"]
    if isinstance(node.get("properties"), dict) and node.get("type") == "object" and closed:
        shown.setdefault("additionalProperties", False)
    return shown


@cache
def contract(name: str) -> Contract:
    path = specs_folder() / name
    if not path.exists():
        pytest.skip(f"MX's OpenAPI document {name} is not beside this repository")
    return Contract(path)


class Inspector:
    """ASGI: reads every answer on its way out and notes what breaks the contract."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.complaints: list[str] = []
        self.checked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        start: dict[str, Any] = {}
        body = bytearray()

        async def pass_on(message: Any) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    self._note(scope, start, bytes(body))
            await send(message)

        await self.app(scope, receive, pass_on)

    def _note(self, scope: Any, start: dict[str, Any], body: bytes) -> None:
        asked = {k.decode(): v.decode() for k, v in scope["headers"]}
        version = NEW if "accept-version" in asked else OLD
        if not (specs_folder() / version).exists():
            return  # inside a server there is nobody to skip; the tests skip where they begin
        document = contract(version)
        path = scope["path"].removeprefix(PREFIX)
        media = dict(start["headers"]).get(b"content-type", b"").decode().split(";")[0]
        if document.find(scope["method"], path) is None:
            return
        self.checked += 1
        complaint = document.check(scope["method"], path, start["status"], media, body)
        if complaint:
            self.complaints.append(complaint)


class World:
    """The simulator on a port of its own, with a clock that a test can move.

    `host` is the page of an integrator, at `/host`.
    """

    def __init__(self, database: str, seed: int | None = None, host: str = "") -> None:
        self.clock = VirtualClock()
        self.db = open_shelves(database)
        self.kit = Kit(
            partner="mx",
            prefix=PREFIX,
            shelf=Shelf(self.db, "mx"),
            clock=self.clock,
            entropy=SystemEntropy() if seed is None else SeededEntropy(seed),
            send=lambda *_: None,
        )
        app = Starlette(
            routes=[
                Mount(ASSETS_URL, StaticFiles(directory=ASSETS)),
                Mount(PREFIX, create(self.kit)),
                Route("/host", lambda _request: HTMLResponse(host)),
            ]
        )
        self.inspector = Inspector(app)
        settings = uvicorn.Config(
            self.inspector, port=0, log_level="error", lifespan="off", ws="none"
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.origin = f"http://127.0.0.1:{port}"
        self.base_url = self.origin + PREFIX
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self.db.close()

    def client(self, **headers: str) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.base_url,
            auth=("sandbox", "sandbox"),
            headers={"Accept": "application/vnd.mx.api.v1+json", **headers},
        )

    def new_user(self, **fields: Any) -> str:
        with self.client() as client:
            answer = client.post("/users", json={"user": fields or {"metadata": "a test"}})
        return str(answer.json()["user"]["guid"])

    def new_url(self, user: str, **settings: Any) -> str:
        settings = {"widget_type": "connect_widget", "mode": "verification", **settings}
        with self.client() as client:
            answer = client.post(f"/users/{user}/widget_urls", json={"widget_url": settings})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["widget_url"]["url"])

    def complete(self, url: str, **choices: Any) -> httpx2.Response:
        return httpx2.post(f"{self.base_url}/_control/complete", json={"handle": url, **choices})

    def connect(self, user: str, **choices: Any) -> str:
        answer = self.complete(self.new_url(user), **choices)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["memberGuid"])


class Sdk:
    """MX's own client, as its readme sets it up."""

    def __init__(self, world: World, password: str = "sandbox") -> None:
        settings = mx.Configuration(host=world.base_url, username="sandbox", password=password)
        client = mx.ApiClient(settings)
        self.users = mx.UsersApi(client)
        self.widgets = mx.WidgetsApi(client)
        self.members = mx.MembersApi(client)
        self.accounts = mx.AccountsApi(client)
        self.institutions = mx.InstitutionsApi(client)
        self.tokens = mx.ProcessorTokenApi(client)

    def new_user(self, **fields: Any) -> Any:
        body = mx.UserCreateRequestBody(user=mx.UserCreateRequest(**fields))
        return self.users.create_user(body).user

    def new_url(self, user: str, **settings: Any) -> Any:
        settings = {"widget_type": "connect_widget", "mode": "verification", **settings}
        body = mx.WidgetRequestBody(widget_url=mx.WidgetRequest(**settings))
        return self.widgets.request_widget_url(user, body).widget_url


def test_contract_sees_what_is_wrong() -> None:
    document = contract(OLD)
    media = "application/vnd.mx.api.v1+json"
    user = {"email": None, "guid": "USR-1", "id": None, "is_disabled": False, "metadata": None}

    def check(status: int, shown: Any, media: str = media) -> str | None:
        return document.check("GET", "/users/USR-1", status, media, json.dumps(shown).encode())

    assert check(200, {"user": user}) is None
    assert check(200, {"user": {**user, "guid": 7}})
    assert check(200, {"user": {**user, "surprise": 1}})
    assert check(201, {"user": user})
    assert check(200, {"user": user}, "text/html")
    assert document.find("GET", "/nothing/of/this/kind") is None
    assert document.check("DELETE", "/users/USR-1", 204, "", b"{}")


def test_inspector_reads_what_is_served(tmp_path: Path) -> None:
    contract(OLD)
    with World(str(tmp_path / "shelves.db")) as world:
        user = world.new_user()
        world.kit.shelf.put("user", user, {**world.kit.shelf.get("user", user), "email": 7})
        with world.client() as client:
            client.get(f"/users/{user}")
        assert "/users" in world.inspector.complaints[0]
