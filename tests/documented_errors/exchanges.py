"""The errors of exchanges."""

from __future__ import annotations

from typing import Any

import httpx2

from tallystick.clock import MINUTE_MS

from .case import CASES, LONG, NOBODY, NOT_ENABLED, NOT_FOUND, VALIDATION, Case, World, case, get
from .exchange_sessions import PARTNER_INVALID

CREATE = "createCustomerExchange"
CREATE_OWN = "createAccountExchange"


@case(CREATE, 400, "InvalidExchangeToken", "Exchange token is expired.")
async def _(world: World) -> httpx2.Response:
    """An available connection's token, half an hour later."""
    customer = await world.client.customer()
    proof = await world.client.mx_proof(customer)
    world.gateway.clock.advance(31 * MINUTE_MS)
    return await world.client.post(f"{customer}/exchanges", json=proof)


@case(CREATE, 400, "InvalidExchangeToken", "Exchange token is expired.")
async def _(world: World) -> httpx2.Response:
    """A public token, half an hour later."""
    customer = await world.client.customer()
    proof = await world.client.plaid_proof(customer)
    world.gateway.clock.advance(31 * MINUTE_MS)
    return await world.client.post(f"{customer}/exchanges", json=proof)


@case(CREATE, 400, "InvalidExchange", "The exchange is no longer active.")
async def _(world: World) -> httpx2.Response:
    """The consent is lost between the connect page and the exchange."""
    customer = await world.client.customer()
    session = await world.client.session(customer, "MX")
    done = await world.client.complete(session, institution="mxbank", user="mxuser", password="any")
    listed = (await world.client.get(f"{customer}/available-exchange-connections")).json()
    token = listed["_embedded"]["available-exchange-connections"][0]["availableConnectionToken"]
    degrade = f"/_partners/mx/_control/members/{done['memberGuid']}/degrade"
    answer = await world.client.post(degrade, json={"connection_status": "DENIED"})
    assert answer.status_code == 200, answer.text
    proof = {**await world.partner("MX"), "mx": {"availableConnectionToken": token}}
    return await world.client.post(f"{customer}/exchanges", json=proof)


@case(CREATE, 401, "InvalidExchangeToken", LONG)
async def _(world: World) -> httpx2.Response:
    body = {**await world.partner(), "plaid": {"publicToken": f"public-sandbox-{NOBODY}"}}
    return await world.client.post(f"{await world.client.customer()}/exchanges", json=body)


@case(CREATE, 401, "InvalidExchangeToken", LONG)
async def _(world: World) -> httpx2.Response:
    """A token that was redeemed already."""
    customer = await world.client.customer()
    proof = await world.client.plaid_proof(customer)
    await world.client.create(f"{customer}/exchanges", proof)
    return await world.client.post(f"{customer}/exchanges", json=proof)


@case(CREATE, 401, "InvalidExchangeToken", LONG)
async def _(world: World) -> httpx2.Response:
    """Another customer's connection (threat T31)."""
    proof = await world.client.mx_proof(await world.client.customer())
    return await world.client.post(f"{await world.client.customer()}/exchanges", json=proof)


@case(CREATE, 401, "InvalidExchangeToken", LONG)
async def _(world: World) -> httpx2.Response:
    body = {**await world.partner(), "token": f"processor-sandbox-{NOBODY}"}
    return await world.client.post(f"{await world.client.customer()}/exchanges", json=body)


@case(
    CREATE,
    401,
    "InvalidScope",
    f"The scopes for creating an exchange resource for a customer {NOT_ENABLED}",
)
async def _(world: World) -> httpx2.Response:
    client = await world.without("exchanges:customer")
    return await client.post(f"{await client.customer()}/exchanges", json={})


@case(CREATE, 404, "NotFound", NOT_FOUND)
async def _(world: World) -> httpx2.Response:
    return await world.client.post(f"/customers/{NOBODY}/exchanges", json={})


@case(CREATE, 404, "NotFound", NOT_FOUND)
async def _(world: World) -> httpx2.Response:
    """A partner that does not exist."""
    href = f"http://127.0.0.1:7420/exchange-partners/{NOBODY}"
    body = {"_links": {"exchange-partner": {"href": href}}, "token": "x"}
    return await world.client.post(f"{await world.client.customer()}/exchanges", json=body)


