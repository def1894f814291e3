"""Simulations: what they do to customers, and what they say of what is not here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.api.sandbox_simulations import service
from tallystick.errors import NotFound

pytestmark = pytest.mark.anyio

PATH = "/sandbox-simulations"
BUSINESS = {
    "type": "business", "businessName": "Analytical Engines", "businessType": "llc",
    "businessClassification": "9ed3f669-7d6f-11e3-b545-5404a6144203", "ein": "00-0000000",
    "address1": "1 Main St", "city": "Des Moines", "state": "IA", "postalCode": "50309",
    "controller": {
        "firstName": "Ada", "lastName": "Byron", "title": "CEO", "dateOfBirth": "1980-01-31",
        "ssn": "123-45-6789",
        "address": {
            "address1": "1 Main St", "city": "Des Moines", "stateProvinceRegion": "IA",
            "postalCode": "50309", "country": "US",
        },
    },
}  # fmt: skip
CODES = (
    "PersonalIDRequired", "POBoxNotAllowed", "AddressNotAssociatedWithBusiness",
    "EINDocumentRequired",
)  # fmt: skip


def directive(customer, code=CODES[0]):
    links = {"customer": {"href": customer}}
    return {"type": "customer-verification", "_links": links, "errorCode": code}


@pytest.mark.parametrize("body", [None, {}])
async def test_there_is_nothing_to_process(gateway, body):
    client = await gateway.application()
    answer = await client.post(PATH, json=body) if body is not None else await client.post(PATH)
    assert answer.status_code == 200
    shown = answer.json()
    assert shown["total"] == 0
    assert shown["_links"]["self"]["href"].endswith(PATH)
    assert shown["_links"]["self"]["resource-type"] == "sandbox-simulation"


@pytest.mark.parametrize("name", ["retry", "document"])
async def test_a_business_shows_what_verification_was_told_to_say(gateway, name):
    client = await gateway.application()
    customer = await client.customer(**{**BUSINESS, "firstName": name})
    before = (await client.get(customer)).json()
    for code in CODES:
        answer = await client.post(PATH, json=directive(customer, code))
        assert (answer.status_code, answer.json()["errorCode"]) == (200, code)
        shown = (await client.get(customer)).json()
        (error,) = shown.pop("_embedded")["errors"]
        assert error["code"] == code
        assert shown == before
    if name == "retry":  # what verification says next replaces it
        await client.post(customer, json={**BUSINESS, "firstName": "Ada", "lastName": "B",
                                          "email": before["email"]})  # fmt: skip
        shown = (await client.get(customer)).json()
        assert (shown["status"], "_embedded" in shown) == ("verified", False)


async def test_any_other_customer_is_a_bad_request(gateway):
    client, other = await gateway.application(), await gateway.application()
    verified = await client.customer(**BUSINESS)
    simple = await client.customer()
    person = {name: BUSINESS[name] for name in ("address1", "city", "state", "postalCode")}
    person |= {"type": "personal", "dateOfBirth": "1980-01-31", "ssn": "1234"}
    personal = await client.customer(**person, firstName="document")
    foreign = await other.customer(**{**BUSINESS, "firstName": "document"})
    own = await client.customer(**{**BUSINESS, "firstName": "document"})
    for body in (
        *(directive(each) for each in (verified, simple, personal, foreign, f"{own}/x", "x")),
        directive(own, "Nonsense"),
        {"type": "customer-verification"},
        {"type": "nonsense"},
        {"type": "virtual", "transfers": [{"_links": {}, "amount": {}}]},
        [],
    ):
        answer = await client.post(PATH, json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest"), body
    for each in (own, verified):
        assert "_embedded" not in (await client.get(each)).json()


async def test_it_is_the_sandboxs_alone_and_can_be_switched_off(gateway):
    with pytest.raises(NotFound):
        service.require_sandbox(replace(gateway.core, live=True))
    client = await gateway.application(withheld=["sandbox-simulations"])
    answer = await client.post(PATH, json={})
    assert answer.status_code == 403
    assert answer.json() == {
        "code": "forbidden",
        "message": "Not authorized to simulate transfer processing.",
    }
