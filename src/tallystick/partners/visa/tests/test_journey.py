"""The whole way with Visa: session, Tink's page, our return address, exchange (contract 7.9)."""

from __future__ import annotations

import hmac
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.gateway import BASE, in_process
from tests.notices import assert_heard_as_signed

from tallystick.api.exchanges import service as exchanges
from tallystick.clock import DAY_MS, HOUR_MS, SECOND_MS
from tallystick.errors import StoreFailed
from tallystick.partners.visa import PARTNER
from tallystick.server import operate
from tallystick.store.db import Statement

pytestmark = pytest.mark.anyio

# Not looked up: the list with Visa in it is what the closed enum of Dwolla's document refuses.
PARTNER_HREF = f"{BASE}/exchange-partners/{PARTNER.id}"
SECRET = "a key"
BACK = "https://shop.example/create-funding-source?step=2"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def gateway(tmp_path, database_url):
    secret = {"visa": {"webhook_secret": SECRET}}
    async with in_process(tmp_path, database_url, compat={"visa": True}, partners=secret) as made:
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


async def test_a_first_consent_that_comes_back_without_a_report_is_an_error(client):
    """As a renewal does. Nothing came of it that an exchange could stand on."""
    customer = await client.customer()
    done = await client.complete(await started(client, customer))
    address, _, query = done["redirectUrl"].partition("?")
    kept = [each for each in query.split("&") if not each.startswith("account_verification")]
    answer = await client.get(f"{address}?{'&'.join(kept)}")
    assert said(answer) == {"error": "AUTHENTICATION_ERROR"}
    assert (await client.get(f"{customer}/exchanges")).json()["total"] == 0


@pytest.mark.parametrize("registered", [[], ["com.example.app123"]], ids=["any", "registered"])
async def test_nobody_is_sent_back_to_what_is_no_web_address(gateway, registered):
    """A package name would be a relative path in our redirect (threat T6)."""
    client = await gateway.application(redirect_urls=[BACK, *registered] if registered else [])
    customer = await client.customer()
    partner = {"exchange-partner": {"href": PARTNER_HREF}}
    exchange = said(await returned(client, await started(client, customer)))["exchange"]
    to = {"redirect-url": {"href": "com.example.app123"}}
    for path, links in (
        (f"{customer}/exchange-sessions", {**partner, **to}),
        (f"/exchanges/{exchange}/exchange-sessions", to),
    ):
        answer = await client.post(path, json={"_links": links})
        assert (answer.status_code, answer.json()["code"]) == (400, "ValidationError"), path
        (error,) = answer.json()["_embedded"]["errors"]
        assert (error["code"], error["path"]) == ("Invalid", "/_links/redirect-url/href")


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


async def test_who_comes_back_while_the_database_is_away_is_sent_on(client, monkeypatch):
    async def fail(*_args):
        raise StoreFailed("it is away")

    done = await client.complete(await started(client, await client.customer()))
    monkeypatch.setattr(exchanges, "redeem", fail)
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


async def linked(client, customer):
    """An exchange and the funding source that stands on it."""
    exchange = said(await returned(client, await started(client, customer)))["exchange"]
    href = f"{BASE}/exchanges/{exchange}"
    return exchange, href, await client.funding_source(customer, href)


async def repairing(client, href) -> str:
    body = {"_links": {"redirect-url": {"href": BACK}}}
    return await client.create(f"{href}/exchange-sessions", body)


async def test_another_login_renews_nothing(gateway, client):
    customer = await client.customer()
    exchange, href, source = await linked(client, customer)
    row = await gateway.core.db.one(Statement("SELECT external_id FROM exchange"))
    degrade = f"/_partners/visa/_control/credentials/{row[0]}/degrade"
    await client.post(degrade, json={"status": "SESSION_EXPIRED"})
    another = {"user": "u30915384", "password": "bsw325"}
    wrong = await returned(client, await repairing(client, href), **another)
    assert said(wrong) == {"error": "AUTHENTICATION_ERROR"}
    assert (await client.get(f"{source}/balance")).json()["code"] == "UpdateCredentials"
    assert said(await returned(client, await repairing(client, href))) == {"exchange": exchange}
    assert (await client.get(f"{source}/balance")).status_code == 200


