"""The errors of exchange sessions and available connections."""

from __future__ import annotations

from typing import Any

import httpx2

from .case import CASES, NOBODY, NOT_FOUND, Case, World, case, get

SESSIONS = "createCustomerExchangeSession"


def session(body: Any, status: int, code: str, message: str) -> None:
    async def made(world: World) -> httpx2.Response:
        customer = await world.client.customer()
        sent = body(await world.partner()) if callable(body) else body
        return await world.client.post(f"{customer}/exchange-sessions", json=sent)

    CASES.append(Case(SESSIONS, status, code, message, made))


PARTNER_INVALID = "/_links/exchange-partner/href is invalid"
REDIRECT_INVALID = "/_links/redirect-url/href is invalid"
for wrong in (
    {},
    {"_links": {}},
    {"_links": {"exchange-partner": {}}},
    {"_links": {"exchange-partner": {"href": {"success": False, "message": "not found"}}}},
    {"_links": {"exchange-partner": {"href": "https://evil.test/exchange-partners/" + NOBODY}}},
    {"_links": {"exchange-partner": {"href": f"http://127.0.0.1:7420/exchange-partners/{NOBODY}"}}},
):
    session(wrong, 400, "ValidationError", PARTNER_INVALID)
for url in (
    "javascript:alert(1)",
    "http://example.com/back",
    "https:evil",
    "//evil.test",
    "a b",
    5,
):
    session(
        lambda body, url=url: {"_links": {**body["_links"], "redirect-url": {"href": url}}},
        400,
        "ValidationError",
        REDIRECT_INVALID,
    )


@case(SESSIONS, 401, "InvalidScope", "Missing or invalid scopes for requested endpoint")
async def _(world: World) -> httpx2.Response:
    client = await world.without("exchange-sessions")
    return await client.post(
        f"{await client.customer()}/exchange-sessions", json=await world.partner()
    )


@case(
    SESSIONS,
    403,
    "forbidden",
    "Exchange sessions with this exchange partner are not enabled for your account",
)
async def _(world: World) -> httpx2.Response:
    client = await world.without("exchange-sessions:plaid")
    return await client.post(
        f"{await client.customer()}/exchange-sessions", json=await world.partner()
    )


@case(SESSIONS, 403, "forbidden", "The exchange partner specified does not support this product")
async def _(world: World) -> httpx2.Response:
    """Flinks and Finicity have no sessions; until they are here, MX is made to have none."""
    partner = world.gateway.core.partners.by_key("mx")
    partner._capabilities = frozenset()
    customer = await world.client.customer()
    return await world.client.post(f"{customer}/exchange-sessions", json=await world.partner("MX"))


@case(SESSIONS, 404, "NotFound", NOT_FOUND)
async def _(world: World) -> httpx2.Response:
    return await world.client.post(
        f"/customers/{NOBODY}/exchange-sessions", json=await world.partner()
    )


get(
    "retrieveCustomerExchangeSession",
    "/exchange-sessions/{nobody}",
    404,
    "notFound",
    "Exchange session not found.",
)
get(
    "retrieveCustomerExchangeSession",
    "/exchange-sessions/{nobody}",
    403,
    "forbidden",
    "Not authorized to retrieve exchange session.",
    "exchange-sessions",
)
get(
    "listAvailableExchangeConnections",
    "/customers/{nobody}/available-exchange-connections",
    404,
    "NotFound",
    NOT_FOUND + " Check Customer ID.",
)


REAUTH = "createReAuthExchangeSession"


@case(REAUTH, 400, "ValidationError", REDIRECT_INVALID)
async def _(world: World) -> httpx2.Response:
    exchange = await world.client.exchange(await world.client.customer())
    body = {"_links": {"redirect-url": {"href": "javascript:alert(1)"}}}
    return await world.client.post(f"{exchange}/exchange-sessions", json=body)


@case(REAUTH, 403, "forbidden", "Not authorized to create re-authentication exchange session.")
async def _(world: World) -> httpx2.Response:
    narrow = await world.without("exchange-sessions")
    return await narrow.post(f"/exchanges/{NOBODY}/exchange-sessions", json={})


@case(REAUTH, 404, "NotFound", "The requested resource was not found.")
async def _(world: World) -> httpx2.Response:
    return await world.client.post(f"/exchanges/{NOBODY}/exchange-sessions", json={})
