"""Clients that make and change things of every kind, one after the other, each noted in the history.

Whoever hears 5xx asks again with the same key, as the documentation tells clients to.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tallystick.errors import StoreFailed
from tests.gateway import Api

from .disk import Disk
from .history import Change, History, SignedIn

# A request that takes longer hangs. Nothing here ever waits for more than a disk in memory.
HANGS_S = 30.0
TRIES = 20
_HOME = {
    "address1": "1 Main St", "city": "Des Moines", "state": "IA", "postalCode": "50309",
    "dateOfBirth": "1990-12-10", "ssn": "1234", "type": "personal",
}  # fmt: skip


class Worker:
    """One client of one application. `trouble` is awaited after every 5xx, and `recover` when only
    the gateway can finish what it has begun. `reads`: whether reading must work all the while.
    """

    def __init__(
        self,
        client: Api,
        name: str,
        app: str,
        disk: Disk,
        history: History,
        trouble: Callable[[], Awaitable[None]],
        recover: Callable[[], Awaitable[None]],
    ) -> None:
        self.client, self.name, self.app = client, name, app
        self.rng = random.Random(name)
        self.disk, self.history = disk, history
        self.trouble, self.recover = trouble, recover
        self.number = 0
        self.reads = True
        self.customers: list[Change] = []
        self.exchanges: list[Change] = []
        self.linked: set[str] = set()
        self.sources: list[Change] = []
        self.subscriptions: list[Change] = []

    async def work(self, *operations: Callable[[Worker], Awaitable[None]]) -> None:
        for operation in operations:
            self.history.count("operations")
            try:
                await operation(self)
            except (AssertionError, TimeoutError) as error:
                said = f"{operation.__name__}: {type(error).__name__} {str(error)[:300]}"
                self.history.wrong.append(said)

    async def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """The first answer that is not 5xx."""
        for _ in range(TRIES):
            async with asyncio.timeout(HANGS_S):
                answer = await self.client.request(method, path, **options)
            if answer.status_code < 500:
                return answer
            # The envelope was looked at by `Api`; the token's answer has none.
            self.history.count(f"answered {answer.status_code}")
            await self.see_customer()
            await self.trouble()
        raise AssertionError(f"{method} {path} is answered {answer.status_code} for ever")

    async def see_customer(self) -> None:
        """What nobody changes can be read, also while nothing can be written."""
        if self.customers and self.reads:
            customer = self.customers[0]
            answer = await self.client.get(f"/customers/{customer.id}")
            if (answer.status_code, answer.json().get("email")) != (200, customer.state["email"]):
                self.history.wrong.append(f"a customer is read as {answer.text}")
            self.history.count("reads while writing failed")

    async def sign_in(self, client_id: str, secret: str) -> None:
        form = {"grant_type": "client_credentials"}
        answer = await self.ask("POST", "/token", auth=(client_id, secret), data=form)
        token = answer.json()["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"
        self.history.tokens.append(SignedIn(self.disk.position(), token))

    async def change(
        self, kind: str, path: str, body: Any, state: dict[str, Any], *topics: str
    ) -> Change | None:
        """Post a change until it is answered; None if a proof is used up and nobody has its grant."""
        key = str(uuid.UUID(int=self.rng.getrandbits(128)))
        begun = self.disk.position()
        for _ in range(TRIES):
            answer = await self.ask("POST", path, json=body, headers={"Idempotency-Key": key})
            if answer.status_code != 409:  # else the key, or the proof, is held by the first try
                break
            await self.recover()
        answered = self.disk.position()
        if kind == "exchange" and answer.status_code in (400, 401):
            self.history.count("exchanges that became orphans")
            return None
        assert answer.status_code in (200, 201), f"{answer.status_code} {answer.text}"
        location = answer.headers.get("location")
        where = urlsplit(location).path if location else path
        made = Change(
            begun, answered, self.app, kind, where.rpartition("/")[2], state, list(topics),
            path, body, key, answer.status_code, location and where, answer.content,
        )  # fmt: skip
        self.history.changes.append(made)
        return made

    def replace(self, among: list[Change], old: Change, new: Change | None) -> None:
        if new is not None:
            among[among.index(old)] = new

    def fresh(self, what: str) -> str:
        self.number += 1
        return f"{what}-{self.name}-{self.number}"


# ── what is done ──────────────────────────────────────────────────────────────────────────────


async def create_customer(by: Worker) -> None:
    email = f"{by.fresh('ada')}@example.com"
    body = {"firstName": "Ada", "lastName": "Byron", "email": email}
    topics, status = ["customer_created"], "unverified"
    if by.rng.random() < 0.25:
        body |= _HOME
        topics, status = [*topics, "customer_verified"], "verified"
    state = {"email": email, "status": status}
    if made := await by.change("customer", "/customers", body, state, *topics):
        by.customers.append(made)


async def change_customer(by: Worker) -> None:
    customer = by.rng.choice(by.customers)
    path = f"/customers/{customer.id}"
    was = customer.state["status"]
    if was == "deactivated":
        back = customer.state["before"]
        changed = await by.change(
            "customer", path, {"status": "reactivated"},
            {"email": customer.state["email"], "status": back}, "customer_activated",
        )  # fmt: skip
    elif len(by.customers) > 3 and customer is not by.customers[0] and by.rng.random() < 0.3:
        to = {"status": "deactivated"}
        state = {"email": customer.state["email"], "before": was, **to}
        changed = await by.change("customer", path, to, state, "customer_deactivated")
    else:
        to = {"email": f"{by.fresh('ada')}@example.com"}
        changed = await by.change("customer", path, to, {"status": was, **to})
    by.replace(by.customers, customer, changed)


def _living(by: Worker) -> Change:
    return by.rng.choice([each for each in by.customers if each.state["status"] != "deactivated"])


async def start_session(by: Worker) -> None:
    href = await by.client.partner_href("Plaid")
    body = {"_links": {"exchange-partner": {"href": href}}}
    await by.change("session", f"/customers/{_living(by).id}/exchange-sessions", body, {})


async def redeem(by: Worker) -> None:
    """For a customer who has none: at a simulator, everybody has the same accounts."""
    if not (without := [each for each in by.customers if each.id not in by.linked]):
        await create_customer(by)
        without = by.customers[-1:]
    customer = by.rng.choice(without)
    if customer.state["status"] == "deactivated":
        return
    by.linked.add(customer.id)
    path = f"/customers/{customer.id}/exchanges"
    proof = await _proof(by, f"/customers/{customer.id}", by.rng.choice(("Plaid", "MX")))
    state = {"customer_id": customer.id, "status": "active"}
    if made := await by.change("exchange", path, proof, state):
        by.exchanges.append(made)


async def _proof(by: Worker, customer: str, partner: str) -> Any:
    """Somebody goes through the partner's page, and begins again where that fails."""
    for _ in range(TRIES):
        try:
            async with asyncio.timeout(HANGS_S):
                return await by.client.proof(customer, partner)
        except (AssertionError, LookupError, StoreFailed):
            # No success, an error instead of a list, or what the sandbox's controls ran into.
            by.history.count("sessions begun again")
            await by.trouble()
    raise AssertionError(f"nobody gets through the page of {partner}")


