"""What the Plaid tests stand on: transcripts, a partner that plays them, and Plaid's own schema."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tallystick.clock import VirtualClock, from_iso
from tallystick.partners.http import PartnerHttp
from tallystick.partners.plaid import PARTNER
from tallystick.partners.plaid.connector import Connector
from tallystick.partners.plaid.settings import PlaidSettings
from tallystick.partners.registry import GuardedPartner

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
CLIENT_SECRET = "c0ffee5ec2e7c0ffee5ec2e7c0ffee"
SETTINGS = PlaidSettings(
    base_url="https://plaid.test", client_id="5f8a1b2c3d4e5f6a7b8c9d0e", secret=CLIENT_SECRET
)


def transcript(name: str) -> dict[str, Any]:
    return json.loads((TRANSCRIPTS / f"{name}.json").read_text())


def answer_of(name: str) -> Any:
    return transcript(name)["response"]["body"]


def request_of(name: str) -> Any:
    return transcript(name)["request"]["body"]


def refusal(code: str, kind: str, message: str | None = None) -> dict[str, Any]:
    return {
        "error_type": kind,
        "error_code": code,
        "error_message": message,
        "display_message": None,
        "request_id": "rG5cLk8SbJn2DzV",
    }


Reply = Callable[[httpx2.Request], httpx2.Response]


@dataclass
class Stage:
    """A Plaid that answers by path from transcripts, unless told otherwise, and remembers."""

    replies: dict[str, Reply] = field(default_factory=dict)
    requests: list[httpx2.Request] = field(default_factory=list)
    deadline_s: float = 5.0

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.clock.freeze()
        self.clock.set(from_iso("2026-03-25T17:13:38.430Z"))
        self.http = PartnerHttp(
            SETTINGS.base_url,
            deadline_s=self.deadline_s,
            transport=httpx2.MockTransport(self._reply),
        )
        self.connector = Connector(SETTINGS, self.http, self.clock)
        self.partner = GuardedPartner(PARTNER, self.connector)

    def play(self, *names: str) -> "Stage":
        for name in names:
            told = transcript(name)
            self.say(told["request"]["path"], told["response"]["body"], told["response"]["status"])
        return self

    def say(self, path: str, body: Any, status: int = 200) -> "Stage":
        self.replies[path] = lambda _: httpx2.Response(status, json=body)
        return self

    async def _reply(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        reply = self.replies.get(request.url.path)
        assert reply is not None, f"an unexpected call of {request.url.path}"
        made = reply(request)
        made = await made if hasattr(made, "__await__") else made
        if not made.is_stream_consumed:
            return made
        # PartnerHttp reads the raw stream, and a response made from text has been read already.
        return httpx2.Response(
            made.status_code, headers=made.headers, stream=httpx2.ByteStream(made.content)
        )

    @property
    def paths(self) -> list[str]:
        return [request.url.path for request in self.requests]

    def body(self, index: int = -1) -> Any:
        return json.loads(self.requests[index].content)


# ── Plaid's own schema ────────────────────────────────────────────────────────────────────────


@functools.cache
def _document() -> dict[str, Any] | None:
    path = _repository().parent / "shared" / "specs" / "plaid-openapi.yml"
    if not path.exists():
        return None
    import yaml

    return yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)


def _repository() -> Path:
    return next(up for up in Path(__file__).parents if (up / "pyproject.toml").exists())


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable`, JSON Schema does not know it."""
    if isinstance(node, list):
        return [_as_json_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: _as_json_schema(value) for key, value in node.items() if key != "nullable"}
    return {"anyOf": [made, {"type": "null"}]} if node.get("nullable") is True else made


@functools.cache
def _schemas() -> Any:
    document = _document()
    if document is None:
        pytest.skip("../shared/specs/plaid-openapi.yml is not here")
    return _as_json_schema(document["components"]["schemas"])


@functools.cache
def _validator(name: str) -> Any:
    import jsonschema_rs

    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": _schemas()}}
    return jsonschema_rs.Draft7Validator(schema)


def _schema_name(path: str, *, request: bool) -> str:
    if _document() is None:
        pytest.skip("../shared/specs/plaid-openapi.yml is not here")
    operation = _document()["paths"][path]["post"]
    holder = operation["requestBody"] if request else operation["responses"]["200"]
    return holder["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]


def check_request(path: str, body: Any) -> None:
    """`body` is what Plaid documents for `path`, and has no member that Plaid does not know."""
    name = _schema_name(path, request=True)
    _validator(name).validate(body)
    assert body.keys() <= _schemas()[name]["properties"].keys()


def check_answer(path: str, body: Any) -> None:
    _validator(_schema_name(path, request=False)).validate(body)


def check_error(body: Any) -> None:
    _validator("PlaidError").validate(body)
