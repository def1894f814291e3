"""Our OpenAPI document. That answers are as it says is checked in every test (tests/openapi.py)."""

from __future__ import annotations

import re

import msgspec
import pytest

from tallystick.api import routes
from tallystick.server import openapi


def test_every_route_is_there_and_nothing_else():
    paths = openapi.document()["paths"]
    described = {(method.upper(), path) for path in paths for method in paths[path]}
    assert described == {(each.method, each.path) for each in routes()} | {("POST", "/token")}


def test_every_reference_leads_somewhere():
    """Two structs of one name would be renamed, and the references to them lead nowhere."""
    text = openapi.rendered().decode()
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    schemas = openapi.document()["components"]["schemas"]
    assert named <= set(schemas)
    assert set(schemas) <= named


def test_what_a_route_takes_and_gives_is_told():
    """A POST without a body, and one that answers nothing, are named here and nowhere else."""
    posts = [route for route in routes() if route.method == "POST"]
    assert {route.operation for route in posts if not route.takes} == {"retryWebhook"}
    assert not [route for route in routes() if route.method != "POST" and not route.answers]


@pytest.mark.anyio
async def test_the_sandbox_serves_it(gateway):
    answer = await gateway.client().get(openapi.PATH)
    assert answer.status_code == 200
    assert answer.content == openapi.rendered()
    assert msgspec.json.decode(answer.content)["openapi"] == "3.1.0"
