"""The entry point shows what the caller's scopes open."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio


async def test_links_depend_on_scopes(gateway):
    client = await gateway.application()
    links = (await client.get("/")).json()["_links"]
    assert set(links) == {
        "account", "customers", "events", "exchange-partners", "exchanges", "webhook-subscriptions",
    }  # fmt: skip
    for rel, link in links.items():
        assert (await client.get(link["href"])).status_code == 200, rel
    narrow = await gateway.application(withheld=["customers", "events", "webhooks"])
    links = (await narrow.get("/")).json()["_links"]
    assert set(links) == {"account", "exchange-partners", "exchanges"}
