"""Available connections: what MX was told, sealed for one customer (contract 5.11, threat T31)."""

from __future__ import annotations

import base64
import json

import pytest

pytestmark = pytest.mark.anyio


async def listed(client, customer):
    answer = await client.get(f"{customer}/available-exchange-connections")
    assert answer.status_code == 200
    return answer.json()


async def test_empty_before_anybody_connected(gateway):
    client = await gateway.application()
    customer = await client.customer()
    body = await listed(client, customer)
    assert body["_embedded"] == {"available-exchange-connections": []}
    assert "total" not in body
    assert body["_links"]["customers"]["href"] == customer
    assert body["_links"]["self"]["resource-type"] == "customer"


async def test_accounts_of_several_members_add_up_under_unique_names(gateway):
    client = await gateway.application()
    customer = await client.customer()
    for _ in range(2):
        session = await client.session(customer, "MX")
        await client.complete(session, institution="mxbank", user="mxuser", password="any")
    offered = (await listed(client, customer))["_embedded"]["available-exchange-connections"]
    names = [each["name"] for each in offered]
    assert len(names) == len(set(names)) >= 2
    assert await client.get(f"{await client.customer()}/available-exchange-connections")


async def test_tokens_cannot_be_forged_bent_or_used_by_others(gateway):
    client, stranger = await gateway.application(), await gateway.application()
    customer, other = await client.customer(), await client.customer()
    proof = await client.mx_proof(customer)
    token = proof["mx"]["availableConnectionToken"]
    plain = {"accountId": "ACT-1", "memberId": "MBR-1"}
    forged = base64.b64encode(json.dumps(plain).encode()).decode()
    bent = token[:-3] + ("A" if token[-3] != "A" else "B") + token[-2:]
    tries = [(client, other, token), (client, customer, forged), (client, customer, bent)]
    tries.append((stranger, await stranger.customer(), token))
    for who, where, tried in tries:
        body = {**proof, "mx": {"availableConnectionToken": tried}}
        answer = await who.post(f"{where}/exchanges", json=body)
        assert (answer.status_code, answer.json()["code"]) == (401, "InvalidExchangeToken")
    assert (await client.post(f"{customer}/exchanges", json=proof)).status_code == 201
