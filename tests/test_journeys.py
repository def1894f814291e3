"""The whole way with Dwolla's own clients, from their registries and unmodified, over a socket."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import dwollav2
import pytest

from .gateway import Served
from .requirements import ROOT, missing, node

NODE = ROOT / "tests" / "node"
TOPICS = [
    "customer_created",
    "customer_funding_source_added",
    "customer_funding_source_verified",
]
SIGNS_IN = {
    "Plaid": {"institution": "ins_109508", "user": "user_good", "password": "pass_good"},
    "MX": {"institution": "mxbank", "user": "mxuser", "password": "any"},
}
# Partners with which an integrator has a contract of its own, by the key of their simulator.
OWN_CONTRACT = {"Flinks": "flinks", "Finicity": "finicity"}
PARTNERS = [*SIGNS_IN, "Checkout.com", *OWN_CONTRACT]
HOLDER = {
    "firstName": "Ada",
    "lastName": "Byron",
    "billingAddress": {
        "address1": "1 Main St",
        "city": "Des Moines",
        "stateProvinceRegion": "IA",
        "country": "US",
        "postalCode": "50309",
    },
}
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def nothing_leaves_this_machine(monkeypatch):
    """dwollav2 puts a host of its own in front of any address: a wrong one must not be reached."""
    resolve = socket.getaddrinfo

    def refuse(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in ("127.0.0.1", "localhost", "::1", None):
            raise OSError(f"refused: a look-up of {host}")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


# ── PyPI dwollav2 ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def token(server: Served):
    """A token of dwollav2 for a new application; its environment points at the gateway."""
    made = server.application()
    environments = dwollav2.Client.ENVIRONMENTS
    kept = environments["sandbox"]
    environments["sandbox"] = {
        "auth_url": f"{server.url}/auth",
        "token_url": f"{server.url}/token",
        "api_url": server.url,
    }
    client = dwollav2.Client(
        key=made["client_id"], secret=made["client_secret"], environment="sandbox"
    )
    yield client.Auth.client()
    environments["sandbox"] = kept


def proof_of(server: Served, token: Any, customer: str, partner: str) -> dict[str, Any]:
    """Session, consent, and what the client then posts to redeem it."""
    listed = token.get("exchange-partners").body["_embedded"]["exchange-partners"]
    href = next(each for each in listed if each["name"] == partner)["_links"]["self"]["href"]
    links = {"_links": {"exchange-partner": {"href": href}}}
    if partner in OWN_CONTRACT:
        return {**links, **server.simulate(OWN_CONTRACT[partner])["proof"]}
    session = token.post(f"{customer}/exchange-sessions", links).headers["location"]
    shown = token.get(session).body
    assert ("externalProviderSessionToken" in shown) == (partner == "Plaid")
    assert ("external-provider-session" in shown["_links"]) == (partner == "MX")
    assert ("externalProviderSessionData" in shown) == (partner == "Checkout.com")
    done = server.complete(session.rpartition("/")[2], **SIGNS_IN.get(partner, {}))
    if partner != "MX":
        return {**links, **done["proof"]}
    offered = token.get(f"{customer}/available-exchange-connections").body["_embedded"]
    (first, *_) = offered["available-exchange-connections"]
    return {**links, "mx": {"availableConnectionToken": first["availableConnectionToken"]}}


def new_customer(token: Any, number: int = 0) -> str:
    body = {"firstName": "Ada", "lastName": "Byron", "email": f"ada{number}@example.com"}
    return token.post("customers", body).headers["location"]


@pytest.mark.parametrize("partner", PARTNERS)
def test_dwollav2(server, token, partner):
    customer = new_customer(token)
    proof = proof_of(server, token, customer, partner)
    exchange = token.post(f"{customer}/exchanges", proof).headers["location"]
    assert token.get(exchange).body["status"] == "active"
    card = partner == "Checkout.com"
    source = token.post(
        f"{customer}/funding-sources",
        {
            "_links": {"exchange": {"href": exchange}},
            **({"cardDetails": HOLDER} if card else {"bankAccountType": "checking"}),
            "name": "Ada - Checking",
        },
    ).headers["location"]
    bank = token.get(source).body
    kind = "card" if card else "bank"
    assert (bank["status"], bank["type"], bank["removed"]) == ("verified", kind, False)
    events = token.get("events", limit=5).body["_embedded"]["events"]
    assert [each["topic"] for each in reversed(events)] == TOPICS
    assert token.get(f"{customer}/exchanges").body["total"] == 1
    assert token.post(source, {"removed": True}).body["removed"] is True
    listed = token.get(f"{customer}/funding-sources", removed="false").body
    assert listed["_embedded"]["funding-sources"] == []


def test_dwollav2_raises_its_own_classes(server, token):
    customer = new_customer(token)
    with pytest.raises(dwollav2.ValidationError) as refused:
        token.post("customers", {"firstName": "Ada"})
    assert {each["path"] for each in refused.value.body["_embedded"]["errors"]} == {
        "/lastName",
        "/email",
    }
    with pytest.raises(dwollav2.NotFoundError):
        token.get(f"exchanges/{NOBODY}")
    proof = proof_of(server, token, customer, "Plaid")
    token.post(f"{customer}/exchanges", proof)
    with pytest.raises(dwollav2.Error) as used:
        token.post(f"{customer}/exchanges", proof)
    assert (used.value.status, used.value.body["code"]) == (401, "InvalidExchangeToken")
    stranger = dwollav2.Client(key="nobody", secret="wrong", environment="sandbox")
    with pytest.raises(dwollav2.InvalidClientError):
        stranger.Auth.client()
    with pytest.raises(dwollav2.InvalidAccessTokenError):
        stranger.Token(access_token="x").get("/")


def test_dwollav2_pages_through_customers(server, token):
    made = [new_customer(token, number) for number in range(5)]
    page, seen = token.get("customers", limit=2), []
    while True:
        seen += [each["_links"]["self"]["href"] for each in page.body["_embedded"]["customers"]]
        if "next" not in page.body["_links"]:
            break
        page = token.get(page.body["_links"]["next"]["href"])
    assert seen == made[::-1]
    assert page.body["total"] == 5


# ── npm dwolla-v2 and npm dwolla ──────────────────────────────────────────────────────────────


def run_node(server: Served, script: str, partner: str) -> dict[str, Any]:
    made = server.application()
    done = subprocess.run(
        [node(), "--require", str(NODE / "guard.cjs"), str(NODE / script)],
        cwd=NODE,
        env={
            **os.environ,
            "URL": server.url,
            "KEY": made["client_id"],
            "SECRET": made["client_secret"],
            "PARTNER": partner,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.node
@pytest.mark.parametrize("partner", PARTNERS)
def test_npm_dwolla_v2(server, partner):
    found = run_node(server, "journey_dwolla_v2.cjs", partner)
    assert found["exchange"] == "active"
    assert found["source"] == source_of(partner)
    assert found["topics"] == TOPICS
    assert found["refused"] == [401, "InvalidExchangeToken"]
    assert found["absent"] == [404, "Customer not found."]
    assert found["removed"] is True
    assert found.get("name") == ("no-match" if partner == "Checkout.com" else None)
    check_partner(found, partner)


@pytest.mark.node
@pytest.mark.parametrize("partner", PARTNERS)
def test_npm_dwolla(server, partner):
    found = run_node(server, "journey_dwolla.mjs", partner)
    assert found["customer"] == "unverified"
    assert found["exchange"] == "active"
    assert found["exchanges"] == [1, 1]
    assert found["source"] == source_of(partner)
    assert found["topics"] == TOPICS
    assert found["balance"] == (400 if partner == "Checkout.com" else True)
    assert (found["sources"], found["customers"]) == (1, 1)
    assert found["refused"][1] == 401
    assert found["refused"][0] != "APIError"
    assert found["absent"] == ["GetExchangeNotFoundDwollaV1HalJSONError", 404]
    assert (found["own"], found["ownExchanges"], found["removed"]) == (400, 0, True)
    check_partner(found, partner)


def source_of(partner: str) -> list[Any]:
    if partner == "Checkout.com":
        return ["verified", "card", None, False]
    return ["verified", "bank", "checking", False]


def check_partner(found: dict[str, Any], partner: str) -> None:
    if partner == "Plaid":
        assert found["token"].startswith("link-sandbox-")
    elif partner == "Checkout.com":
        assert len(found["data"]) == 3
        assert found.get("card", ["Visa", "1519"]) == ["Visa", "1519"]
        assert found.get("settlement", ["card-network"]) == ["card-network"]
    elif partner == "MX":
        assert "/_partners/mx/md/connect/" in found["page"]
        assert found["offered"] == ["MX Bank Checking", "MX Bank Savings"]


@pytest.mark.node
@pytest.mark.parametrize(
    "way",
    [
        "fetch('http://203.0.113.1/').catch(e => { throw e.cause })",
        "new Promise(() => new (require('net').Socket)().connect(80, '203.0.113.1'))",
    ],
)
def test_the_guard_refuses_other_hosts(way):
    """The positive control: a client whose base URL was not changed reaches nobody."""
    script = f"{way}.catch(e => console.log(String(e)))"
    done = subprocess.run(
        [node(), "--require", str(NODE / "guard.cjs"), "-e", script],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert "refused" in done.stdout


# ── README ────────────────────────────────────────────────────────────────────────────────────


def snippet(language: str, naming: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return next(block for block in blocks if naming in block)


GUARD = """
import socket
resolve = socket.getaddrinfo
def loopback(host, *args, **kwargs):
    assert host in ("127.0.0.1", "localhost", "::1", None), f"refused: a look-up of {host}"
    return resolve(host, *args, **kwargs)
