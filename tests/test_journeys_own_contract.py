"""What is left of the partners' documented paths, with `dwollav2` over a socket.

An integrator with its own contract brings Plaid's processor token or MX's authorization code; Visa
sends the browser back to us, and the exchange is there without anybody posting a proof.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import dwollav2
import httpx2
import pytest

from tallystick.partners import registry

from .gateway import Served, served

BACK = "http://localhost:3000/create-funding-source"
KEYS = {"PLAID-CLIENT-ID": "sandbox", "PLAID-SECRET": "sandbox"}


def token_for(server: Served, monkeypatch: pytest.MonkeyPatch, **application: Any) -> Any:
    """A token of dwollav2, whose environment points at the gateway before anything is called."""
    made = server.application(**application)
    here = {
        "auth_url": f"{server.url}/auth",
        "token_url": f"{server.url}/token",
        "api_url": server.url,
    }
    monkeypatch.setitem(dwollav2.Client.ENVIRONMENTS, "sandbox", here)
    client = dwollav2.Client(
        key=made["client_id"], secret=made["client_secret"], environment="sandbox"
    )
    return client.Auth.client()


def href_of(server: Served, name: str) -> dict[str, Any]:
    """Not looked up: Visa's name is not in every client's list."""
    partner = next(each for each in registry.manifests() if each.name == name)
    return {"exchange-partner": {"href": f"{server.url}/exchange-partners/{partner.id}"}}


def new_customer(token: Any) -> str:
    body = {"firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"}
    return token.post("customers", body).headers["location"]


def verified(token: Any, customer: str, exchange: str) -> None:
    body = {
        "_links": {"exchange": {"href": exchange}},
        "bankAccountType": "checking",
        "name": "Ada - Checking",
    }
    source = token.post(f"{customer}/funding-sources", body).headers["location"]
    assert token.get(source).body["status"] == "verified"
    assert "value" in token.get(f"{source}/balance").body["closing"]


def test_plaid_processor_token(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    token = token_for(server, monkeypatch)
    customer = new_customer(token)
    url = f"{server.url}/_partners/plaid/sandbox/processor_token/create"
    made = httpx2.post(url, headers=KEYS, json={"institution_id": "ins_109508"}).json()
    body = {"_links": href_of(server, "Plaid"), "token": made["processor_token"]}
    exchange = token.post(f"{customer}/exchanges", body).headers["location"]
    verified(token, customer, exchange)


def test_mx_authorization_code(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    token = token_for(server, monkeypatch)
    customer = new_customer(token)
    links = {"_links": href_of(server, "MX")}
    session = token.post(f"{customer}/exchange-sessions", links).headers["location"]
    done = server.complete(session.rpartition("/")[2], institution="mxbank", user="mxuser")
    scope = (
        f"user-guid:{done['userGuid']} member-guid:{done['memberGuid']} "
        f"account-guid:{done['accountGuids'][0]} read-protected"
    )
    code = httpx2.post(
        f"{server.url}/_partners/mx/authorization_code",
        json={"authorization_code": {"scope": scope}},
        auth=("sandbox", "sandbox"),
    ).json()["authorization_code"]["code"]
    exchange = token.post(f"{customer}/exchanges", {**links, "token": code}).headers["location"]
    verified(token, customer, exchange)


def test_visa_sends_the_browser_back(
    tmp_path: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(tmp_path, database_url, compat={"visa": True}) as server:
        token = token_for(server, monkeypatch, redirect_urls=[BACK])
        customer = new_customer(token)
        links = {**href_of(server, "Visa"), "redirect-url": {"href": BACK}}
        session = token.post(f"{customer}/exchange-sessions", {"_links": links})
        shown = token.get(session.headers["location"]).body
        assert "/_partners/visa/" in shown["_links"]["external-provider-session"]["href"]
        done = server.complete(session.headers["location"].rpartition("/")[2])
        back = httpx2.get(done["redirectUrl"], follow_redirects=False)
        assert back.status_code == 303
        (exchange,) = parse_qs(urlsplit(back.headers["location"]).query)["exchange"]
        verified(token, customer, f"{server.url}/exchanges/{exchange}")
