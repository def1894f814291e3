"""Receiving webhooks, and having them sent again."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from hypothesis import given, settings, strategies as st

from tallystick import ArgumentError, Client, ConfigurationError, Event, WebhookSignatureError
from tallystick.clock import HOUR_MS, VirtualClock, to_iso

from .sdk_world import BASE, CUSTOMER, ID, Recorder, answer, created

EVENT = json.dumps({
    "_links": {"resource": {"href": CUSTOMER, "type": "x", "resource-type": "customer"}},
    "id": ID, "created": "2026-02-03T10:15:12.020Z", "topic": "customer_created", "resourceId": ID,
    "correlationId": "c-1",
}).encode()  # fmt: skip
NOW_MS = 1_800_000_000_000


def signed(body: bytes, secret: str, name: str = "X-Request-Signature-SHA-256") -> dict[str, str]:
    return {name: hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


@pytest.fixture(scope="module")
def webhooks():
    with Client() as client:
        yield client.webhooks


@pytest.mark.parametrize("name", ["X-Request-Signature-SHA-256", "x-request-signature-sha-256"])
@pytest.mark.parametrize("secret", ["new", ["new"], ["new", "old"], ["old", "new"], ("new",)])
def test_an_event_is_unwrapped(webhooks, name, secret):
    event = webhooks.unwrap(EVENT, signed(EVENT, "new", name), secret=secret)
    assert isinstance(event, Event)
    assert (event.id, event.topic, event.resource_id) == (ID, "customer_created", ID)
    assert event.unknown == {"correlationId": "c-1"}


def test_what_others_signed_is_refused(webhooks):
    for headers in (
        {},
        {"X-Request-Signature-SHA-256": ""},
        {"X-Request-Signature-SHA-256": "ü"},
        signed(EVENT, "other"),
        signed(EVENT + b" ", "n3w"),
        {name: value[:-1] for name, value in signed(EVENT, "n3w").items()},
    ):
        with pytest.raises(WebhookSignatureError) as caught:
            webhooks.unwrap(EVENT, headers, secret=["n3w", "0ld"])
        assert not {each for each in ("n3w", "0ld") if each in str(caught.value)}


@settings(deadline=None)
@given(st.binary(max_size=80), st.text(max_size=80))
def test_no_body_and_no_header_break_it(webhooks, body, value):
    with pytest.raises(WebhookSignatureError):
        webhooks.unwrap(body, {"x-request-signature-sha-256": value}, secret="new")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"id": 5, "topic": "t"}'])
def test_a_signed_body_that_is_no_event_is_refused(webhooks, body):
    with pytest.raises(WebhookSignatureError):
        webhooks.unwrap(body, signed(body, "new"), secret="new")
    webhooks.verify(body, signed(body, "new"), secret="new")


@pytest.mark.parametrize("secret", ["", [], ["", "new"]])
def test_an_empty_secret_is_refused(webhooks, secret):
    """Anybody could sign with it; it is what an unset variable becomes."""
    with pytest.raises(ConfigurationError):
        webhooks.unwrap(EVENT, signed(EVENT, ""), secret=secret)
    with Client() as client, pytest.raises(ArgumentError):
        client.webhook_subscriptions.create(url="https://host/hook", secret="")


def test_a_decoded_body_is_a_mistake(webhooks):
    with pytest.raises(TypeError, match="raw"):
        webhooks.unwrap(json.loads(EVENT), signed(EVENT, "new"), secret="new")


def test_the_resource_is_fetched_as_what_it_is():
    with Recorder(answer({"id": ID, "firstName": "Ada"})).client() as client:
        event = client.webhooks.unwrap(EVENT, signed(EVENT, "s"), secret="s")
        assert event.resource(client).first_name == "Ada"
        body = EVENT.replace(b"/customers/", b"/statements/")
        other = client.webhooks.unwrap(body, signed(body, "s"), secret="s")
        with pytest.raises(ArgumentError):
            other.resource(client)


# ── sending again ─────────────────────────────────────────────────────────────────────────────


def attempt(status: int | None, ago_ms: int) -> dict:
    response = {} if status is None else {"response": {"statusCode": status}}
    return {"id": "a", "request": {"timestamp": to_iso(NOW_MS - ago_ms)}, **response}


WEBHOOKS = {
    "delivered": [attempt(500, HOUR_MS), attempt(204, HOUR_MS // 2)],
    "refused": [attempt(500, HOUR_MS)],
    "silent": [attempt(None, HOUR_MS)],
    "older": [attempt(500, 3 * HOUR_MS)],
    "paused": [],
    "odd": [{"request": {"timestamp": "yesterday"}}],
}


def gateway(request):
    if request.method == "POST":
        return created(f"/retries/{ID}")
    offset = int(request.url.params.get("offset", 0))
    names = list(WEBHOOKS)[offset : offset + 4]
    following = {"next": {"href": f"{request.url.path}?limit=4&offset={offset + 4}"}}
    return answer({
        "_links": following if offset == 0 else {},
        "_embedded": {"webhooks": [{"id": n, "topic": "t", "attempts": WEBHOOKS[n]} for n in names]},
        "total": len(WEBHOOKS),
    })  # fmt: skip


@pytest.fixture
def clock():
    clock = VirtualClock()
    clock.freeze()
    clock.set(NOW_MS)
    return clock


def test_what_was_not_delivered_is_sent_again(clock):
    recorder = Recorder(gateway)
    with recorder.client() as client:
        again = client.webhooks.redeliver_failed(ID, since=timedelta(hours=2), clock=clock)
    assert [each.id for each in again] == ["refused", "silent", "paused", "odd"]
    posts = [each.url.path for each in recorder.sent if each.method == "POST"]
    assert posts == [f"/webhooks/{each.id}/retries" for each in again]
    first = recorder.sent[0].url
    assert first.path == f"/webhook-subscriptions/{ID}/webhooks"
    assert first.params["startDate"] == to_iso(NOW_MS - 2 * HOUR_MS)[:10]
    assert len(set(recorder.header("idempotency-key"))) == len(posts) + 1


def test_the_same_asynchronously(clock):
    recorder = Recorder(gateway)

    async def main():
        async with recorder.async_client() as client:
            return await client.webhooks.redeliver_failed(
                f"{BASE}/webhook-subscriptions/{ID}", since=timedelta(hours=2), clock=clock
            )

    assert len(asyncio.run(main())) == 4
