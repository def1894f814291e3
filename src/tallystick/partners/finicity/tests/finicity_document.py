"""Mastercard's OpenAPI document: is this request, this answer, what it promises?

Objects are closed to members that the document does not name, so that nothing can be invented.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest

NAME = "mastercard-openbanking-us.yaml"
# Members that the document forgets to name: one is in its example of a signed receipt, the other
# is required but not described.
UNNAMED = {
    "ThirdPartyAccessReceipt": {"receiptVersion": {"type": "integer"}},
    "CustomerAccount": {"accountNickname": {"type": "string"}},
}


def _path() -> Path:
    root = next(up for up in Path(__file__).parents if (up / "pyproject.toml").exists())
    return root.parent / "shared" / "specs" / NAME


@functools.cache
def document() -> dict[str, Any]:
    if not _path().exists():
        pytest.skip(f"../shared/specs/{NAME} is not here")
    import yaml

    found = yaml.load(_path().read_bytes(), Loader=yaml.CSafeLoader)
    for name, members in UNNAMED.items():
        found["components"]["schemas"][name]["properties"] |= members
    # "can be returned as a number or a string", says the description of this `type: object`.
    error = found["components"]["schemas"]["ErrorMessage"]["properties"]
    error["code"] = {"type": ["string", "integer"]}
    return found


@functools.cache
def _components() -> Any:
    return {"schemas": _closed(document()["components"]["schemas"])}


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {name: _closed(value) for name, value in node.items() if name != "example"}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


@functools.cache
def _validator(reference: str) -> Any:
    import jsonschema_rs

    return jsonschema_rs.validator_for({"$ref": reference, "components": _components()})


def _resolve(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        part: Any = document()
        for step in node["$ref"].removeprefix("#/").split("/"):
            part = part[step]
        node = part
    return node


@functools.cache
def _routes() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    items = sorted(document()["paths"].items(), key=lambda item: item[0].count("{"))
    return [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), found) for path, found in items]


def operation(method: str, path: str) -> dict[str, Any] | None:
    for pattern, operations in _routes():
        if pattern.fullmatch(path):
            return operations.get(method.lower())
    return None


def check_request(method: str, path: str, headers: Any, query: dict[str, Any], body: bytes) -> None:
    """A request as documented: a known call, the two headers, no unknown member or parameter."""
    found = operation(method, path)
    assert found is not None, f"{method} {path} is not documented"
    assert headers.get("finicity-app-key")
    if not path.endswith("/partners/authentication"):
        assert headers.get("finicity-app-token")
    known = {_resolve(each)["name"] for each in found.get("parameters", ())}
    assert query.keys() <= known
    if "requestBody" not in found:
        assert not body, f"{method} {path} has no body"
        return
    content = _resolve(found["requestBody"])["content"]["application/json"]
    _validator(content["schema"]["$ref"]).validate(json.loads(body))


def complaint(method: str, path: str, status: int, media: str, body: bytes) -> str | None:
    """What is wrong with an answer, or None. Errors of an undocumented status have the shape."""
    found = operation(method, path)
    if found is None:
        return None
    where = f"{method} {path} {status}"
    promised = found["responses"].get(str(status))
    if promised is None or (promised := _resolve(promised)).get("content") is None:
        if status < 400:
            return None if promised is not None and not body else f"{where} is not promised"
        reference = "#/components/schemas/ErrorMessage"
    else:
        schema = promised["content"].get(media, {}).get("schema")
        if schema is None:
            return f"{where}: {media} is not promised"
        if "$ref" not in schema:
            return None
        reference = schema["$ref"]
    errors = [
        f"{each.instance_path}: {each.message}"
        for each in _validator(reference).iter_errors(json.loads(body))
    ]
    return f"{where}: {errors}" if errors else None