async def test_what_the_browser_brings_does_not_change_what_an_exchange_stands_on(gateway, client):
    """The return of a repair names another consent and a report: it is the held one that counts."""
    customer = await client.customer()
    exchange, href, source = await linked(client, customer)
    before = await gateway.core.db.one(Statement("SELECT external_id FROM exchange"))
    other = await client.complete(await started(client, customer))
    repaired = await client.complete(await repairing(client, href))
    state = parse_qs(urlsplit(repaired["redirectUrl"]).query)["state"][0]
    theirs = parse_qs(urlsplit(other["redirectUrl"]).query)["state"][0]
    swapped = await client.get(other["redirectUrl"].replace(theirs, state))
    assert said(swapped) == {"exchange": exchange}
    assert await gateway.core.db.one(Statement("SELECT external_id FROM exchange")) == before
    assert (await client.get(f"{customer}/exchanges")).json()["total"] == 1
    assert (await client.get(f"{source}/balance")).status_code == 200


async def test_a_healthy_consent_may_be_renewed_as_well(client):
    customer = await client.customer()
    exchange, href, source = await linked(client, customer)
    assert said(await returned(client, await repairing(client, href))) == {"exchange": exchange}
    assert (await client.get(f"{source}/balance")).status_code == 200


async def test_an_account_that_is_no_longer_shared_is_told_on_return(gateway, client, monkeypatch):
    """Tink describes no choice of accounts in a renewal; if a bank has one, it is noticed."""
    customer = await client.customer()
    _, href, source = await linked(client, customer)
    partner = gateway.core.partners.by_key("visa")
    honest = partner.list_accounts

    async def without(grant):
        return (await honest(grant))[1:]

    monkeypatch.setattr(partner, "list_accounts", without)
    wrong = await returned(client, await repairing(client, href))
    assert said(wrong) == {"error": "AUTHENTICATION_ERROR"}
    row = Statement("SELECT cause, cause_code FROM exchange")
    assert tuple(await gateway.core.db.one(row)) == ("person", "ACCOUNT_NOT_SHARED")
    monkeypatch.undo()
    await returned(client, await repairing(client, href))
    assert (await gateway.core.db.one(row))[0] is None
    assert (await client.get(f"{source}/balance")).status_code == 200


async def test_notices(gateway, client, monkeypatch):
    customer = await client.customer()
    await linked(client, customer)
    (credentials,) = await gateway.core.db.one(Statement("SELECT external_id FROM exchange"))
    lost = {"credentialsId": credentials, "credentialsStatus": "SESSION_EXPIRED"}
    body = json.dumps({"event": "refresh:finished", "content": lost}).encode()

    def sign(content, key=SECRET, digest="sha256", minutes=0):
        at_s = gateway.clock.now_ms() // SECOND_MS - minutes * 60
        signed = f"{at_s}.".encode() + content
        mac = hmac.new(key.encode(), signed, digest).hexdigest()
        return {"X-Tink-Signature": f"t={at_s},v1={mac}"}

    await assert_heard_as_signed(
        gateway, client, monkeypatch, key="visa", body=body, sign=sign, doorbell=False,
        forged={
            "another key": sign(body, key="another"),
            "another algorithm": sign(body, digest="sha512"),
            "six minutes old": sign(body, minutes=6),
            "six minutes early": sign(body, minutes=-6),
        },
        lose=lambda: client.post(
            f"/_partners/visa/_control/credentials/{credentials}/degrade",
            json={"status": "SESSION_EXPIRED"},
        ),
    )  # fmt: skip


async def test_visa_is_hidden_unless_asked_for(tmp_path, database_url):
    async with in_process(tmp_path / "hidden", database_url) as plain:
        client = await plain.application()
        listed = (await client.get("/exchange-partners")).json()
        names = [each["name"] for each in listed["_embedded"]["exchange-partners"]]
        assert "Visa" not in names
        plain.clock.advance(DAY_MS)


async def test_what_was_linked_is_shown_when_visa_is_no_longer_asked_for(
    tmp_path, database_url, gateway, client
):
    customer = await client.customer()
    session = await started(client, customer)
    exchange, href, source = await linked(client, customer)
    async with in_process(tmp_path, database_url) as plain:
        later = plain.client()
        later.headers["Authorization"] = client.headers["Authorization"]
        for shown in (session, href, f"{customer}/exchanges", source):
            before = (await client.get(shown)).json()
            before["_links"].pop("balance", None)
            assert (await later.get(shown)).json() == before
        answer = await later.get(f"{source}/balance")
        assert (answer.status_code, answer.json()["code"]) == (400, "UnsupportedOperation")
        body = {"_links": {"redirect-url": {"href": BACK}}}
        assert (await later.post(f"{href}/exchange-sessions", json=body)).status_code == 403
        assert (await operate.check_exchange(plain.core, exchange))["status"] == "active"
