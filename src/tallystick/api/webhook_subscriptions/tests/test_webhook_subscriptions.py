"""Webhook subscriptions: limits, texts, isolation, and a secret that never comes back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.receiver import subscribe, told
from tests.witness import query

from tallystick.api.webhook_subscriptions import service, store
from tallystick.clock import HOUR_MS, to_iso
from tallystick.errors import MaxNumberOfResources, ValidationFailed
from tallystick.signature import sign_standard, verify
from tallystick.store.db import EVERY, Statement

pytestmark = pytest.mark.anyio

PATH = "/webhook-subscriptions"
HOOK = "http://127.0.0.1:1/hook"
GOOD = {"url": HOOK, "secret": "sshhhhhh"}


ANALYZE = Statement("ANALYZE subscription")
EVERY.remove(ANALYZE)  # it cannot be prepared


async def test_webhooks_are_written_in_the_same_order_whatever_was_changed_last(gateway):
    """Of a small table PostgreSQL reads the rows where they lie, and a change moves a row."""
    client = await gateway.application()
    made = sorted([(await client.create(PATH, GOOD)).rpartition("/")[2] for _ in range(3)])
    transact = gateway.core.db.transact
    await transact(lambda tx: tx.run(ANALYZE))
    await transact(lambda tx: store.failed(tx, made[0]))
    app_id = client.made["id"]
    wanting = await transact(lambda tx: service.list_wanting(tx, app_id, "customer_created"))
    assert [subscription_id for subscription_id, _ in wanting] == made


async def test_the_life_of_a_subscription(gateway):
    client = await gateway.application()
    made = await client.create(PATH, GOOD)
    shown = (await client.get(made)).json()
    assert shown["_links"]["self"]["href"] == made
    assert shown["_links"]["webhooks"]["href"] == f"{made}/webhooks"
    assert (shown["url"], shown["paused"], made.rpartition("/")[2]) == (HOOK, False, shown["id"])
    listed = (await client.get(PATH)).json()
    assert (listed["total"], listed["_embedded"]["webhook-subscriptions"]) == (1, [shown])
    for paused in (True, True, False):
        answer = await client.post(made, json={"paused": paused})
        assert (answer.status_code, answer.json()) == (200, {**shown, "paused": paused})
    deleted = await client.delete(made)
    assert (deleted.status_code, deleted.json()) == (200, shown)
    for answer in (
        await client.get(made),
        await client.delete(made),
        await client.post(made, json={"paused": True}),
        await client.get(f"{made}/webhooks"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "NotFound")
    assert (await client.get(PATH)).json()["total"] == 0
    assert [row[0] for row in await query(gateway, "SELECT secret_sealed FROM subscription")] == [
        None
    ]


async def test_the_secret_is_sealed_and_never_shown(gateway):
    client = await gateway.application()
    made = await client.create(PATH, {"url": HOOK, "secret": "canary-7731"})
    for path in (made, PATH):
        assert "canary" not in (await client.get(path)).text
    (row,) = await query(gateway, "SELECT url, secret_sealed FROM subscription")
    assert b"canary" not in bytes(row[1])
    target = await service.target(gateway.core, made.rpartition("/")[2])
    assert target.secret.reveal() == b"canary-7731"
    assert "canary" not in repr(target)


URL = ("InvalidFormat", "/url", "Url must be a valid url.")
SECRET = ("InvalidFormat", "/secret", "Secret must be 128 or fewer characters.")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("Required", "/url", "Url required."), ("Required", "/secret", "Secret required.")]),
        ({**GOOD, "url": "nonsense"}, [URL]),
        ({**GOOD, "url": "ftp://example.com"}, [URL]),
        ({**GOOD, "url": "//example.com/a"}, [URL]),
        ({**GOOD, "url": "http://"}, [URL]),
        ({**GOOD, "url": "http://example.com:99999/"}, [URL]),
        ({**GOOD, "url": "http://example.com:0/"}, [URL]),
        ({**GOOD, "url": "http://[::1/"}, [URL]),
        ({**GOOD, "url": "http://user:pass@example.com/"}, [URL]),
        ({**GOOD, "url": "http://exa mple.com/"}, [URL]),
        ({**GOOD, "url": "http://example.com\\@evil.test/"}, [URL]),
        ({**GOOD, "url": "http://ünicode.example/"}, [URL]),
        ({**GOOD, "url": "javascript:alert(1)"}, [URL]),
        ({**GOOD, "url": "http://example.com/" + "a" * 3_000}, [URL]),
        ({**GOOD, "url": 5}, [("Invalid", "/url", "Url invalid.")]),
        ({**GOOD, "secret": "s" * 129}, [SECRET]),
        ({"url": "x", "secret": "s" * 129}, [URL, SECRET]),
        ({**GOOD, "secret": ""}, [("Invalid", "/secret", "Secret invalid.")]),
        ({**GOOD, "secret": None}, [("Invalid", "/secret", "Secret invalid.")]),
    ],
)
async def test_what_is_wrong_is_told_all_at_once(gateway, body, expected):
    client = await gateway.application()
    answer = await client.post(PATH, json=body)
    errors = answer.json()["_embedded"]["errors"]
    assert answer.status_code == 400
    assert [(each["code"], each["path"], each["message"]) for each in errors] == expected
    assert (await client.get(PATH)).json()["total"] == 0


@pytest.mark.parametrize("body", [None, [], "x", {}, {"paused": None}, {"paused": "true"}])
async def test_an_update_says_whether_it_is_paused(gateway, body):
    client = await gateway.application()
    made = await client.create(PATH, GOOD)
    answer = await client.post(made, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest")


async def test_limits_of_number_and_length(gateway):
    client, other = await gateway.application(), await gateway.application()
    await client.create(PATH, {"url": "https://example.com:8443/a?b=c", "secret": "s" * 128})
    answers = await asyncio.gather(*(client.post(PATH, json=GOOD) for _ in range(12)))
    assert sorted(each.status_code for each in answers) == [201] * 9 + [400] * 3
    refused = next(each for each in answers if each.status_code == 400).json()
    assert refused == {
        "code": "MaxNumberOfResources",
        "message": "The maximum number of subscriptions has been reached.",
    }
    await other.create(PATH, GOOD)
    listed = (await client.get(PATH)).json()["_embedded"]["webhook-subscriptions"]
    await client.delete(listed[0]["_links"]["self"]["href"])
    await client.create(PATH, GOOD)


async def test_live_wants_https_and_half_as_many(gateway):
    app_id = (await gateway.application()).made["id"]
    live = replace(gateway.core, live=True, webhook_hosts=("hooks.internal",))
    for url in (
        "http://example.com/",
        "http://hooks.internal.evil.test/",
        "https://example.com:6379/",
        "https://example.com:80/",
    ):
        with pytest.raises(ValidationFailed):
            await service.create(live, app_id, {"url": url, "secret": "s"}, None)
    for url in ("https://example.com/", "http://hooks.internal:81/", *["https://a.test:8443/"] * 3):
        await service.create(live, app_id, {"url": url, "secret": "s"}, None)
    with pytest.raises(MaxNumberOfResources):
        await service.create(live, app_id, {"url": "https://a.test/", "secret": "s"}, None)


async def test_the_same_key_makes_one(gateway):
    client = await gateway.application()
    key = {"headers": {"Idempotency-Key": "k"}}
    made = [await client.create(PATH, GOOD, **key) for _ in range(2)]
    assert made[0] == made[1]
    assert (await client.get(PATH)).json()["total"] == 1
    other = await client.post(PATH, json={**GOOD, "secret": "other"}, **key)
    assert (other.status_code, other.json()["code"]) == (409, "Conflict")
    key = {"headers": {"Idempotency-Key": "pause"}}
    paused = [await client.post(made[0], json={"paused": True}, **key) for _ in range(2)]
    assert paused[0].content == paused[1].content


async def test_it_can_be_switched_off(gateway):
    client = await gateway.application(withheld=["webhooks"])
    for answer in (await client.get(PATH), await client.post(PATH, json=GOOD)):
        assert (answer.status_code, answer.json()["code"]) == (403, "Forbidden")


# ── ours: topics, and a secret that is replaced ───────────────────────────────────────────────

OURS = "/_tallystick/webhook-subscriptions"


async def test_a_subscription_may_choose_topics(gateway):
    """Dwolla's own body has no such member: there it is ignored, and every topic comes."""
    client = await gateway.application()
    topics = ["customer_deactivated", "customer_suspended"]
    every = await client.create(PATH, {**GOOD, "topics": topics})
    some = await client.create(OURS, {**GOOD, "topics": [*topics, topics[0]]})
    some = some.replace(OURS, PATH)
    shown = (await client.get(f"{OURS}/{some.rpartition('/')[2]}")).json()
    assert (shown["topics"], shown["secretOverlapUntil"]) == (topics, None)
    listed = (await client.get(OURS)).json()["webhook-subscriptions"]
    assert [each["topics"] for each in listed] == [topics, None]
    plain = {name: shown[name] for name in ("_links", "id", "url", "paused", "created")}
    assert (await client.get(some)).json() == plain, "the documented body stays as it is"
    customer = await client.customer()
    await client.post(customer, json={"status": "deactivated"})
    created = "customer_created"
    assert [each["topic"] for each in await told(client, every)] == [created, topics[0]]
    assert [each["topic"] for each in await told(client, some)] == [topics[0]]
    for chosen, last in (([created], created), (None, created)):
        answer = await client.post(f"{OURS}/{shown['id']}", json={"topics": chosen})
        assert (answer.status_code, answer.json()["topics"]) == (200, chosen)
        await client.customer()
        assert (await told(client, some))[-1]["topic"] == last
    assert len(await told(client, some)) == 3


