"""Customers: what may be posted, what is shown, and what happens to them (contract 6.2)."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tallystick.api.customers.changes import change_of
from tallystick.api.customers.rules import check
from tallystick.api.customers.store import CustomerRow
from tallystick.errors import ApiError
from tallystick.store.db import Statement

pytestmark = pytest.mark.anyio

NOW = 1_795_000_000_000  # November 2026
ADA = {"firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"}
HOME = {"address1": "1 Main St", "city": "Des Moines", "state": "IA", "postalCode": "50309"}
PERSONAL = {**ADA, **HOME, "type": "personal", "dateOfBirth": "1990-12-10", "ssn": "1234"}
SOLE = {
    **PERSONAL,
    "type": "business",
    "businessName": "Engines",
    "businessType": "soleProprietorship",
    "businessClassification": "9ed3f669-7d6f-11e3-b545-5404a6144203",
}
COMPANY = {
    **ADA,
    **HOME,
    "type": "business",
    "businessName": "Engines",
    "businessType": "llc",
    "businessClassification": "9ed3f669-7d6f-11e3-b545-5404a6144203",
    "ein": "00-0000000",
    "controller": {
        "firstName": "Charles",
        "lastName": "Babbage",
        "title": "CEO",
        "dateOfBirth": "1980-12-26",
        "ssn": "1234",
        "address": {
            "address1": "2 Main St",
            "city": "Des Moines",
            "stateProvinceRegion": "IA",
            "country": "US",
            "postalCode": "50309",
        },
    },
}
SSN = "987654321"
SECRETS = (SSN, "1990-12-10", "1980-12-26", "00-0000000")


@pytest.fixture
async def client(gateway):
    return await gateway.application()


async def topics(client):
    events = (await client.get("/events")).json()["_embedded"]["events"]
    return [each["topic"] for each in reversed(events)]


@pytest.mark.parametrize(
    ("body", "status", "topic"),
    [
        (ADA, "unverified", []),
        ({**ADA, "type": "receive-only", "businessName": "Engines"}, "unverified", []),
        (PERSONAL, "verified", ["customer_verified"]),
        (SOLE, "verified", ["customer_verified"]),
        (COMPANY, "verified", ["customer_verified"]),
        ({**PERSONAL, "firstName": "retry"}, "retry", ["customer_reverification_needed"]),
        ({**PERSONAL, "firstName": "kba"}, "kba", ["customer_kba_verification_needed"]),
        (
            {**PERSONAL, "firstName": "document"},
            "document",
            ["customer_verification_document_needed"],
        ),
        ({**PERSONAL, "firstName": "suspended"}, "suspended", ["customer_suspended"]),
    ],
)
async def test_created_and_shown(gateway, client, body, status, topic):
    if "ssn" in body:
        body = {**body, "ssn": SSN}
    if "controller" in body:
        body = {**body, "controller": {**body["controller"], "ssn": SSN}}
    made = await client.create("/customers", body)
    shown = (await client.get(made)).json()
    assert (shown["type"], shown["status"]) == (body.get("type", "unverified"), status)
    for name in ("firstName", "lastName", "email", "businessName", "city", "businessType"):
        assert shown.get(name) == body.get(name)
    assert None not in shown.values()
    assert await topics(client) == ["customer_created", *topic]
    everything = await gateway.core.db.all(Statement("SELECT * FROM customer"))
    assert not [secret for secret in SECRETS if secret in str(everything)]


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"firstName": ""}, "/firstName", "Invalid"),
        ({"firstName": "x" * 51}, "/firstName", "Invalid"),
        ({"lastName": "<b>"}, "/lastName", "InvalidFormat"),
        ({"email": "ada"}, "/email", "InvalidFormat"),
        ({"email": "ada@example"}, "/email", "InvalidFormat"),
        ({"type": "robot"}, "/type", "Invalid"),
        ({"correlationId": "a b"}, "/correlationId", "InvalidFormat"),
        ({"phone": "123"}, "/phone", "InvalidFormat"),
        ({"phone": "١٢٣٤٥٦٧٨٩٠"}, "/phone", "InvalidFormat"),
        ({"state": "Iowa"}, "/state", "InvalidFormat"),
        ({"postalCode": "5030"}, "/postalCode", "InvalidFormat"),
        ({"address1": "PO Box 7"}, "/address1", "InvalidFormat"),
        ({"city": "Des Moines 2"}, "/city", "InvalidFormat"),
        ({"dateOfBirth": "2015-01-01"}, "/dateOfBirth", "Invalid"),
        ({"dateOfBirth": "1890-01-01"}, "/dateOfBirth", "Invalid"),
        ({"dateOfBirth": "1990-02-30"}, "/dateOfBirth", "Invalid"),
        ({"ssn": "12345"}, "/ssn", "InvalidFormat"),
    ],
)
def test_one_thing_wrong(change, path, code):
    posted, errors = check(
        {**PERSONAL, **change} if change.get("type") is None else {**ADA, **change}, NOW
    )
    assert posted is None
    assert [(each.path, each.code) for each in errors] == [(path, code)]


def test_everything_wrong_at_once():
    _, errors = check({"type": "personal"}, NOW)
    assert [each.path for each in errors] == [
        "/firstName", "/lastName", "/email", "/address1", "/city", "/state", "/postalCode",
        "/dateOfBirth", "/ssn",
    ]  # fmt: skip
    assert {each.code for each in errors} == {"Required"}
    assert errors[0].message == "FirstName required."


def test_a_company_needs_its_controller():
    _, errors = check({**COMPANY, "controller": {"firstName": "Charles"}}, NOW)
    paths = {each.path for each in errors}
    assert {"/controller/lastName", "/controller/address", "/controller/ssn"} <= paths


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)
_bodies = st.fixed_dictionaries(
    {},
    optional={
        name: _json | st.just(value)
        for name, value in {**COMPANY, **PERSONAL, "status": "suspended"}.items()
    },
)
ROW = CustomerRow(
    "i", "a", "unverified", "unverified", None, "A", "B", "a@b.c", "a@b.c", None, None, "{}", NOW
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(_bodies | _json)
def test_no_body_breaks_the_rules(body):
    """Whatever is posted is read, or refused with an error of the API."""
    for read in (lambda: check(body, NOW), lambda: change_of(ROW, body, NOW)):
        try:
            read()
        except ApiError:
            pass


async def test_sixteen_with_one_address_make_one_customer(client):
    answers = await asyncio.gather(*(client.post("/customers", json=ADA) for _ in range(16)))
    assert sorted(each.status_code for each in answers) == [201] + [400] * 15
    assert (await client.get("/customers")).json()["total"] == 1


async def test_correlation_ids_are_unique(client):
    await client.create("/customers", {**ADA, "correlationId": "x"})
    answer = await client.post("/customers", json={**ADA, "email": "b@c.d", "correlationId": "x"})
    (error,) = answer.json()["_embedded"]["errors"]
    assert (error["code"], error["path"]) == ("Duplicate", "/correlationId")


async def test_listing_searching_and_paging(client):
    for name in ("Ada", "Grace", "Linus"):
        await client.create(
            "/customers", {**ADA, "firstName": name, "email": f"{name}@Example.com"}
        )
    names = lambda body: [each["firstName"] for each in body["_embedded"]["customers"]]  # noqa: E731
    page = (await client.get("/customers?limit=2")).json()
    assert (names(page), page["total"]) == (["Linus", "Grace"], 3)
    assert set(page["_links"]) == {"self", "first", "last", "next"}
    last = (await client.get(page["_links"]["next"]["href"])).json()
    assert names(last) == ["Ada"]
    assert set(last["_links"]) == {"self", "first", "last", "prev"}
    assert names((await client.get("/customers?search=grac")).json()) == ["Grace"]
    assert names((await client.get("/customers?search=%25")).json()) == []
    assert names((await client.get("/customers?email=ada@example.COM")).json()) == ["Ada"]
    found = (await client.get("/customers?status=unverified&status=verified&limit=1")).json()
    assert found["total"] == 3
    assert "status=unverified&status=verified" in found["_links"]["next"]["href"]
    assert (await client.get("/customers?status=suspended")).json()["total"] == 0
    assert (await client.get("/customers?limit=x&offset=-1")).json()["total"] == 3


async def test_lists_that_are_narrowed_oddly(client):
    await client.create("/customers", {**ADA, "firstName": "Zoë", "lastName": "Ångström"})
    assert (await client.get("/customers?search=ZOË ÅNG")).json()["total"] == 1
    many = "&".join(["status=nonsense"] * 9)
    assert (await client.get(f"/customers?{many}&status=unverified")).json()["total"] == 1
    assert (await client.get(f"/customers?{many}")).json()["total"] == 0
    for name in ("search", "email", "status", "limit"):
        assert (await client.get(f"/customers?{name}=a%00b")).status_code == 400


async def test_what_is_longer_than_any_name_finds_nothing(client):
    longest = {
        **ADA,
        "firstName": "Å" * 50,
        "lastName": "b_" * 25,
        "email": "a" * 242 + "@example.com",
    }
    await client.create("/customers", {**longest, "businessName": "_É" * 127 + "_"})
    queries = {
        f"search={'å' * 50} {'B_' * 25}": 1,
        f"search={'_é' * 127}_": 1,
        f"search={longest['email']}": 1,
        f"email={longest['email']}": 1,
        f"search={'_é' * 127}__": 0,
    }
    for long in ("x" * 60_000, "_" * 30_000):
        queries |= {f"search={long}": 0, f"email={long}": 0, f"email=a&search={long}": 0}
    for query, total in queries.items():
        answer = await client.get(f"/customers?{query}")
        assert (answer.status_code, answer.json()["total"]) == (200, total), query[:80]
        assert len(answer.json()["_embedded"]["customers"]) == total


async def test_somebody_suspended_by_verification_is_activated_as_verified(client):
    made = await client.create("/customers", {**PERSONAL, "firstName": "suspended"})
    back = (await client.post(made, json={"status": "reactivated"})).json()
    assert back["status"] == "verified"


async def test_edited_suspended_and_reactivated(client):
    made = await client.create("/customers", ADA)
    assert (await client.post(made, json={"firstName": "Augusta"})).json()["firstName"] == "Augusta"
    suspended = (await client.post(made, json={"status": "suspended"})).json()
    assert suspended["status"] == "suspended"
    assert "send" not in suspended["_links"]
    refused = await client.post(made, json={"firstName": "Ada"})
    assert (refused.status_code, refused.json()["code"]) == (403, "InvalidResourceState")
    assert (await client.post(made, json={"status": "reactivated"})).json()[
        "status"
    ] == "unverified"
    assert (await client.post(made, json={"status": "asleep"})).status_code == 400
    assert await topics(client) == ["customer_created", "customer_suspended", "customer_activated"]
    absent = await client.post(made[:-3] + "000", json={"firstName": "x"})
    assert absent.status_code == 404


async def test_upgraded_and_retried(client):
    made = await client.create("/customers", ADA)
    upgraded = await client.post(made, json={**PERSONAL, "firstName": "retry"})
    assert (upgraded.json()["type"], upgraded.json()["status"]) == ("personal", "retry")
    four = await client.post(made, json=PERSONAL)
    assert four.json()["_embedded"]["errors"][0]["path"] == "/ssn"
    again = await client.post(made, json={**PERSONAL, "ssn": "123-45-6789"})
    assert again.json()["status"] == "verified"


async def test_an_address_that_is_taken_cannot_be_taken_by_an_edit(client):
    await client.create("/customers", ADA)
    other = await client.create("/customers", {**ADA, "email": "b@example.com"})
    answer = await client.post(other, json={"email": "ADA@example.com"})
    assert answer.json()["_embedded"]["errors"][0]["code"] == "Duplicate"
    assert (await client.get(other)).json()["email"] == "b@example.com"


async def test_sixteen_edits_at_once_lose_nothing(client):
    """Each edits another field; PostgreSQL would let them overwrite each other without a lock."""
    made = await client.create("/customers", PERSONAL)
    edits = {
        "phone": "5155550100",
        "address1": "9 Other St",
        "city": "Ames",
        "postalCode": "50010",
        "website": "https://example.com",
        "email": "new@example.com",
    }
    answers = await asyncio.gather(
        *(client.post(made, json={name: value}) for name, value in edits.items())
    )
    assert {each.status_code for each in answers} == {200}
    shown = (await client.get(made)).json()
    assert {name: shown[name] for name in edits} == edits


async def test_sixteen_suspensions_at_once_are_one_event(client):
    made = await client.create("/customers", ADA)
    answers = await asyncio.gather(
        *(client.post(made, json={"status": "suspended"}) for _ in range(16))
    )
    assert sorted(each.status_code for each in answers) == [200] + [403] * 15
    assert await topics(client) == ["customer_created", "customer_suspended"]
