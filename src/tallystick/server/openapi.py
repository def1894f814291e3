"""The OpenAPI document of what is served: made of the route table and the wire's own structs.

Dwolla's document is the contract; this one says what tallystick makes of it, so that a client or a
fuzzer can be pointed at a gateway without it. `docs/reference/openapi.json` is a copy, and every
answer in every test is held against it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from tallystick.api import routes
from tallystick.api.token.wire import AccessToken, TokenRefused
from tallystick.hal import MEDIA_TYPE, Link
from tallystick.partners.contract import Proof
from tallystick.partners.registry import manifests
from tallystick.web import LIMIT_DEFAULT, LIMIT_MAX, Route, Takes

PATH = "/_tallystick/openapi.json"
VERSION = "3.1.0"

Schema = dict[str, Any]

_REF = "#/components/schemas/{name}"
_FORM = "application/x-www-form-urlencoded"

_PROBLEM = {
    "type": "object",
    "required": ["code", "message", "path", "_links"],
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "path": {"type": "string", "description": "JSON pointer into the body."},
        "_links": {"type": "object"},
    },
}
_ERROR = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string", "minLength": 1},
        "message": {"type": "string", "minLength": 1},
        "_links": {
            "type": "object",
            "required": ["about"],
            "properties": {"about": {"$ref": _REF.format(name="Link")}},
        },
        "_embedded": {
            "type": "object",
            "required": ["errors"],
            "properties": {"errors": {"type": "array", "minItems": 1, "items": _PROBLEM}},
        },
    },
    "additionalProperties": False,
}
_PARAMETERS = {
    "limit": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
    "offset": {"type": "integer", "minimum": 0, "default": 0},
    "removed": {"type": "string", "enum": ["true", "false"]},
    "status": {"type": "array", "items": {"type": "string"}},
    "startDate": {"type": "string", "format": "date"},
    "endDate": {"type": "string", "format": "date"},
}


@cache
def rendered() -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(document())


async def serve(_scope: Any, _receive: Any, send: Any) -> None:
    """The ASGI application at PATH; the sandbox has it, a live process does not."""
    headers = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": rendered()})


def document() -> Schema:
    table = routes()
    paths: dict[str, Schema] = {"/token": {"post": _token()}}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    _, schemas = msgspec.json.schema_components(list(_shapes(table)), ref_template=_REF)
    for each in schemas.values():
        if "description" in each:  # a docstring, with the blanks that it has in our files
            each["description"] = inspect.cleandoc(each["description"])
    return {
        "openapi": VERSION,
        "info": {
            "title": "tallystick",
            "version": "1",
            "description": "Compatible with Dwolla's API; docs/compatibility.md tells how far.",
        },
        "servers": [{"url": "/"}],
        "security": [{"oauth": []}],
        "paths": paths,
        "components": {
            "schemas": {**dict(sorted(schemas.items())), "Error": _ERROR},
            "securitySchemes": {
                "oauth": {
                    "type": "oauth2",
                    "flows": {"clientCredentials": {"tokenUrl": "/token", "scopes": {}}},
                },
                "client": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _shapes(table: Sequence[Route]) -> Iterator[type[msgspec.Struct]]:
    """Every struct that the document names."""
    yield from (AccessToken, TokenRefused, Link)
    for route in table:
        yield from route.answers
        for takes in route.takes:
            if takes.shape is Proof:
                yield from _proofs(takes)
            elif takes.shape is not None:
                yield takes.shape


def _proofs(takes: Takes) -> Iterator[type[Proof]]:
    """Those that a client may post, of every partner. Two partners may share a member."""
    for manifest in manifests():
        for kind in manifest.proofs:
            if kind.posted and (takes.members is None or kind.member in takes.members):
                yield kind


# ── one operation ─────────────────────────────────────────────────────────────────────────────


def _operation(route: Route) -> Schema:
    handler: Any = route.handler  # a function, which has a name
    words = handler.__name__.replace("_", " ")
    made: Schema = {
        "operationId": route.operation,
        "summary": f"{words[:1].upper()}{words[1:]}",
        "tags": [route.path.split("/")[1] or "root"],
        "parameters": list(_parameters(route)),
        "responses": {
            **_success(route),
            "default": _json("Why not.", {"$ref": _REF.format(name="Error")}),
        },
    }
    if route.takes:
        forms = [form for takes in route.takes for form in _forms(takes)]
        required = any(takes.shape or takes.links for takes in route.takes)
        schema = forms[0] if len(forms) == 1 else {"anyOf": forms}
        made["requestBody"] = {"required": required, "content": {MEDIA_TYPE: {"schema": schema}}}
    return made


def _parameters(route: Route) -> Iterator[Schema]:
    if "{id}" in route.path:
        schema: Mapping[str, Any] = {"type": "string", "format": "uuid"}
        yield {"name": "id", "in": "path", "required": True, "schema": schema}
    for name in route.query:
        yield {"name": name, "in": "query", "schema": _PARAMETERS.get(name, {"type": "string"})}
    if route.method == "POST":
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
        yield {"name": "Idempotency-Key", "in": "header", "schema": schema}


def _success(route: Route) -> Schema:
    schemas: list[Schema] = [{"$ref": _REF.format(name=each.__name__)} for each in route.answers]
    schema = {"anyOf": schemas} if len(schemas) > 1 else schemas[0] if schemas else None
    if not route.created:
        return {"200": _json("As it is now.", schema)}
    location = {"required": True, "schema": {"type": "string", "format": "uri"}}
    return {"201": {**_json("Made.", schema), "headers": {"Location": location}}}


def _forms(takes: Takes) -> Iterator[Schema]:
    """The schemas of a form of a body: its struct, and the links that stand beside it."""
    links = _links(takes)
    if takes.shape is None:
        yield links
        return
    shapes = [_schema_of(kind) for kind in _proofs(takes)] if takes.shape is Proof else None
    for schema in shapes or [{"$ref": _REF.format(name=takes.shape.__name__)}]:
        yield {"allOf": [schema, links]} if links else schema


def _schema_of(kind: type[Proof]) -> Schema:
    """A proof stands under its member's name; a bare token is a member itself."""
    schema = {"$ref": _REF.format(name=kind.__name__)}
    if [each.encode_name for each in msgspec.structs.fields(kind)] == [kind.member]:
        return schema
    return {"type": "object", "required": [kind.member], "properties": {kind.member: schema}}