@pytest.mark.parametrize("body", [{}, {"topics": []}, {"topics": ["nonsense"]}, {"topics": "x"}])
async def test_topics_that_cannot_be(gateway, body):
    client = await gateway.application()
    made = (await client.create(PATH, GOOD)).rpartition("/")[2]
    answer = await client.post(f"{OURS}/{made}", json=body)
    (error,) = answer.json()["_embedded"]["errors"]
    assert (answer.status_code, error["path"]) == (400, "/topics")


async def sent(gateway, client, receiver):
    """The headers and the body of the webhook of a change that is made now."""
    await client.customer()
    await gateway.process.drain()
    got = receiver.got[-1]
    return got.headers, got.body


OLD = "SELECT secret_old_sealed, secret_old_until FROM subscription"


async def test_a_secret_is_replaced_with_both_signing_for_a_while(gateway, receive):
    """Standard Webhooks has room for both; Dwolla's header has one, which is the new secret's."""
    client, receiver = await gateway.application(), await receive()
    gateway.clock.freeze()
    path = f"{OURS}/{(await subscribe(client, receiver, 'old')).rpartition('/')[2]}"
    key = {"headers": {"Idempotency-Key": "k"}}
    asked = {"secret": "new", "overlapHours": 2}
    answers = [await client.post(f"{path}/secrets", json=asked, **key) for _ in range(2)]
    assert answers[0].content == answers[1].content
    until = to_iso(gateway.clock.now_ms() + 2 * HOUR_MS)
    assert (answers[0].status_code, answers[0].json()["secretOverlapUntil"]) == (200, until)
    assert "new" not in answers[0].text
    gateway.clock.advance(2 * HOUR_MS - 1)
    await client.sign_in(client.made["client_id"], client.made["client_secret"])
    for secrets in (["new", "old"], ["new"]):
        headers, body = await sent(gateway, client, receiver)
        assert verify(b"new", body, headers["X-Request-Signature-SHA-256"])
        stamp = int(headers["webhook-timestamp"])
        assert headers["webhook-signature"] == " ".join(
            sign_standard(each.encode(), headers["webhook-id"], stamp, body) for each in secrets
        )
        shown = (await client.get(path)).json()["secretOverlapUntil"]
        assert (shown is None) == (len(secrets) == 1)
        gateway.clock.advance(1)
    assert await service.forget(gateway.core) == 1
    assert [tuple(row) for row in await query(gateway, OLD)] == [(None, None)]
    assert await service.forget(gateway.core) == 0


