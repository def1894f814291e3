"""Flows against a server that answers anything: a result or an error of ours, and an end."""

from __future__ import annotations

import itertools
import json
import os
import pickle
from urllib.parse import urlsplit

import httpx2
import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from tallystick import (
    APIError,
    ArgumentError,
    Client,
    Customer,
    Exchange,
    ExchangePartner,
    FundingSource,
    ResponseShapeError,
    RetryConfig,
    TallystickError,
)
from tallystick.errors import ApiError
from tallystick.flow import Answer, Http, id_of, read
from tallystick.sdk import errors, linking
from tallystick.sdk.errors import error_of
from tallystick.sdk.webhooks import Webhook
from tallystick.sdk.wirelog import masked

from .sdk_operations import CALLS
from .sdk_world import BASE, CUSTOMER, ID, Recorder, answer, customer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
ADDRESS = st.sampled_from(
    [CUSTOMER, f"{BASE}/exchanges/{ID}", f"{BASE}/retries/{ID}", "", "//", "http://[", "a" * 9000,
     "https://evil.example/customers/../token", f"{BASE}/customers/%2e%2e?limit=2&offset=9"],
)  # fmt: skip
LINKS = st.dictionaries(
    st.sampled_from(["self", "next", "about", "resource", "exchange-partner"]),
    st.fixed_dictionaries({"href": ADDRESS | JSON}) | JSON,
    max_size=4,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "_links": LINKS | JSON,
        "_embedded": st.dictionaries(
            st.sampled_from(["customers", "exchanges", "exchange-partners", "webhooks", "errors",
                             "available-exchange-connections", "events", "funding-sources"]),
            st.lists(st.dictionaries(st.sampled_from(["id", "name", "_links", "attempts"]), LINKS | JSON, max_size=3), max_size=3) | JSON,
            max_size=3,
        ) | JSON,
        "id": st.just(ID) | JSON, "name": st.just("MX") | JSON, "status": JSON, "code": JSON,
        "message": JSON, "total": JSON, "topic": JSON, "attempts": JSON, "externalProviderSessionData": JSON,
    },
)  # fmt: skip
BODY = st.one_of(
    NEARLY.map(lambda value: json.dumps(value).encode()),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    st.just(b"[" * 100_000),
)
ANSWER = st.builds(
    lambda status, body, location, retry: (
        status, body, {"location": location, "retry-after": retry}),
    st.sampled_from([200, 201, 204, 301, 400, 401, 403, 404, 409, 418, 429, 500, 503, 599]),
    BODY,
    ADDRESS,
    st.sampled_from(["", "0", "x", "Thu, 01 Jan 1970 00:00:00 GMT"]),
)  # fmt: skip

NEVER = RetryConfig(max_retries=1, initial_s=0.0)
REQUESTS_MAX = 60


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=200 if os.environ.get("TALLYSTICK_TESTS_LONG") else 12, deadline=None)
@given(answers=st.lists(ANSWER, min_size=1, max_size=4))
def test_whatever_is_answered_it_ends_in_a_result_or_an_error_of_ours(name, answers):
    sent = []

    def server(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        assert len(sent) <= REQUESTS_MAX
        assert str(request.url).startswith(f"{BASE}/")
        status, body, headers = answers[len(sent) % len(answers)]
        headers = {k: v.encode("ascii", "replace").decode() for k, v in headers.items() if v}
        return httpx2.Response(status, content=body, headers=headers)

    with Recorder(server).client(retry_config=NEVER, bearer_auth="t") as client:
        try:
            result = CALLS[name](client)
        except TallystickError:
            return
        repr(result)
        if hasattr(result, "pages"):
            for _ in zip(range(5), result, strict=False):
                pass


@settings(max_examples=300, deadline=None)
@given(
    ref=st.text(max_size=60) | ADDRESS | st.text(max_size=20).map(lambda t: f"{BASE}/customers/{t}")
)
def test_no_reference_leads_out_of_its_collection(ref):
    recorder = Recorder(lambda _request: answer(customer()))
    with recorder.client(bearer_auth="t") as client:
        try:
            client.customers.get(ref)
        except ArgumentError:
            assert not recorder.sent
            return
    url = recorder.sent[0].url
    steps = url.raw_path.decode().split("/")
    assert (url.scheme, url.host, url.port) == ("http", "127.0.0.1", 7420)
    assert len(steps) == 3
    assert steps[1] == "customers"
    assert steps[2] not in ("", ".", "..")


@given(st.uuids().map(str), st.sampled_from([Customer, Exchange, FundingSource, ExchangePartner]))
def test_an_address_gives_back_its_id(found, model):
    for base in (BASE, "https://api.dwolla.com", "https://host/prefix"):
        assert id_of(f"{base}/{model.COLLECTION}/{found}", model) == found


def test_ids_addresses_and_models_are_interchangeable_and_others_are_refused():
    recorder = Recorder(lambda _request: answer(customer(), location=CUSTOMER))
    with recorder.client() as client:
        model = client.customers.get(ID)
        made = client.customers.create(first_name="A", last_name="B", email="c")
        for ref in (ID, CUSTOMER, f"https://api.dwolla.com/customers/{ID}", model, made):
            assert client.customers.get(ref).id == ID
        for other in (model, made, CUSTOMER, 7, None, b"x", object()):
            with pytest.raises(ArgumentError):
                client.exchanges.get_exchange(other)


# ── an open world ─────────────────────────────────────────────────────────────────────────────


def test_what_is_unknown_is_kept_and_what_is_missing_is_none():
    body = customer(status="brand-new", shoeSize=42, phone=5)
    del body["lastName"]
    body["_links"]["bad"] = {"href": 5}
    with Recorder(answer(body)).client() as client:
        found = client.customers.get(ID)
    assert (found.status, found.last_name, found.phone) == ("brand-new", None, None)
    assert found.unknown == {"shoeSize": 42}
    assert found.raw["phone"] == 5
    assert found.href == CUSTOMER
    assert found.link("bad") is None
    assert found.http.request_id == "req-1"
    assert repr(found) == f"Customer(id='{ID}', status='brand-new')"
    assert isinstance(hash(found), int)


def test_strict_makes_drift_an_error():
    body = customer()
    del body["lastName"]
    with Recorder(answer(body)).client(strict=True) as client, pytest.raises(ResponseShapeError):
        client.customers.get(ID)


@settings(deadline=None)
@given(NEARLY)
def test_reading_never_raises(members):
    try:
        msgspec.json.decode(json.dumps(members))
    except msgspec.DecodeError:  # NaN, Infinity, half a surrogate pair: no JSON
        return
    for model in (Customer, Exchange, FundingSource, ExchangePartner, Webhook):
        found = read(Answer(Http(200, {}), json.dumps(members).encode()), model)
        assert isinstance(found.href, str)
        assert set(found.unknown) <= set(members)
        msgspec.to_builtins(found)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"5", b"\xff", b"[" * 100_000])
