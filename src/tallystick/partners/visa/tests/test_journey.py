"""The whole way with Visa: session, Tink's page, our return address, exchange (contract 7.9)."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from tests.gateway import BASE, in_process

from tallystick.clock import DAY_MS, HOUR_MS
from tallystick.partners.visa import PARTNER
from tallystick.store.db import Statement

pytestmark = pytest.mark.anyio

# Not looked up: the list with Visa in it is what the closed enum of Dwolla's document refuses.
PARTNER_HREF = f"{BASE}/exchange-partners/{PARTNER.id}"
BACK = "https://shop.example/create-funding-source?step=2"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def gateway(tmp_path, database_url):
    async with in_process(tmp_path, database_url, compat={"visa": True}) as made:
        yield made


@pytest.fixture
async def client(gateway):
    return await gateway.application(redirect_urls=[BACK])


async def started(client, customer) -> str:
    body = {
        "_links": {
            "exchange-partner": {"href": PARTNER_HREF},
            "redirect-url": {"href": BACK},
        }
    }
    return await client.create(f"{customer}/exchange-sessions", body)


async def returned(client, session, **signs_in):
    """Our answer to the browser that comes back from Tink."""
    done = await client.complete(session, **signs_in)
    return await client.get(done["redirectUrl"])


def said(answer) -> dict[str, str]:
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{BACK}&")
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query.pop("step") == ["2"]
    return {name: value for name, (value,) in query.items()}


async def test_from_session_to_verified_funding_source(client):
    customer = await client.customer()
    session = await started(client, customer)
    page = (await client.get(session)).json()["_links"]["external-provider-session"]
    assert "/_partners/visa/1.0/account-check/connect?" in page["href"]
    assert customer.rpartition("/")[2] not in parse_qs(urlsplit(page["href"]).query)["state"][0]
    exchange = said(await returned(client, session))["exchange"]
    listed = (await client.get(f"{customer}/exchanges")).json()
    assert [each["id"] for each in listed["_embedded"]["exchanges"]] == [exchange]
    source = await client.funding_source(customer, f"http://127.0.0.1:7420/exchanges/{exchange}")
    assert (await client.get(source)).json()["status"] == "verified"
    assert (await client.get(f"{source}/balance")).status_code == 200


@pytest.mark.parametrize(
    ("signs_in", "code"),
    [
        ({"consent": False}, "USER_CANCELLED"),
        ({"user": "u92721594", "password": "nbs589"}, "AUTHENTICATION_ERROR"),
        ({"user": "u91902655", "password": "jtx720"}, "TEMPORARY_ERROR"),
    ],
)
async def test_what_went_wrong_is_one_of_three_codes(client, signs_in, code):
    customer = await client.customer()
    session = await started(client, customer)
    assert said(await returned(client, session, **signs_in)) == {"error": code}
    assert (await client.get(f"{customer}/exchanges")).json()["total"] == 0


async def test_a_return_works_once_and_only_with_our_own_state(client):
    customer = await client.customer()
    done = await client.complete(await started(client, customer))
    for forged in (
        done["redirectUrl"].replace("state=", "state=0"),
        done["redirectUrl"][:-1],
        done["redirectUrl"].replace("visa", "plaid"),
        "/_inbound/visa/return",
        "/_inbound/visa/return?state=%00&account_verification_report_id=x",
        "/_inbound/visa/return?" + "x" * 5_000,
    ):
        answer = await client.get(forged)
        assert (answer.status_code, answer.content) == (404, b""), forged
    assert "exchange" in said(await client.get(done["redirectUrl"]))
    assert (await client.get(done["redirectUrl"])).status_code == 404
    assert (await client.get(f"{customer}/exchanges")).json()["total"] == 1


async def test_a_session_of_another_customer_cannot_be_ended_with_ones_own_report(client):
    """The consent swap (threat T9): the report is another person's than the session's."""
    victim, attacker = await client.customer(), await client.customer()
    theirs = await client.complete(await started(client, victim), consent=False)
    own = await client.complete(await started(client, attacker))
    state = parse_qs(urlsplit(theirs["redirectUrl"]).query)["state"][0]
    mine = parse_qs(urlsplit(own["redirectUrl"]).query)
    swapped = own["redirectUrl"].replace(mine["state"][0], state)
    assert said(await client.get(swapped)) == {"error": "AUTHENTICATION_ERROR"}
    assert (await client.get(f"{victim}/exchanges")).json()["total"] == 0


async def test_who_comes_back_too_late(gateway, client):
    customer = await client.customer()
    done = await client.complete(await started(client, customer))
    gateway.clock.advance(HOUR_MS)
    assert said(await client.get(done["redirectUrl"])) == {"error": "TEMPORARY_ERROR"}


@pytest.mark.parametrize("url", [None, "https://shop.example/", "https://shop.example.evil.test/"])
async def test_the_redirect_url_is_required_and_registered(client, url):
    links = {"exchange-partner": {"href": PARTNER_HREF}}
    links |= {} if url is None else {"redirect-url": {"href": url}}
    answer = await client.post(
        f"{await client.customer()}/exchange-sessions", json={"_links": links}
    )
    (error,) = answer.json()["_embedded"]["errors"]
    assert (answer.status_code, error["path"]) == (400, "/_links/redirect-url/href")


async def test_a_consent_is_renewed_in_the_same_exchange(gateway, client):
    customer = await client.customer()
    exchange = said(await returned(client, await started(client, customer)))["exchange"]
    href = f"http://127.0.0.1:7420/exchanges/{exchange}"
    source = await client.funding_source(customer, href)
    row = await gateway.core.db.one(Statement("SELECT external_id FROM exchange"))
    degrade = f"/_partners/visa/_control/credentials/{row[0]}/degrade"
    assert (await client.post(degrade, json={"status": "SESSION_EXPIRED"})).status_code == 200
    lost = await client.get(f"{source}/balance")
    assert lost.json()["code"] == "UpdateCredentials"
    body = {"_links": {"redirect-url": {"href": BACK}}}
    session = await client.create(f"{href}/exchange-sessions", body)
    assert said(await returned(client, session)) == {"exchange": exchange}
    assert (await client.get(f"{source}/balance")).status_code == 200
    assert (await client.get(f"{customer}/exchanges")).json()["total"] == 1


async def test_visa_is_hidden_unless_asked_for(tmp_path, database_url):
    async with in_process(tmp_path / "hidden", database_url) as plain:
        client = await plain.application()
        listed = (await client.get("/exchange-partners")).json()
        names = [each["name"] for each in listed["_embedded"]["exchange-partners"]]
        assert "Visa" not in names
        plain.clock.advance(DAY_MS)