def _links(takes: Takes) -> Schema:
    if not takes.links and not takes.may_link:
        return {}
    link = {
        "type": "object",
        "required": ["href"],
        "properties": {"href": {"type": "string", "format": "uri"}},
    }
    links = {
        "type": "object",
        "required": list(takes.links),
        "properties": dict.fromkeys((*takes.links, *takes.may_link), link),
    }
    required = ["_links"] if takes.links else []
    return {"type": "object", "required": required, "properties": {"_links": links}}


def _json(description: str, schema: Schema | None, media_type: str = MEDIA_TYPE) -> Schema:
    content = {} if schema is None else {"content": {media_type: {"schema": schema}}}
    return {"description": description, **content}


def _token() -> Schema:
    fields = {name: {"type": "string"} for name in ("client_id", "client_secret")}
    form = {
        "type": "object",
        "required": ["grant_type"],
        "properties": {"grant_type": {"const": "client_credentials"}, **fields},
    }
    refused = {"$ref": _REF.format(name="TokenRefused")}
    return {
        "operationId": "createApplicationAccessToken",
        "summary": "Issue an access token",
        "tags": ["token"],
        "security": [{"client": []}, {}],
        "requestBody": {"required": True, "content": {_FORM: {"schema": form}}},
        "responses": {
            "200": _json(
                "The token.", {"$ref": _REF.format(name="AccessToken")}, "application/json"
            ),
            "default": _json("Why not.", refused, "application/json"),
        },
    }
