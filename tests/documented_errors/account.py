"""The errors of the root, accounts, partners and events."""

from __future__ import annotations

import httpx2

from .case import NOT_FOUND, World, case, get


@case("getRoot", 401, "InvalidAccessToken", "Invalid access token.")
async def _(world: World) -> httpx2.Response:
    return await world.client.get("/", headers={"Authorization": "Bearer nonsense"})


get(
    "getAccount",
    "/accounts/{account}",
    403,
    "forbidden",
    "Not authorized to retrieve an Account by id.",
    "accounts",
)
get("getAccount", "/accounts/{nobody}", 404, "notFound", NOT_FOUND)
get(
    "listExchangePartners",
    "/exchange-partners",
    403,
    "Forbidden",
    "The supplied credentials are not authorized for this resource.",
    "exchange-partners",
)
get("getExchangePartner", "/exchange-partners/{nobody}", 404, "NotFound", NOT_FOUND)
get("getExchangePartner", "/exchange-partners/Plaid", 404, "NotFound", NOT_FOUND)
get("getEvent", "/events/{nobody}", 404, "NotFound", NOT_FOUND)