def test_a_success_that_is_no_object_is_an_error(body):
    server = Recorder(httpx2.Response(200, content=body))
    with server.client() as client, pytest.raises(ResponseShapeError):
        client.customers.get(ID)


@pytest.mark.parametrize("location", ["", "/elsewhere/1", f"{BASE}/exchanges/{ID}"])
def test_a_creation_without_its_address_is_an_error(location):
    server = Recorder(answer(None, 201, location=location))
    with server.client() as client, pytest.raises(ResponseShapeError):
        client.customers.create(first_name="A", last_name="B", email="c")


def test_a_list_that_leads_in_a_circle_ends():
    turns = itertools.count()

    def server(request):
        offset = next(turns) % 3
        return answer({
            "_links": {"next": {"href": f"https://evil.example/token?limit=1&offset={offset}"}},
            "_embedded": {"customers": [customer()]},
            "total": 2,
        })  # fmt: skip

    recorder = Recorder(server)
    with recorder.client() as client:
        assert len(list(client.customers.list(limit=1))) == 1
        assert len(list(client.customers.list(limit=1))) == 3
    assert {each.url.path for each in recorder.sent} == {"/customers"}
    assert {urlsplit(str(each.url)).hostname for each in recorder.sent} == {"127.0.0.1"}


@settings(deadline=None)
@given(JSON | st.dictionaries(st.sampled_from([*linking.LinkState.__annotations__]), JSON))
def test_a_state_is_one_or_is_refused(state):
    with Client() as client:
        try:
            client.resume_link(state)
        except ArgumentError:
            return
    assert set(state) >= set(linking.LinkState.__annotations__)


@given(BODY, st.text(min_size=12, max_size=20))
def test_the_log_masks_whatever_it_is_given(body, secret):
    assert isinstance(masked(body), str)
    for hidden in (secret, [secret], {"a": {"b": [secret]}}, [[[[[[[[secret]]]]]]]]):
        text = masked(msgspec.json.encode({"anything": hidden, "status": "active"}))
        assert json.dumps(secret, ensure_ascii=False)[1:-1] not in text
        assert '"status":"active"' in text


# ── errors ────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(400, 599), BODY)
def test_every_refusal_is_an_api_error_of_its_status(status, body):
    error = error_of(Http(status, {"x-request-id": "r"}), body)
    assert isinstance(error, APIError)
    assert error.status_code == status
    assert "(request r)" in str(error)
    assert error.about is None or isinstance(error.about, str)


def all_of(kind: type) -> list[type]:
    return [kind, *(each for below in kind.__subclasses__() for each in all_of(below))]


@pytest.mark.parametrize("kind", [k for k in all_of(ApiError) if "code" in vars(k) and k.code])
def test_every_code_of_the_gateway_has_its_error_in_both_spellings(kind):
    for code in (kind.code, kind.code[:1].lower() + kind.code[1:], kind.code.upper()):
        body = json.dumps({"code": code, "message": "m"}).encode()
        found = type(error_of(Http(kind.status, {}), body))
        assert kind.code in found.codes
        assert found.status == kind.status


def test_an_error_comes_out_of_another_process_as_it_was():
    body = b'{"code": "ValidationError", "message": "m"}'
    error = error_of(Http(400, {"x-request-id": "r"}, 2), body, 1.5)
    came = pickle.loads(pickle.dumps(error))
    assert (type(came), str(came)) == (type(error), str(error))
    assert (came.http, came.body, came.retry_after_s) == (error.http, error.body, 1.5)


def test_a_bad_proof_is_the_same_error_under_401():
    body = b'{"code": "invalidExchangeToken"}'
    assert type(error_of(Http(401, {}), body)) is errors.InvalidExchangeTokenError


def test_the_tree_is_drawn_and_listed():
    for kind in all_of(errors.APIError) + all_of(errors.APIConnectionError):
        assert kind.__name__ in (errors.__doc__ or "")
        assert kind.__name__ in errors.__all__
    assert errors.__all__ == sorted(errors.__all__)


def test_an_error_shows_the_way_out():
    about = {"href": f"{BASE}/exchanges/{ID}/exchange-sessions"}
    body = json.dumps({"code": "UpdateCredentials", "message": "m", "_links": {"about": about}})
    error = error_of(Http(400, {}), body.encode())
    assert isinstance(error, errors.UpdateCredentialsError)
    assert error.about == about["href"]
