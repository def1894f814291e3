"""`Client` and `AsyncClient` are one thing: the same surface, the same bytes on the wire."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from pathlib import Path
from typing import Any, get_overloads

import msgspec
import pytest
import yaml

from tallystick import ArgumentError, AsyncClient, Client
from tallystick.api import routes
from tallystick.api.exchanges import sdk as exchanges
from tallystick.partners.contract import Proof
from tallystick.sdk import functions, link, results
from tallystick.sdk.facades import AsyncResources, Resources

from .requirements import SHARED
from .sdk_operations import CALLS, anything
from .sdk_world import ADA, BASE, ID, Recorder

PAIRS = [
    (Client, AsyncClient),
    *((type(a), type(b)) for a, b in zip(*(vars(k(None)).values() for k in (Resources, AsyncResources)), strict=True)),
    (link.BankLink, link.AsyncBankLink),
    (link.LinkedExchange, link.AsyncLinkedExchange),
    (results.Created, results.AsyncCreated),
    (results.Page, results.AsyncPage),
]  # fmt: skip


def surface(kind: type) -> dict[str, Any]:
    return {
        name: getattr(kind, name)
        for name in dir(kind)
        if not name.startswith("_") and callable(getattr(kind, name))
    }


def plain(signature: inspect.Signature) -> str:
    """Without what must differ: the kinds of results and of HTTP clients."""
    text = str(signature).replace("AsyncPages[", "Page[").replace("AsyncIterator[", "Iterator[")
    return re.sub(r"\bAsync(?=[A-Z])", "", text)


def test_both_have_the_same_resources():
    assert list(vars(Resources(None))) == list(vars(AsyncResources(None)))


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda kind: kind.__name__)
def test_twins_have_the_same_surface(one, other):
    mine, theirs = surface(one), surface(other)
    assert list(mine) == list(theirs)
    for name, method in mine.items():
        twin = theirs[name]
        for a, b in zip(
            [method, *get_overloads(method)], [twin, *get_overloads(twin)], strict=True
        ):
            assert plain(inspect.signature(a)) == plain(inspect.signature(b)), name
        assert (method.__doc__ or "") == (twin.__doc__ or ""), name
        assert not inspect.iscoroutinefunction(method)


# What is the same with and without `await`: it waits for nothing, or returns what is awaited.
UNAWAITED = {
    "link_bank_account": False, "resume_link": True, "with_options": True, "verify": True,
    "unwrap": True, "next_page": False,
}  # fmt: skip


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda kind: kind.__name__)
def test_only_await_is_added(one, other):
    for name, method in surface(other).items():
        returns = str(inspect.signature(method).return_annotation)
        lazy = returns.startswith(("AsyncPages[", "AsyncIterator[")) or UNAWAITED.get(name, False)
        assert inspect.iscoroutinefunction(method) is not lazy, name


# ── the bytes ─────────────────────────────────────────────────────────────────────────────────


def sent(recorder: Recorder) -> list[tuple[str, str, dict[str, str], Any]]:
    named = ("accept", "content-type", "authorization", "user-agent")
    return [
        (
            each.method,
            str(each.url),
            {name: each.headers[name] for name in named if name in each.headers},
            each.content,
        )
        for each in recorder.sent
    ]


def of_sync(call) -> Recorder:
    recorder = Recorder(anything)
    with recorder.client() as client:
        call(client)
    return recorder


def of_async(call) -> Recorder:
    recorder = Recorder(anything)

    async def main():
        async with recorder.async_client() as client:
            await call(client)

    asyncio.run(main())
    return recorder


@pytest.mark.parametrize("name", CALLS)
def test_twins_send_the_same_bytes(name):
    one, other = of_sync(CALLS[name]), of_async(CALLS[name])
    assert sent(one)
    assert sent(one) == sent(other)
    for each in one.sent:
        assert each.headers["accept"] == "application/vnd.dwolla.v1.hal+json"
        assert ("idempotency-key" in each.headers) == (each.method == "POST")
        assert "null" not in each.content.decode()


def test_every_operation_is_in_the_script():
    """So that none is missing from the test above."""
    written = {name.partition(" ")[0] for name in CALLS}
    for attribute, facade in vars(Resources(None)).items():
        methods = {id(f): n for n, f in surface(type(facade)).items() if f.__name__ == n}
        for name in methods.values():
            assert f"{attribute}.{name}" in written or name in ("verify", "unwrap"), name


class Product(msgspec.Struct, rename="camel"):
    product: str
    account_id: str | None = None


class ReceiptProof(Proof, frozen=True):
    member = "finicity"
    receipt_id: str
    customer_id: str | None = None
    products: list[Product] | None = None


def test_a_partner_s_own_proof_is_sent_without_what_it_has_not():
    """Contract 2.3: absent, never null."""
    proof = ReceiptProof("cr_1", products=[Product("moneyTransferDetails")])
    assert exchanges.proof_members(proof=proof) == {
        "finicity": {"receiptId": "cr_1", "products": [{"product": "moneyTransferDetails"}]}
    }
    for wrong in ({}, {"token": "t", "plaid_public_token": "p"}):
        with pytest.raises(ArgumentError):
            exchanges.proof_members(**wrong)
    with pytest.raises(TypeError):
        exchanges.proof_members(akoya="t")


def body_of(name: str) -> Any:
    return json.loads(of_sync(CALLS[name]).sent[-1].content)


def test_bodies_are_the_documented_ones():
    """Contract 5.7, 5.8, 6.3."""
    partner = {"exchange-partner": {"href": f"{BASE}/exchange-partners/{ID}"}}
    assert body_of("exchange_sessions.create_customer_exchange_session") == {
        "_links": {**partner, "redirect-url": {"href": "com.example.app123"}}
    }
    assert body_of("exchange_sessions.create_re_auth_exchange_session") == {}
    exchange = "exchanges.create_customer_exchange"
    assert body_of(exchange) == {"_links": partner, "plaid": {"publicToken": "public-sandbox-1"}}
    assert body_of(f"{exchange} mx") == {
        "_links": partner,
        "mx": {"availableConnectionToken": "t"},
    }
    assert body_of(f"{exchange} checkout") == {"_links": partner, "token": "pay_x"}
    assert body_of(f"{exchange} finicity") == {
        "_links": partner,
        "finicity": {"payorId": "p", "receiptId": "cr_1"},
    }
    source = "funding_sources.create_customer_funding_source"
    link_to = {"exchange": {"href": f"{BASE}/exchanges/{ID}"}}
    assert body_of(source) == {"_links": link_to, "bankAccountType": "checking", "name": "Main"}
    assert body_of(f"{source} card")["cardDetails"]["billingAddress"]["stateProvinceRegion"] == "IA"
    assert body_of(f"{source} numbers")["bankAccountType"] == "loan"
    assert body_of("funding_sources.update") == {"name": "New", "bankAccountType": "savings"}


# ── names ─────────────────────────────────────────────────────────────────────────────────────


def snake(operation: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


def test_every_operation_of_the_gateway_has_its_documented_name():
    """Seed 004: createReAuthExchangeSession is create_re_auth_exchange_session."""
    names = {name for facade in vars(Resources(None)).values() for name in surface(type(facade))}
    names |= set(surface(Client)) | {"get_root"}
    missing = {snake(route.operation) for route in routes()} - names
    assert not missing


@pytest.mark.skipif(not (SHARED / "specs" / "dwolla-openapi.yml").exists(), reason="no spec here")
def test_the_names_of_the_exchange_domain_are_those_of_the_spec():
    spec = yaml.safe_load((SHARED / "specs" / "dwolla-openapi.yml").read_text())
    wanted = re.compile(r"exchange|webhook|^/customers(/\{id\})?$|/balance$|^/events")
    operations = {
        snake(operation["operationId"])
        for path, methods in spec["paths"].items()
        if wanted.search(path)
        for method, operation in methods.items()
        if method in ("get", "post", "delete")
    }
    names = {name for facade in vars(Resources(None)).values() for name in surface(type(facade))}
    standalone = {name for name in vars(functions) if isinstance(getattr(functions, name), functions.Standalone)}  # fmt: skip
    assert len(operations) > 20
    assert operations - names == set()
    for operation in operations:
        assert any(each.endswith(f"_{operation}") for each in standalone), operation


@pytest.mark.parametrize(
    ("address", "path"),
    [
        (f"{BASE}/a/b?x=1", "/a/b?x=1"),
        ("/a?status=due&status=dead&x=", "/a?status=due&status=dead&x="),
        ("a/b", "/a/b"),
        ("/a%2Fb", "/a%2Fb"),
        ("https://evil.example/a", "/a"),
        (f"{BASE}1/a", "/a"),
        ("", "/"),
        (BASE, "/"),
    ],
)
def test_any_address_is_asked_of_our_own_server(address, path):
    recorder = Recorder(anything)
    with recorder.client() as client:
        assert client.get(address).json()["id"] == ID
        assert client.get(client.customers.get(ID)).status_code == 200
    assert str(recorder.sent[0].url) == BASE + path


def test_a_function_returns_instead_of_raising():
    recorder = Recorder(anything)
    create = functions.exchange_sessions_create_customer_exchange_session
    with recorder.client() as client:
        done = create(client, ID, exchange_partner="plaid")
        assert done.ok
        assert done.value.id == ID
        failed = create(client, "", exchange_partner="plaid")
        assert not failed.ok
        assert "customers" in str(failed.error)

    async def main():
        async with recorder.async_client() as client:
            done = await create(client, ID, exchange_partner="plaid")
            assert done.ok
            listed = await functions.exchanges_list_customer_exchanges(client, ID)
            assert listed.ok
            assert listed.value.total == 1

    asyncio.run(main())


def test_raw_responses_wrap_the_same_results():
    recorder = Recorder(anything)
    with recorder.client() as client:
        raw = client.with_raw_response.customers.get(ID)
        assert raw.headers["x-request-id"] == "req-1"
        assert raw.status_code == 200
        assert raw.parse() == client.customers.get(ID)
        assert raw.json()["id"] == ID
        made = client.with_raw_response.customers.create(**ADA)
        assert made.status_code == 201
        assert made.parse().fetch().id == ID
        assert client.with_raw_response.customers.list().parse().next_page() is not None

    async def main():
        async with recorder.async_client() as client:
            raw = await client.with_raw_response.customers.list()
            assert raw.headers["x-request-id"] == "req-1"
            assert (await raw.parse().next_page()) is not None

    asyncio.run(main())


def test_the_version_is_the_distribution_s():
    from tallystick.sdk.requests import VERSION

    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    assert f'version = "{VERSION}"' in text
