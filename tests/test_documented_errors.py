"""Every documented error of these operations, produced once and named (contract 1.3, 5, 6).

The cases are in `documented_errors`. One test compares the list with what Dwolla's document
declares, so that an error cannot be forgotten.
"""

from __future__ import annotations

import pytest

from tallystick.clock import HOUR_MS

from . import openapi
from .documented_errors import every_case
from .documented_errors.case import NOBODY, World
from .documented_errors.funding_sources import NUMBERS

pytestmark = pytest.mark.anyio

CASES = every_case()


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
    ("simulateBankTransferProcessing", 401): "in tests/test_http.py",
    ("createWebhookSubscription", 404): "there is nothing in the request that could be absent",
    ("createWebhookSubscription", 429): "we have no limit of requests yet",
    ("listWebhookSubscriptions", 404): "the list of an application's own is never absent",
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
