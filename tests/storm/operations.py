"""Every kind of change that a client can make, at random, each noted in the history.

A client works on what it made itself, one operation at a time, so that it knows what it should
find. Some operations carry no key: cut off, they leave two possibilities, and their resource is
left alone from then on.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

from .client import Client, Unanswered, id_of
from .history import Resource, Subscription
from .sinks import SECRET

WITHOUT_KEY = 0.1
CHURNING_MAX = 3
# Links of clients that were pointed here from Dwolla's sandbox.
ALIAS = "https://api-sandbox.dwolla.com"
_HOME = {
    "address1": "1 Main St", "city": "Des Moines", "state": "IA", "postalCode": "50309",
    "dateOfBirth": "1990-12-10", "ssn": "1234", "type": "personal",
}  # fmt: skip

Operation = Callable[["Operator"], Awaitable[None]]


class Operator:
    """One client at work for one application."""

    def __init__(self, name: str, app: str, client: Client, sink_url: Callable[[str], str]) -> None:
        self.name, self.app, self.client = name, app, client
        self.rng: random.Random = client.rng
        self.history = client.history
        self.sink_url = sink_url
        self.number = 0
        self.customers: list[Resource] = []
        self.exchanges: list[Resource] = []
        self.sources: list[Resource] = []
        self.churning: list[Subscription] = []
        self.webhooks: list[str] = []

    async def work(self, takes: Callable[[], bool]) -> None:
        """Operate for as long as there is one to take."""
        while takes():
            jumps = self.history.counts["jumps"]
            operation = self.rng.choices(list(OPERATIONS), list(OPERATIONS.values()))[0]
            self.history.counts["operations"] += 1
            self.history.counts[operation.__name__.replace("_", " ")] += 1
            try:
                await operation(self)
            except Unanswered:
                self.history.counts["unanswered"] += 1
            except AssertionError as error:
                # What stands before the operation, such as a connect page, was cut off half way,
                # or was no longer valid when the time had moved.
                if not self.client.interrupted and jumps == self.history.counts["jumps"]:
                    self.history.wrong.append(f"{operation.__name__}: {str(error)[:300]}")
                self.history.counts["abandoned"] += 1
            finally:
                self.client.once = False

    def pick(self, among: list[Any], **state: Any) -> Any:
        """One in this state about which all is known; None if there is none."""
        found = [
            each
            for each in among
            if each.certain and all(each.state.get(name) == value for name, value in state.items())
        ]
        return self.rng.choice(found) if found else None

    async def make(
        self, kind: str, path: str, body: Any, state: dict[str, Any], *topics: str
    ) -> Resource | None:
        """Post something new; None if it was refused."""
        sent_at = time.monotonic()
        self.client.once = self.rng.random() < WITHOUT_KEY and kind != "exchange"
        try:
            answer = await self.client.post(path, json=body)
        except Unanswered:
            for topic in topics:
                self.history.unanswered[self.app, topic] += 1
            raise
        if answer.status_code != 201:
            self.refused(kind, answer)
            return None
        made = Resource(kind, id_of(answer.headers["location"]), self.app, state)
        if made.id in self.history.resources:
            self.history.wrong.append(f"{kind} {made.id} was made twice")
            return None
        self.history.add(made)
        self.history.tell(self.app, made.id, topics, sent_at)
        return made

    async def change(self, it: Resource, path: str, body: Any, to: Any, *topics: str) -> bool:
        """Post a change of `it`; False if it was refused."""
        sent_at = time.monotonic()
        self.client.once = self.rng.random() < WITHOUT_KEY
        try:
            answer = await self.client.post(path, json=body)
        except Unanswered:
            it.after, it.after_topics = it.state | to, topics
            raise
        if answer.status_code != 200:
            self.refused(it.kind, answer)
            return False
        it.state |= to
        self.history.tell(self.app, it.id, topics, sent_at)
        return True

    def refused(self, kind: str, answer: httpx2.Response) -> None:
        """A refusal is an answer: it must have changed nothing."""
        self.history.counts[f"{kind} refused: {answer.json().get('code')}"] += 1


# ── customers ─────────────────────────────────────────────────────────────────────────────────


async def create_customer(op: Operator) -> None:
    op.number += 1
    email = f"{op.name}-{op.number}@example.com"
    body = {"firstName": "Ada", "lastName": "Byron", "email": email}
    topics, status = ["customer_created"], "unverified"
    if op.rng.random() < 0.25:
        body |= _HOME
        topics.append("customer_verified")
        status = "verified"
    made = await op.make(
        "customer", "/customers", body, {"email": email, "status": status}, *topics
    )
    if made:
        op.customers.append(made)


async def change_customer(op: Operator) -> None:
    if (customer := op.pick(op.customers)) is None:
        return
    path = f"/customers/{customer.id}"
    if customer.state["status"] == "deactivated":
        status = customer.state.pop("before")
        body = {"status": "reactivated"}
        await op.change(customer, path, body, {"status": status}, "customer_activated")
    elif op.rng.random() < 0.4:
        customer.state["before"] = customer.state["status"]
        to = {"status": "deactivated"}
        await op.change(customer, path, to, to, "customer_deactivated")
    else:
        op.number += 1
        to = {"email": f"{op.name}-{op.number}@example.com"}
        await op.change(customer, path, to, to)


# ── sessions, exchanges, funding sources ──────────────────────────────────────────────────────


async def start_session(op: Operator) -> None:
    if customer := op.pick(op.customers):
        href = await op.client.partner_href(op.rng.choice(("Plaid", "MX")))
        body = {"_links": {"exchange-partner": {"href": href}}}
        await op.make("session", f"/customers/{customer.id}/exchange-sessions", body, {})


async def redeem(op: Operator) -> None:
    if customer := op.pick(op.customers):
        partner = op.rng.choice(("Plaid", "Plaid", "MX", "Flinks", "Finicity"))
        proof = await op.client.proof(f"/customers/{customer.id}", partner)
        path = f"/customers/{customer.id}/exchanges"
        made = await op.make(
            "exchange", path, proof, {"customer_id": customer.id, "status": "active"}
        )
        if made:
            op.exchanges.append(made)


async def require_reauth(op: Operator) -> None:
    """As if the partner had said so, which it does not: a later answer of it heals the exchange."""
    if exchange := op.pick(op.exchanges, wanting=None):
        sent_at = time.monotonic()
        path = f"/_tallystick/control/exchanges/{exchange.id}/require-reauth"
        exchange.state["wanting"] = True
        answer = await op.client.post(path, json={})
        if answer.status_code == 200:
            topics = ("customer_exchange_reauth_required",)
            op.history.tell(op.app, exchange.id, topics, sent_at)


async def start_reauth(op: Operator) -> None:
    if exchange := op.pick(op.exchanges, wanting=True):
        await op.make("session", f"/exchanges/{exchange.id}/exchange-sessions", {}, {})


async def add_source(op: Operator) -> None:
    if exchange := op.pick(op.exchanges, used=None, wanting=None):
        exchange.state["used"] = True
        customer = exchange.state["customer_id"]
        body = {
            "_links": {"exchange": {"href": f"{ALIAS}/exchanges/{exchange.id}"}},
            "bankAccountType": "checking",
            "name": "Ada - checking",
        }
        await _source(op, customer, body, "added", "verified")


async def add_source_by_numbers(op: Operator) -> None:
    if customer := op.pick(op.customers):
        body = {
            "routingNumber": "222222226",
            "accountNumber": str(op.rng.randrange(10**8, 10**12)),
            "bankAccountType": "savings",
            "name": "Ada - savings",
        }
        await _source(op, customer.id, body, "added")


async def _source(op: Operator, customer: str, body: Any, *what: str) -> None:
    topics = [f"customer_funding_source_{each}" for each in what]
    path = f"/customers/{customer}/funding-sources"
    state = {"name": body["name"], "removed": False}
    if made := await op.make("funding-source", path, body, state, *topics):
        op.sources.append(made)


async def rename_source(op: Operator) -> None:
    if source := op.pick(op.sources, removed=False):
        op.number += 1
        to = {"name": f"Ada {op.number}"}
        path = f"/funding-sources/{source.id}"
        await op.change(source, path, to, to, "customer_funding_source_updated")


async def remove_source(op: Operator) -> None:
    if source := op.pick(op.sources, removed=False):
        to = {"removed": True}
        path = f"/funding-sources/{source.id}"
        await op.change(source, path, to, to, "customer_funding_source_removed")


# ── webhooks ──────────────────────────────────────────────────────────────────────────────────


async def subscribe(op: Operator, sink: str | None = None) -> Subscription | None:
    if sink is None:
        if len(op.churning) >= CHURNING_MAX:
            return None
        op.number += 1
        sink = f"good/{op.name}-{op.number}"
    url = op.sink_url(sink)
    answer = await op.client.post("/webhook-subscriptions", json={"url": url, "secret": SECRET})
    if answer.status_code != 201:
        op.refused("subscription", answer)
        return None
    made = Subscription(
        "subscription", id_of(answer.headers["location"]), op.app, {"paused": False},
        url=url, sink=sink, since=time.monotonic(),
    )  # fmt: skip
    op.history.add(made)
    if sink.startswith("good/"):
        op.churning.append(made)
    return made


async def pause_subscription(op: Operator) -> None:
    if it := op.pick(op.churning):
        it.disturbed = True
        to = {"paused": not it.state["paused"]}
        await op.change(it, f"/webhook-subscriptions/{it.id}", to, to)


async def delete_subscription(op: Operator) -> None:
    if it := op.pick(op.churning):
        op.churning.remove(it)
        it.disturbed, it.until = True, time.monotonic()
        await op.client.delete(f"/webhook-subscriptions/{it.id}")
        it.state["removed"] = True


async def ask_for_retry(op: Operator) -> None:
    """Of a webhook of a subscription that stays."""
    stable = [
        each for each in op.history.of_kind("subscription")
        if each.app == op.app and each not in op.churning and "removed" not in each.state
    ]  # fmt: skip
    if not stable:
        return
    path = f"/webhook-subscriptions/{op.rng.choice(stable).id}/webhooks?limit=25"
    listed = (await op.client.get(path)).json().get("_embedded", {}).get("webhooks", [])
    if not listed:
        return
    webhook = op.rng.choice(listed)["id"]
    answer = await op.client.post(f"/webhooks/{webhook}/retries", json={})
    if answer.status_code == 201:
        op.history.retries[webhook] += 1


# ── the same again ────────────────────────────────────────────────────────────────────────────


async def repeat(op: Operator) -> None:
    if op.client.answered:
        await op.client.repeat()


async def race(op: Operator) -> None:
    """One key, two requests at once, perhaps to two processes: one customer, one answer."""
    op.number += 1
    email = f"{op.name}-{op.number}@example.com"
    body = {"firstName": "Ada", "lastName": "Byron", "email": email}
    headers = {"Idempotency-Key": f"{op.name}-{op.number}"}
    sent_at = time.monotonic()
    both = await asyncio.gather(
        *(op.client.post("/customers", json=body, headers=headers) for _ in range(2))
    )
    found = {(each.status_code, each.headers.get("location")) for each in both}
    if len(found) != 1 or both[0].status_code != 201:
        op.history.wrong.append(f"two requests with one key were answered {found}")
        return
    made = Resource(
        "customer", id_of(both[0].headers["location"]), op.app,
        {"email": email, "status": "unverified"},
    )  # fmt: skip
    op.history.add(made)
    op.customers.append(made)
    op.history.tell(op.app, made.id, ("customer_created",), sent_at)


OPERATIONS: dict[Operation, int] = {
    create_customer: 20,
    change_customer: 14,
    start_session: 5,
    redeem: 12,
    require_reauth: 2,
    start_reauth: 2,
    add_source: 11,
    add_source_by_numbers: 8,
    rename_source: 8,
    remove_source: 3,
    subscribe: 2,
    pause_subscription: 3,
    delete_subscription: 1,
    ask_for_retry: 4,
    repeat: 6,
    race: 3,
}
