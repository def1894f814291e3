"""One's own account, and nobody else's."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio


async def test_only_ones_own(gateway):
    client, other = await gateway.application(name="Engines"), await gateway.application()
    own = (await client.get(f"/accounts/{client.made['account_id']}")).json()
    assert (own["name"], own["id"]) == ("Engines", client.made["account_id"])
    sources = own["_links"]["funding-sources"]["href"]
    assert (await client.get(sources)).json()["total"] == 0
    foreign = await client.get(f"/accounts/{other.made['account_id']}")
    absent = await client.get("/accounts/00000000-0000-4000-8000-000000000000")
    assert (
        (foreign.status_code, foreign.content)
        == (absent.status_code, absent.content)
        == (404, absent.content)
    )
