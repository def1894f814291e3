"""Every documented error of these operations, produced once and named (contract 1.3, 5, 6).

A case is (operation, status, code, message) and a function that makes it happen. The last test
compares the list with what Dwolla's document declares, so that an error cannot be forgotten.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx2
import pytest

from tallystick.clock import HOUR_MS, MINUTE_MS
from tallystick.store.db import Statement

from . import openapi
from .gateway import Api, InProcess

pytestmark = pytest.mark.anyio

LONG = (
    "The exchange token is not valid to perform this operation. Either the token is expired or "
    "invalid, or the products permissions to the token are invalid or expired."
)
NOT_ENABLED = "is not enabled for this application. Reach out to Dwolla for more information."
NOT_FOUND = "The requested resource was not found."
NOBODY = str(uuid.UUID(int=1 << 64))
VALIDATION = "Validation error(s) present. See embedded errors list for more details."


class World(NamedTuple):
    gateway: InProcess
    client: Api

    async def without(self, *scopes: str) -> Api:
        return await self.gateway.application(withheld=scopes)

    async def partner(self, name: str = "Plaid") -> dict[str, Any]:
        return {"_links": {"exchange-partner": {"href": await self.client.partner_href(name)}}}


Made = Callable[[World], Awaitable[httpx2.Response]]


class Case(NamedTuple):
    operation: str
    status: int
    code: str
    message: str
    made: Made


CASES: list[Case] = []


def case(operation: str, status: int, code: str, message: str) -> Callable[[Made], Made]:
    def add(made: Made) -> Made:
        CASES.append(Case(operation, status, code, message, made))
        return made

    return add


def get(operation: str, path: str, status: int, code: str, message: str, *withheld: str) -> None:
    """A case of one GET; `{nobody}` in the path is an id that never was."""

    async def made(world: World) -> httpx2.Response:
        client = await world.without(*withheld) if withheld else world.client
        account = client.made["account_id"]
        return await client.get(path.format(nobody=NOBODY, account=account))

    CASES.append(Case(operation, status, code, message, made))


# ── root, account, partners, events ───────────────────────────────────────────────────────────


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

# ── exchange sessions ─────────────────────────────────────────────────────────────────────────

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

# ── exchanges ─────────────────────────────────────────────────────────────────────────────────

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

# ── customers ─────────────────────────────────────────────────────────────────────────────────

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


# ── funding sources ───────────────────────────────────────────────────────────────────────────

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


async def test_the_same_bank_again_is_told_with_a_link(gateway):
    """400 DuplicateResource, whose message has an id: `Bank already exists: id={uuid}`."""
    client = await gateway.application()
    customer = await client.customer()
    first = await client.create(f"{customer}/funding-sources", NUMBERS)
    answer = await client.post(f"{customer}/funding-sources", json=NUMBERS)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, "DuplicateResource")
    assert body["message"] == f"Bank already exists: id={first.rpartition('/')[2]}"
    assert body["_links"]["about"] == {
        "href": first,
        "type": openapi.HAL,
        "resource-type": "funding-source",
    }


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


# ── the tests ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "each", CASES, ids=lambda case: f"{case.operation}-{case.status}-{case.code}"
)
async def test_documented_error(gateway, each):
    world = World(gateway, await gateway.application())
    answer = await each.made(world)
    body = answer.json()
    assert (answer.status_code, body["code"], body["message"]) == (
        each.status,
        each.code,
        each.message,
    )


# Declared by Dwolla's document, and why no test makes it happen.
WITHOUT_A_CAUSE = {
    ("createCustomer", 404): "there is nothing in the request that could be absent",
    ("listEvents", 404): "the list of an application's own events is never absent",
    ("listAccountExchanges", 404): "the account is the caller's own",
    ("listAndSearchCustomers", 403): "in api/customers/tests",
    ("update", 400): "in api/customers/tests",
    ("createApplicationAccessToken", 401): "in tests/test_http.py",
}


def test_no_declared_error_is_forgotten():
    if openapi.document() is None:
        pytest.skip("../shared/specs/dwolla-openapi.yml is not here")
    from tallystick.api import routes

    made = {(each.operation, each.status) for each in CASES} | set(WITHOUT_A_CAUSE)
    served = {(route.method, route.path) for route in routes()}
    declared = {
        (operation["operationId"], int(status))
        for key, operation in openapi.operations().items()
        if key in served
        for status in operation["responses"]
        if int(status) >= 400
    }
    assert not sorted(declared - made)


async def test_pascal_codes_by_setting(tmp_path):
    """Contract 10, no. 4: one switch spells every code as the prose documentation does."""
    from .gateway import in_process

    url = f"sqlite:///{tmp_path}/t.db"
    async with in_process(tmp_path, url, codes="pascal") as gateway:
        client = await gateway.application()
        for path in (f"/customers/{NOBODY}", f"/exchange-sessions/{NOBODY}"):
            assert (await client.get(path)).json()["code"] == "NotFound"


async def test_a_session_outlives_its_token(gateway):
    """An expired session is still shown (contract 10, no. 15)."""
    client = await gateway.application()
    session = await client.session(await client.customer(), "Plaid")
    gateway.clock.advance(5 * HOUR_MS)
    await client.sign_in(client.made["client_id"], client.made["client_secret"])
    assert (await client.get(session)).status_code == 200
