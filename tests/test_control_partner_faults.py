"""Fault rules for the calls to a partner: the gateway is never broken by them."""

from __future__ import annotations

import asyncio

import pytest

from tallystick.sandbox.faults import BYTE_MS

from .fault_rules import FAULTS, add, fired, seconds, until_fired

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(gateway):
    return await gateway.application()


@pytest.fixture
def partner(gateway):
    """The key and name of a partner that has sessions, whichever is in this tree."""
    found = {each.manifest.name: each.manifest.key for each in gateway.core.partners.all()}
    name = next(name for name in ("Plaid", "MX") if name in found)
    return found[name], name


async def start_session(client, name):
    customer = await client.customer()
    href = await client.partner_href(name)
    body = {"_links": {"exchange-partner": {"href": href}}}
    return await client.post(f"{customer}/exchange-sessions", json=body)


@pytest.mark.parametrize(
    "rule",
    [
        {"status": 503},
        {"status": 500, "body": {"error_code": "INTERNAL_SERVER_ERROR"}},
        {"effect": "reset"},
        {"effect": "answer_lost"},
        {"effect": "wrong_json"},
        {"effect": "huge_body"},
    ],
)
async def test_a_partner_that_fails_never_breaks_the_gateway(client, partner, rule):
    key, name = partner
    await add(client, partner=key, **rule)
    answer = await start_session(client, name)
    # As the partner's trouble, not as a fall of our own, which would be a ServerError.
    assert (answer.status_code, answer.json()["code"]) == (500, "RequestTimeout"), answer.text
    [(seen, times)] = await fired(client)
    assert seen == times > 0
    await client.delete(FAULTS)
    assert (await start_session(client, name)).status_code == 201


async def test_a_partner_that_is_slow(client, partner):
    key, name = partner
    await add(client, partner=key, latency_ms=150, count=1)
    answer, took = await seconds(start_session(client, name))
    assert (answer.status_code, took > 0.145) == (201, True)
    rule = await add(client, partner=key, effect="slow_body", byte_ms=1, count=1)
    assert (rule["byte_ms"], BYTE_MS) == (1, 100)
    answer, took = await seconds(start_session(client, name))
    assert (answer.status_code, took > 0.02) == (201, True)


async def test_a_partner_that_hangs(client, partner):
    key, name = partner
    await add(client, partner=key, effect="hang")
    call = asyncio.create_task(start_session(client, name))
    await until_fired(client)
    assert not call.done()
    await client.delete(FAULTS)
    assert (await call).status_code in {400, 500}


async def test_a_partner_fails_for_one_application_only(gateway, client, partner):
    key, name = partner
    other = await gateway.application()
    await add(client, partner=key, application=client.made["id"], status=500)
    assert (await start_session(other, name)).status_code == 201
    assert (await start_session(client, name)).status_code >= 400


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"code": "NotFound"}, "code is for calls of the API"),
        ({"status": 200}, "status is a whole number from 400 to 599"),
        ({"effect": "reset", "byte_ms": 1}, "byte_ms is for the effect slow_body"),
        ({"effect": "reset", "body": {}}, "body is what the partner answers with status"),
    ],
)
async def test_a_bad_rule_for_a_partner_is_refused(client, partner, rule, said):
    answer = await client.post(FAULTS, json={"partner": partner[0], **rule})
    assert (answer.status_code, said in answer.text) == (400, True)