async def test_a_secret_that_leaked_is_gone_at_once(gateway, receive):
    client, receiver = await gateway.application(), await receive()
    made = await subscribe(client, receiver, "leaked")
    path = f"{OURS}/{made.rpartition('/')[2]}/secrets"
    await client.post(path, json={"secret": "next"})
    assert [bool(row[0]) for row in await query(gateway, OLD)] == [True]
    await client.post(path, json={"secret": "last", "overlapHours": 0})
    assert [tuple(row) for row in await query(gateway, OLD)] == [(None, None)]
    headers, body = await sent(gateway, client, receiver)
    assert verify(b"last", body, headers["X-Request-Signature-SHA-256"])
    assert " " not in headers["webhook-signature"]
    await client.post(path, json={"secret": "more"})
    await client.delete(made)
    assert [tuple(row) for row in await query(gateway, OLD)] == [(None, None)]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "/secret"),
        ({"secret": ""}, "/secret"),
        ({"secret": "s" * 129}, "/secret"),
        ({"secret": "s", "overlapHours": 24.1}, "/overlapHours"),
        ({"secret": "s", "overlapHours": -1}, "/overlapHours"),
    ],
)
async def test_secrets_that_cannot_be(gateway, body, path):
    client, other = await gateway.application(), await gateway.application()
    made = (await client.create(PATH, GOOD)).rpartition("/")[2]
    answer = await client.post(f"{OURS}/{made}/secrets", json=body)
    (error,) = answer.json()["_embedded"]["errors"]
    assert (answer.status_code, error["path"]) == (400, path)
    for foreign in (
        await other.get(f"{OURS}/{made}"),
        await other.post(f"{OURS}/{made}", json={"topics": None}),
        await other.post(f"{OURS}/{made}/secrets", json={"secret": "s"}),
    ):
        assert (foreign.status_code, foreign.json()["code"]) == (404, "NotFound")
