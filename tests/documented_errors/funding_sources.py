"""The errors of funding sources and their balances."""

from __future__ import annotations

from typing import Any

import httpx2

from tallystick.clock import HOUR_MS
from tallystick.store.db import Statement

from .case import NOBODY, VALIDATION, World, case, get

SOURCE = "createCustomerFundingSource"
MAIN = {"bankAccountType": "checking", "name": "Main"}
NUMBERS = {**MAIN, "routingNumber": "222222226", "accountNumber": "0123456789"}


async def linked(world: World, partner: str = "Plaid") -> tuple[str, dict[str, Any]]:
    """A customer with an exchange, and the body of a funding source from it."""
    customer = await world.client.customer()
    exchange = await world.client.exchange(customer, partner)
    return customer, {**MAIN, "_links": {"exchange": {"href": exchange}}}


SET_STATUS = Statement("UPDATE exchange SET status = 'removed'")


@case(SOURCE, 400, "InactiveExchange", "The Exchange was removed or disabled.")
async def _(world: World) -> httpx2.Response:
    customer, body = await linked(world)
    await world.gateway.core.db.transact(lambda tx: tx.run(SET_STATUS))
    return await world.client.post(f"{customer}/funding-sources", json=body)


@case(
    SOURCE,
    400,
    "InvalidExchangeToken",
    "The exchange token is not valid to perform this operation.",
)
async def _(world: World) -> httpx2.Response:
    """The person's login stopped working after the exchange was made."""
    customer = await world.client.customer()
    session = await world.client.session(customer, "MX")
    done = await world.client.complete(session, institution="mxbank", user="mxuser", password="any")
    listed = (await world.client.get(f"{customer}/available-exchange-connections")).json()
    token = listed["_embedded"]["available-exchange-connections"][0]["availableConnectionToken"]
    proof = {**await world.partner("MX"), "mx": {"availableConnectionToken": token}}
    exchange = await world.client.create(f"{customer}/exchanges", proof)
    degrade = f"/_partners/mx/_control/members/{done['memberGuid']}/degrade"
    await world.client.post(degrade, json={"connection_status": "DENIED"})
    body = {**MAIN, "_links": {"exchange": {"href": exchange}}}
    return await world.client.post(f"{customer}/funding-sources", json=body)


@case(
    SOURCE,
    400,
    "ValidationError",
    "Duplicate funding source or validation error. Authorization already associated to a funding source.",
)
async def _(world: World) -> httpx2.Response:
    customer, body = await linked(world)
    await world.client.create(f"{customer}/funding-sources", body)
    return await world.client.post(f"{customer}/funding-sources", json=body)


@case(SOURCE, 403, "Forbidden", "Not authorized to create funding source.")
async def _(world: World) -> httpx2.Response:
    client = await world.without("funding-sources")
    return await client.post(f"{await client.customer()}/funding-sources", json=NUMBERS)


@case(SOURCE, 404, "NotFound", "Customer ID not found. Check Customer ID.")
async def _(world: World) -> httpx2.Response:
    return await world.client.post(f"/customers/{NOBODY}/funding-sources", json=NUMBERS)


@case("createFundingSource", 400, "ValidationError", VALIDATION)
async def _(world: World) -> httpx2.Response:
    return await world.client.post("/funding-sources", json={"name": "Main"})


@case("createFundingSource", 403, "forbidden", "Not authorized to create funding source.")
async def _(world: World) -> httpx2.Response:
    return await (await world.without("funding-sources")).post("/funding-sources", json=NUMBERS)


get("getFundingSource", "/funding-sources/{nobody}", 404, "notFound", "Funding source not found.")
get(
    "listCustomerFundingSources",
    "/customers/{nobody}/funding-sources",
    403,
    "forbidden",
    "Not authorized to list funding sources.",
    "funding-sources",
)
get(
    "listCustomerFundingSources",
    "/customers/{nobody}/funding-sources",
    404,
    "notFound",
    "Customer not found.",
)
get(
    "listFundingSources",
    "/accounts/{account}/funding-sources",
    403,
    "forbidden",
    "Not authorized to list funding sources.",
    "funding-sources",
)
get(
    "listFundingSources",
    "/accounts/{nobody}/funding-sources",
    404,
    "notFound",
    "Account not found.",
)


get(
    "getFundingSourceBalance",
    "/funding-sources/{nobody}/balance",
    404,
    "notFound",
    "Funding source not found.",
)
get(
    "getFundingSourceBalance",
    "/funding-sources/{nobody}/balance",
    403,
    "Forbidden",
    "Balance Check not enabled for this account.",
    "balance-check",
)


@case(
    "getFundingSourceBalance",
    400,
    "UnsupportedOperation",
    "Retrieving the balance is not supported for this type of funding source.",
)
async def _(world: World) -> httpx2.Response:
    source = await world.client.create(f"{await world.client.customer()}/funding-sources", NUMBERS)
    return await world.client.get(f"{source}/balance")


@case(
    "getFundingSourceBalance",
    400,
    "UpdateCredentials",
    "Re-authentication is required in order to access account data. Please initiate the exchange session flow to regain access.",
)
async def _(world: World) -> httpx2.Response:
    """Plaid's documented 30 days: then a sandbox login has to be renewed."""
    customer, body = await linked(world)
    source = await world.client.create(f"{customer}/funding-sources", body)
    assert (await world.client.get(f"{source}/balance")).status_code == 200
    world.gateway.clock.advance(31 * 24 * HOUR_MS)
    await world.client.sign_in(world.client.made["client_id"], world.client.made["client_secret"])
    answer = await world.client.get(f"{source}/balance")
    exchange = body["_links"]["exchange"]["href"]
    assert answer.json()["_links"]["about"]["href"] == f"{exchange}/exchange-sessions"
    assert answer.json()["_links"]["about"]["resource-type"] == "exchange-session"
    return answer


@case(
    "updateOrRemoveFundingSource", 403, "InvalidResourceState", "A removed bank cannot be updated."
)
async def _(world: World) -> httpx2.Response:
    source = await world.client.create(f"{await world.client.customer()}/funding-sources", NUMBERS)
    assert (await world.client.post(source, json={"removed": True})).status_code == 200
    return await world.client.post(source, json={"name": "Other"})


@case(
    "updateOrRemoveFundingSource",
    400,
    "validationError",
    "Only funding sources of type='bank' can be updated.",
)
async def _(world: World) -> httpx2.Response:
    source = await world.client.create(f"{await world.client.customer()}/funding-sources", NUMBERS)
    return await world.client.post(source, json={"name": ""})
