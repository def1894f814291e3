"""What the simulator's tests stand on: the simulator without a socket, every call checked.

Answers, and requests that were accepted, are held against the OpenAPI documents of Authorize and
Connect, where those are at hand.
"""

from __future__ import annotations

import asyncio
import json
import re
import weakref
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import httpx2
import jsonschema_rs
import yaml
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from tests.requirements import SPECS

from tallystick.clock import VirtualClock
from tallystick.ids import SeededEntropy
from tallystick.partners.flinks.simulator.app import create
from tallystick.sandbox.kit import ASSETS, ASSETS_URL, Kit, Shelf, open_shelves

PREFIX = "/_partners/flinks"
BASE = "http://sim.test"
CUSTOMER = "sandbox"
BANKING = f"/v3/{CUSTOMER}/BankingServices"
SHARING = f"/v3/{CUSTOMER}/partnerdata"
DOCUMENTS = ("flinks-authorize-api-openapi.yml", "flinks-connect-api-openapi.yml")
BEARER = {"Authorization": "Bearer sandbox"}
ANSWERS = {
    "What city were you born in?": "Montreal",
    "What is the best country on earth?": "Canada",
    "What shape do people like most?": "Triangle",
}

Json = dict[str, Any]


class Stage:
    """A simulator on a database of its own."""

    def __init__(self, path: str = ":memory:", seed: int = 1) -> None:
        self.clock = VirtualClock()
        self.db = open_shelves(path)
        weakref.finalize(self, self.db.close)
        self.kit = Kit(
            partner="flinks",
            prefix=PREFIX,
            shelf=Shelf(self.db, "flinks"),
            clock=self.clock,
            entropy=SeededEntropy(seed),
            send=lambda _url, _body, _headers: None,
        )
        self.app = Starlette(
            routes=[
                Mount(ASSETS_URL, StaticFiles(directory=ASSETS)),
                Mount(PREFIX, create(self.kit)),
            ]
        )

    def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        async def once() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=self.app)
            async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
                return await client.request(method, f"{PREFIX}{path}", **options)

        answer = asyncio.run(once())
        check(method, path, answer)
        if answer.is_success:
            check_request(method, path, options.get("json"))
        return answer

    def call(self, method: str, path: str, status: int = 200, **options: Any) -> Json:
        answer = self.send(method, path, **options)
        assert answer.status_code == status, answer.text
        body: Json = answer.json()
        return body

    def refuse(self, method: str, path: str, code: str, status: int = 401, **options: Any) -> None:
        body = self.call(method, path, status, **options)
        assert body["FlinksCode"] == code, body
        assert body["HttpStatusCode"] == status
        assert body["Message"]

    # What an integrator does

    def authorize(self, status: int = 200, **body: Any) -> Json:
        return self.call("POST", f"{BANKING}/Authorize", status, json=body)

    def log_in(self, username: str, password: str = "Everyday", status: int = 200) -> Json:
        return self.authorize(
            status, Institution="FlinksCapital", Username=username, Password=password, Save=True
        )

    def accounts(self, request_id: str) -> list[Json]:
        body = {"RequestId": request_id}
        found: list[Json] = self.call("POST", f"{BANKING}/GetAccountsDetail", json=body)["Accounts"]
        return found

    def auth_secret(self, partner: str = "dwolla") -> Json:
        return self.call("GET", f"{SHARING}/authsecret/{partner}", headers=BEARER)

    def access_token(self, login_id: str, account_id: str) -> Json:
        return self.call("GET", f"{SHARING}/{login_id}/{account_id}", headers=BEARER)

    def linked(self, username: str = "jane_doe_2_accounts") -> tuple[str, str, str, str]:
        """Login, account, AuthSecret and AccessToken of somebody's first account."""
        opened = self.log_in(username)
        login, [account, *_] = opened["Login"]["Id"], self.accounts(opened["RequestId"])
        token = self.access_token(login, account["Id"])["AccessToken"]
        return login, account["Id"], self.auth_secret()["AuthSecret"], token

    def look(self, auth_secret: str, token: str, status: int = 200) -> Json:
        headers = {"Authorization": f"Bearer {auth_secret}"}
        return self.call("GET", f"/partneraccess/{token}", status, headers=headers)


# ── the documents ─────────────────────────────────────────────────────────────────────────────


@cache
def operations() -> Mapping[str, tuple[re.Pattern[str], Json, Json]]:
    """`METHOD /template` → the pattern of its path, the operation, and the components."""
    return dict(_operations())


def _operations() -> Iterator[tuple[str, tuple[re.Pattern[str], Json, Json]]]:
    for name in DOCUMENTS:
        if not (SPECS / name).exists():
            continue
        document = _nullable(yaml.load((SPECS / name).read_text(), Loader=yaml.CSafeLoader))
        for template, methods in document["paths"].items():
            pattern = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", template))
            for method, operation in methods.items():
                key = f"{method.upper()} {template}"
                yield key, (pattern, operation, document["components"])


def _nullable(node: Any) -> Any:
    """OpenAPI 3.0's `nullable` as JSON Schema says it."""
    if isinstance(node, list):
        return [_nullable(each) for each in node]
    if not isinstance(node, dict):
        return node
    shown = {name: _nullable(value) for name, value in node.items()}
    if node.get("nullable") is True:
        shown["type"] = [node["type"], "null"]
    return shown


def documented(method: str, path: str) -> tuple[Json, Json] | None:
    """The operation and the components of a call that the documents speak of."""
    called = path.removeprefix(BANKING)
    for key, (pattern, operation, components) in operations().items():
        if key.startswith(f"{method} ") and pattern.fullmatch(called):
            return operation, components
    return None


def check(method: str, path: str, answer: httpx2.Response) -> None:
    """The answer is what the documents promise, if they speak of it."""
    if (found := documented(method, path)) is None:
        return
    operation, components = found
    promised = operation["responses"].get(str(answer.status_code))
    # The documents leave out most errors; those have one shape everywhere.
    schema = (
        promised["content"]["application/json"]["schema"]
        if promised
        else {"$ref": "#/components/schemas/Error"}
    )
    if promised or "Error" in components["schemas"]:
        whole = {**schema, "components": components}
        jsonschema_rs.validator_for(whole).validate(json.loads(answer.content))


def check_request(method: str, path: str, body: Any) -> None:
    """The request is a documented one, if the documents speak of it.

    They know Authorize with a LoginId only; credentials are in Flinks' reference. So is the secret in
    a header instead of the body, and `MostRecentCached` as a text.
    """
    found = documented(method, path)
    if found is None or (path.endswith("/Authorize") and "LoginId" not in body):
        return
    operation, components = found
    if "requestBody" not in operation:
        assert body is None, f"{method} {path} has no body"
        return
    if body is None and path.endswith("/GenerateAuthorizeToken"):
        return
    if "MostRecentCached" in body:
        cached = body["MostRecentCached"] in (True, "true")
        body = {**body, "MostRecentCached": cached}
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    jsonschema_rs.validator_for({**schema, "components": components}).validate(body)