async def add_source(by: Worker) -> None:
    if by.exchanges:
        exchange = by.exchanges.pop()
        body = {
            "_links": {"exchange": {"href": f"https://api-sandbox.dwolla.com{exchange.location}"}},
            "bankAccountType": "checking",
            "name": by.fresh("checking"),
        }
        await _source(by, exchange.state["customer_id"], body, "added", "verified")


async def add_source_by_numbers(by: Worker) -> None:
    body = {
        "routingNumber": "222222226",
        "accountNumber": str(by.rng.randrange(10**8, 10**12)),
        "bankAccountType": "savings",
        "name": by.fresh("savings"),
    }
    await _source(by, _living(by).id, body, "added")


async def _source(by: Worker, customer: str, body: Any, *what: str) -> None:
    path = f"/customers/{customer}/funding-sources"
    topics = [f"customer_funding_source_{each}" for each in what]
    state = {"name": body["name"], "removed": 0}
    if made := await by.change("funding-source", path, body, state, *topics):
        by.sources.append(made)


async def change_source(by: Worker) -> None:
    if by.sources:
        source = by.rng.choice(by.sources)
        path = f"/funding-sources/{source.id}"
        if len(by.sources) > 3 and by.rng.random() < 0.2:
            by.sources.remove(source)
            state = {**source.state, "removed": 1}
            topic = "customer_funding_source_removed"
            await by.change("funding-source", path, {"removed": True}, state, topic)
        else:
            to = {"name": by.fresh("renamed")}
            state = {**source.state, **to}
            topic = "customer_funding_source_updated"
            changed = await by.change("funding-source", path, to, state, topic)
            by.replace(by.sources, source, changed)


async def subscribe(by: Worker) -> None:
    body = {"url": f"http://127.0.0.1:9/{by.name}", "secret": "a secret of the subscription"}
    if made := await by.change("subscription", "/webhook-subscriptions", body, {"paused": 0}):
        by.subscriptions.append(made)


async def pause(by: Worker) -> None:
    for each in by.subscriptions:
        path, paused = f"/webhook-subscriptions/{each.id}", 1 - each.state["paused"]
        body, state = {"paused": bool(paused)}, {"paused": paused}
        by.replace(by.subscriptions, each, await by.change("subscription", path, body, state))


ANY = {
    create_customer: 20, change_customer: 14, start_session: 5, redeem: 10, add_source: 10,
    add_source_by_numbers: 8, change_source: 10, pause: 2,
}  # fmt: skip
