"""Every answer in every test is held against our own OpenAPI document, and against Dwolla's where
that is at hand.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import httpx2
import jsonschema_rs
import yaml

from tallystick.api import routes
from tallystick.server import openapi as own

from .requirements import SPECS

HAL = "application/vnd.dwolla.v1.hal+json"

# What any answer that is not a success looks like (contract 3.1).
ENVELOPE = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string", "minLength": 1},
        "message": {"type": "string", "minLength": 1},
        "_links": {"type": "object", "required": ["about"]},
        "_embedded": {
            "type": "object",
            "required": ["errors"],
            "properties": {
                "errors": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["code", "message", "path", "_links"],
                        "properties": {
                            "code": {"type": "string"},
                            "message": {"type": "string"},
                            "path": {"type": "string"},
                            "_links": {"type": "object"},
                        },
                    },
                }
            },
        },
    },
    "additionalProperties": False,
}


@cache
def document() -> dict[str, Any] | None:
    path = SPECS / "dwolla-openapi.yml"
    if not path.exists():
        return None
    with path.open() as file:
        return yaml.load(file, Loader=yaml.CSafeLoader)


@cache
def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """(method, path template) → operation."""
    spec = document() or {"paths": {}}
    return {
        (method.upper(), path): operation
        for path, methods in spec["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post", "delete")
    }


def template_of(path: str) -> str:
    return re.sub(r"^(/[^/]+)/[^/]+", r"\1/{id}", path)


@cache
def _validator(method: str, template: str, status: str) -> Any:
    """The validator of a documented answer; None if it has no body; KeyError if undocumented."""
    answer = operations()[method, template]["responses"][status]
    content = answer.get("content", {})
    media = content.get(HAL) or content.get("application/json")
    if media is None:
        return None
    components = (document() or {})["components"]
    return jsonschema_rs.validator_for(_lenient({**media["schema"], "components": components}))


def _lenient(schema: Any) -> Any:
    """`oneOf` as `anyOf`: the document's alternatives overlap, so that its own examples fail."""
    if isinstance(schema, dict):
        return {
            "anyOf" if name == "oneOf" else name: _lenient(value) for name, value in schema.items()
        }
    return [_lenient(each) for each in schema] if isinstance(schema, list) else schema


_envelope = jsonschema_rs.validator_for(ENVELOPE)


def check(response: httpx2.Response, content: bytes) -> None:
    """Raises AssertionError if an answer of the API is not as documented."""
    path = response.request.url.path
    method = response.request.method
    if path.startswith("/_") or method not in ("GET", "POST", "DELETE"):
        return
    assert response.headers["x-request-id"], path
    where = f"{method} {path} answered {response.status_code} {content[:500]!r}"
    if path == "/token":
        assert response.headers["content-type"].startswith("application/json"), where
        assert ("error" in json.loads(content)) == (response.status_code != 200), where
        return
    if response.status_code >= 400:
        assert response.headers["content-type"].startswith(HAL), where
        _envelope.validate(json.loads(content))
    if response.status_code == 201:
        assert response.headers["location"].startswith(("http://", "https://")), where
    _check_own(method, path, response, content, where)
    operation = (method, template_of(path))
    if document() is None or operation not in operations():
        return
    try:
        validator = _validator(*operation, str(response.status_code))
    except KeyError:
        assert response.status_code >= 400, f"{where}, which is not documented"
        return
    if validator is None:
        assert content == b"", where
        return
    assert response.headers["content-type"].startswith(HAL), where
    errors = [
        f"{list(e.instance_path)}: {e.message}" for e in validator.iter_errors(json.loads(content))
    ]
    assert not errors, f"{where}\n" + "\n".join(errors)


# ── our own document ──────────────────────────────────────────────────────────────────────────


@cache
def _own_validator(method: str, template: str, status: str) -> Any:
    """The validator of an answer of ours; None if it has no body, KeyError if it is not there."""
    answer = own.document()["paths"][template][method.lower()]["responses"][status]
    content = answer.get("content")
    if content is None:
        return None
    components = own.document()["components"]
    return jsonschema_rs.validator_for({**content[HAL]["schema"], "components": components})


_SERVED = frozenset((route.method, route.path) for route in routes())


def _check_own(
    method: str, path: str, response: httpx2.Response, content: bytes, where: str
) -> None:
    operation = (method, template_of(path))
    if operation not in _SERVED:
        return
    status = "default" if response.status_code >= 400 else str(response.status_code)
    validator = _own_validator(*operation, status)
    if validator is None:
        assert content == b"", where
        return
    errors = [
        f"{list(e.instance_path)}: {e.message}" for e in validator.iter_errors(json.loads(content))
    ]
    assert not errors, f"{where}, not as docs/reference/openapi.json has it\n" + "\n".join(errors)
