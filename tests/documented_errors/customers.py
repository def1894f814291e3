"""The errors of customers."""

from __future__ import annotations

import httpx2

from .case import NOBODY, VALIDATION, World, case, get

ADA = {"firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"}


@case("createCustomer", 400, "ValidationError", VALIDATION)
async def _(world: World) -> httpx2.Response:
    answer = await world.client.post("/customers", json={"email": "nonsense"})
    paths = [each["path"] for each in answer.json()["_embedded"]["errors"]]
    assert paths == ["/firstName", "/lastName", "/email"]
    return answer


@case("createCustomer", 400, "ValidationError", VALIDATION)
async def _(world: World) -> httpx2.Response:
    await world.client.create("/customers", ADA)
    answer = await world.client.post("/customers", json={**ADA, "email": "ADA@example.com"})
    (error,) = answer.json()["_embedded"]["errors"]
    assert (error["code"], error["path"]) == ("Duplicate", "/email")
    assert error["message"] == "A customer with the specified email already exists."
    return answer


@case("createCustomer", 403, "forbidden", "Not authorized to create customers.")
async def _(world: World) -> httpx2.Response:
    return await (await world.without("customers")).post("/customers", json=ADA)


get("getCustomer", "/customers/{nobody}", 404, "notFound", "Customer not found.")
get(
    "getCustomer",
    "/customers/{nobody}",
    403,
    "forbidden",
    "Not authorized to get a customer by id.",
    "customers",
)


@case("update", 403, "forbidden", "Not authorized to update a customer.")
async def _(world: World) -> httpx2.Response:
    return await (await world.without("customers")).post(f"/customers/{NOBODY}", json=ADA)