socket.getaddrinfo = loopback
"""


def test_readme_snippet_for_python(server):
    code = GUARD + snippet("python", "dwollav2").replace("http://localhost:7420", server.url)
    code += "\nprint(client.Auth.client().get('/').body['_links']['account']['href'])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith(f"{server.url}/accounts/"), done.stderr


def test_readme_snippet_for_the_shell(server):
    """From the token to a verified bank account, as a person pastes it."""
    if shutil.which("curl") is None:
        missing("curl")
    code = snippet("sh", "CUSTOMER=").replace("http://localhost:7420", server.url)
    done = subprocess.run(["sh", "-c", code], capture_output=True, text=True, check=False)
    assert '"status":"verified"' in done.stdout.splitlines()[-1], done.stdout + done.stderr


@pytest.mark.node
@pytest.mark.parametrize(
    ("naming", "suffix", "call"),
    [
        (
            'require("dwolla-v2")',
            "cjs",
            "dwolla.get('/').then(r => console.log(r.body._links.account.href))",
        ),
        (
            'from "dwolla"',
            "mjs",
            "console.log((await dwolla.root.get()).links.account.href)",
        ),
    ],
)
def test_readme_snippet_for_node(server, naming, suffix, call):
    code = snippet("js", naming).replace("http://localhost:7420", server.url)
    script = NODE / f"readme_{os.getpid()}.{suffix}"
    Path(script).write_text(f"{code}\n{call}\n")
    try:
        done = subprocess.run(
            [node(), "--require", str(NODE / "guard.cjs"), str(script)],
            cwd=NODE, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    finally:
        script.unlink()
    assert done.stdout.startswith(f"{server.url}/accounts/"), done.stderr
