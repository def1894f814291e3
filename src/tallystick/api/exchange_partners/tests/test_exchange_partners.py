"""Exchange partners: oldest first, each active (contract 5.1)."""

from __future__ import annotations

import pytest

from tallystick.partners import registry

pytestmark = pytest.mark.anyio


async def test_listed_and_shown(gateway):
    client = await gateway.application()
    body = (await client.get("/exchange-partners")).json()
    partners = body["_embedded"]["exchange-partners"]
    assert [each["name"] for each in partners] == [
        each.name for each in registry.manifests() if not each.opt_in
    ]
    assert body["total"] == len(partners)
    assert [each["created"] for each in partners] == sorted(each["created"] for each in partners)
    for each in partners:
        assert each["status"] == "active"
        href = each["_links"]["self"]["href"]
        assert (await client.get(href)).json() == each
        assert (await client.get(href.replace(each["id"], each["id"].upper()))).json() == each
