"""Sixteen callers with one proof make one exchange; with one idempotency key, one effect."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tallystick.server import config, operate
from tallystick.server.process import opened

pytestmark = pytest.mark.anyio

RACERS = 16


@pytest.mark.parametrize("partner", ["plaid", "mx"])
async def test_one_proof_redeemed_by_sixteen_makes_one_exchange(gateway, partner):
    client = await gateway.application()
    customer = await client.customer()
    proof = await (client.plaid_proof if partner == "plaid" else client.mx_proof)(customer)
    answers = await asyncio.gather(
        *(client.post(f"{customer}/exchanges", json=proof) for _ in range(RACERS))
    )
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[201] == 1, statuses
    assert set(statuses) <= {201, 401, 409}
    listed = (await client.get(f"{customer}/exchanges")).json()
    winner = next(answer for answer in answers if answer.status_code == 201)
    assert listed["total"] == 1
    assert (
        listed["_embedded"]["exchanges"][0]["_links"]["self"]["href"] == winner.headers["location"]
    )
    late = await client.post(f"{customer}/exchanges", json=proof)
    assert (late.status_code, late.json()["code"]) == (401, "InvalidExchangeToken")


@pytest.mark.parametrize("partner", ["plaid", "mx"])
async def test_one_key_used_by_sixteen_has_one_effect(gateway, partner):
    client = await gateway.application()
    customer = await client.customer()
    proof = await (client.plaid_proof if partner == "plaid" else client.mx_proof)(customer)
    options = {"json": proof, "headers": {"Idempotency-Key": "racers"}}
    answers = await asyncio.gather(
        *(client.post(f"{customer}/exchanges", **options) for _ in range(RACERS))
    )
    locations = {each.headers["location"] for each in answers if each.status_code == 201}
    assert len(locations) == 1
    assert {each.status_code for each in answers} <= {201, 409}
    again = await client.post(f"{customer}/exchanges", **options)
    assert (again.status_code, again.headers["location"]) == (201, locations.pop())
    assert (await client.get(f"{customer}/exchanges")).json()["total"] == 1


async def test_one_key_used_by_sixteen_makes_one_customer(gateway):
    """Also for those who look after the winner has committed, and find the address taken."""
    client = await gateway.application()
    body = {"firstName": "Ada", "lastName": "Byron", "email": "racers@example.com"}
    options = {"json": body, "headers": {"Idempotency-Key": "racers"}}
    answers = await asyncio.gather(*(client.post("/customers", **options) for _ in range(RACERS)))
    assert {each.status_code for each in answers} <= {201, 409}
    assert len({each.headers["location"] for each in answers if each.status_code == 201}) == 1


async def test_proofs_of_one_item_redeemed_at_once_make_one_exchange(gateway):
    """An integrator that holds the Item may be given as many tokens of it as it asks for."""
    client = await gateway.application()
    collection = f"{await client.customer()}/exchanges"

    async def plaid(path, **body):
        keys = {"client_id": "sandbox", "secret": "sandbox"}
        answer = await client.post(f"/_partners/plaid{path}", json={**keys, **body})
        return answer.json()

    made = {"institution_id": "ins_109508", "initial_products": ["auth"]}
    first = await plaid("/sandbox/public_token/create", **made)
    item = await plaid("/item/public_token/exchange", public_token=first["public_token"])
    partner = {"exchange-partner": {"href": await client.partner_href("Plaid")}}
    proofs = []
    for _ in range(RACERS):
        more = await plaid("/item/public_token/create", access_token=item["access_token"])
        proofs.append({"_links": partner, "plaid": {"publicToken": more["public_token"]}})
    answers = await asyncio.gather(*(client.post(collection, json=each) for each in proofs))
    assert {each.status_code for each in answers} == {201}
    assert len({each.headers["location"] for each in answers}) == 1
    assert (await client.get(collection)).json()["total"] == 1


async def test_an_application_that_is_disabled_stays_so_whatever_else_is_changed(gateway):
    client = await gateway.application()
    app_id = client.made["id"]

    def change(**changes):
        return operate.change_application(gateway.core, app_id, **changes)

    for number in range(8):
        urls = [f"https://example.com/{number}/{each}" for each in range(RACERS)]
        await change(status="active")
        await asyncio.gather(
            *(change(redirect_urls=[url]) for url in urls[: RACERS // 2]),
            change(status="disabled"),
            *(change(redirect_urls=[url]) for url in urls[RACERS // 2 :]),
        )
        assert (await client.get("/")).json()["code"] == "InvalidApplicationStatus"


async def test_many_processes_may_start_at_once_on_an_empty_store(tmp_path, database_url):
    """The application that is there from the start is made by one of them."""
    flags = {"data_dir": str(tmp_path), "database_url": database_url}
    settings = config.load(flags, environ={}, file=tmp_path / "none.toml")

    async def start():
        async with opened(settings) as core:
            return [each.client_id for each in await operate.list_applications(core)]

    assert await asyncio.gather(*(start() for _ in range(4))) == [[config.SANDBOX_CLIENT[0]]] * 4