def refused_body(operation: str, extra: dict[str, Any], *expected: tuple[str, str, str]) -> None:
    """A body whose embedded errors are exactly (code, path, message)."""

    async def made(world: World) -> httpx2.Response:
        path = "/exchanges"
        if operation == CREATE:
            path = f"{await world.client.customer()}/exchanges"
        body = extra if "_links" in extra else {**await world.partner(), **extra}
        answer = await world.client.post(path, json=body)
        errors = answer.json()["_embedded"]["errors"]
        assert [(e["code"], e["path"], e["message"]) for e in errors] == list(expected), errors
        return answer

    CASES.append(Case(operation, 400, "ValidationError", VALIDATION, made))


TOKEN_REQUIRED = ("Required", "/token", "Token is required.")
for operation in (CREATE, CREATE_OWN):
    refused_body(operation, {}, TOKEN_REQUIRED)
    refused_body(operation, {"token": ""}, TOKEN_REQUIRED)
    refused_body(operation, {"token": None}, TOKEN_REQUIRED)
    refused_body(
        operation,
        {"_links": {"exchange-partner": {"href": "nonsense"}}},
        ("Invalid", "/_links/exchange-partner/href", PARTNER_INVALID),
        TOKEN_REQUIRED,
    )
    refused_body(operation, {"token": 5}, ("Invalid", "/token", "Token invalid."))
refused_body(CREATE, {"plaid": {}}, ("Required", "/plaid/publicToken", "PublicToken required."))
refused_body(
    CREATE, {"plaid": {"publicToken": 5}}, ("Invalid", "/plaid/publicToken", "PublicToken invalid.")
)
refused_body(CREATE, {"plaid": "x"}, ("Invalid", "/plaid", "plaid invalid."))
refused_body(
    CREATE,
    {"mx": {"availableConnectionToken": "x"}},
    ("Invalid", "/mx", "mx is not accepted here."),
)
refused_body(
    CREATE,
    {"token": "a", "plaid": {"publicToken": "b"}},
    ("Invalid", "/plaid", "plaid is not accepted here."),
)
refused_body(
    CREATE_OWN,
    {"plaid": {"publicToken": "b"}},
    ("Invalid", "/plaid", "plaid is not accepted here."),
)


@case(CREATE_OWN, 400, "InvalidExchangeToken", LONG)
async def _(world: World) -> httpx2.Response:
    body = {**await world.partner(), "token": f"processor-sandbox-{NOBODY}"}
    return await world.client.post("/exchanges", json=body)


@case(
    CREATE_OWN,
    401,
    "InvalidScope",
    f"The scopes for creating an exchange resource for an account {NOT_ENABLED}",
)
async def _(world: World) -> httpx2.Response:
    return await (await world.without("exchanges:account")).post("/exchanges", json={})


@case(CREATE_OWN, 404, "NotFound", NOT_FOUND)
async def _(world: World) -> httpx2.Response:
    href = f"http://127.0.0.1:7420/exchange-partners/{NOBODY}"
    return await world.client.post(
        "/exchanges", json={"_links": {"exchange-partner": {"href": href}}, "token": "x"}
    )


@case(CREATE_OWN, 403, "Forbidden", "The exchange partner specified does not support this product")
async def _(world: World) -> httpx2.Response:
    """A partner that redeems nothing; until there is one, MX is made to."""
    world.gateway.core.partners.by_key("mx")._capabilities = frozenset()
    return await world.client.post("/exchanges", json={**await world.partner("MX"), "token": "x"})


get(
    "getExchange",
    "/exchanges/{nobody}",
    401,
    "InvalidScope",
    f"The scopes for retrieving an exchange resource {NOT_ENABLED}",
    "exchanges:read",
)
get("getExchange", "/exchanges/{nobody}", 404, "NotFound", NOT_FOUND + " Check Exchange ID.")
get("listCustomerExchanges", "/customers/{nobody}/exchanges", 404, "NotFound", NOT_FOUND)
get(
    "listAccountExchanges",
    "/exchanges",
    403,
    "Forbidden",
    "The supplied credentials are not authorized for this resource.",
    "exchanges:read",
)
