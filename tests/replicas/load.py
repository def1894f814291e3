"""Clients at work: each request goes to several processes at once, with one key or one token.

What is sent under a key is sent again, to any process, until it is answered for good or patience
ends; the last word is had when all is well again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import httpx2

from tests import openapi
from tests.storm.client import Client, Unanswered, id_of

from .fleet import Member
from .history import Call, History, Request, Said

# Longer than any answer may take: see docs/reliability.md.
GIVE_UP_S = 45.0
PATIENCE_S = 8.0
SENDS_MAX = 12
PAUSE_S = 0.05
_PARTNERS = ("Plaid", "MX", "MX", "Finicity")


class Worker:
    """One client of an application, which works on what it made itself."""

    def __init__(
        self, name: str, app: str, client: Client, apis: list[Member], history: History
    ) -> None:
        self.name, self.app, self._client = name, app, client
        self._apis = apis
        self._history = history
        self._rng = client.rng
        self._number = 0
        self.requests: list[Request] = []
        # A customer's exchanges lead to the same account, which may be added once.
        self._with_source: set[str] = set()

    async def work(self, going_on: Callable[[], bool]) -> None:
        kinds = {self.customer: 8, self.redeem: 5, self.source: 4, self.look: 6, self.repeat: 4}
        while going_on():
            operation = self._rng.choices(list(kinds), list(kinds.values()))[0]
            try:
                await operation()
            except (Unanswered, AssertionError):
                # What stands before the operation, such as a connect page, was cut off half way.
                self._history.counts["abandoned"] += 1
            await asyncio.sleep(PAUSE_S)

    # ── operations ────────────────────────────────────────────────────────────────────────────

    async def customer(self) -> None:
        email = f"{self._next()}@example.com"
        body = {"firstName": "Ada", "lastName": "Byron", "email": email}
        state = {"email": email, "status": "unverified"}
        await self._race(self._new("customer", "/customers", body, state, "customer_created"))

    async def redeem(self) -> None:
        """Two keys, one token: one of them is refused."""
        customer = self._made("customer")
        if customer is None:
            return
        partner = self._rng.choice(_PARTNERS)
        proof = await self._client.proof(f"/customers/{customer.made}", partner)
        path = f"/customers/{customer.made}/exchanges"
        state = {"customer_id": customer.made, "status": "active"}
        rivals = [self._new("exchange", path, proof, dict(state)) for _ in range(2)]
        for each in rivals:
            each.proof = rivals[0].key
        await self._race(*rivals)

    async def source(self) -> None:
        exchange = self._made("exchange")
        if exchange is None or exchange.state["customer_id"] in self._with_source:
            return
        self._with_source.add(exchange.state["customer_id"])
        name = f"Ada {self._next()}"
        body = {
            "_links": {"exchange": {"href": f"http://gateway.test/exchanges/{exchange.made}"}},
            "bankAccountType": "checking",
            "name": name,
        }
        path = f"/customers/{exchange.state['customer_id']}/funding-sources"
        topics = ("customer_funding_source_added", "customer_funding_source_verified")
        state = {"name": name, "removed": False}
        await self._race(self._new("funding-source", path, body, state, *topics))

    async def look(self) -> None:
        """What was acknowledged is there, whomever one asks."""
        found = self._made("customer", "exchange", "funding-source")
        if found is None:
            return
        api = self._rng.choice(self._apis)
        with contextlib.suppress(httpx2.HTTPError):
            answer = await self._ask(api, "GET", f"/{found.kind}s/{found.made}")
            self._history.counts["looks"] += 1
            if answer.status_code < 500 and answer.status_code != 200:
                self._history.wrong.append(
                    f"acknowledged {found.kind} {found.made} is {answer.status_code} at {api.name}"
                )

    async def repeat(self) -> None:
        if found := self._made("customer", "exchange", "funding-source"):
            await self.send(found, self._rng.choice(self._apis))

    # ── requests ──────────────────────────────────────────────────────────────────────────────

    def _next(self) -> str:
        self._number += 1
        return f"{self.name}-{self._number}"

    def _new(self, kind: str, path: str, body: Any, state: Any, *topics: str) -> Request:
        key = f"key-{self._next()}"
        made = Request(kind, self.app, key, path, body, topics, state=state)
        self.requests.append(made)
        self._history.requests.append(made)
        return made

    def _made(self, *kinds: str) -> Request | None:
        found = [
            each
            for each in self.requests
            if each.kind in kinds and each.made and len(each.calls) < SENDS_MAX
        ]
        return self._rng.choice(found) if found else None

    async def _race(self, *requests: Request) -> None:
        """All at once and at different processes, and one of them at two; then one by one."""
        apis = self._rng.sample(self._apis, len(self._apis))
        also = requests[0] if self._rng.random() < 0.6 else None
        entries = zip([*requests, *([also] if also else ())], apis, strict=False)
        await asyncio.gather(*(self.send(request, api) for request, api in entries))
        await self.insist(requests, PATIENCE_S)

    async def insist(self, requests: Iterable[Request], for_s: float) -> None:
        """Send them again until each is answered for good."""
        until = time.monotonic() + for_s
        for request in requests:
            while not request.settled and time.monotonic() < until:
                if len(request.calls) >= SENDS_MAX:
                    return
                await asyncio.sleep(self._rng.uniform(0.1, 0.5))
                await self.send(request, self._rng.choice(self._apis))

    async def send(self, request: Request, api: Member) -> None:
        started = time.monotonic()
        said, value = Said.UNKNOWN, None
        try:
            answer = await self._ask(
                api, "POST", request.path, json=request.body,
                headers={"Idempotency-Key": request.key},
            )  # fmt: skip
        except httpx2.HTTPError as error:
            self._history.counts[f"no answer: {type(error).__name__}"] += 1
        else:
            self._history.took("an answer to a change", time.monotonic() - started)
            said, value = self._understand(request, api, answer)
            if said == Said.UNKNOWN and answer.status_code == 401:
                await self._client.sign_in(*self._client.credentials)
        ended = time.monotonic()
        request.calls.append(Call(api.name, request.key, started, ended, said, value))

    async def _ask(self, api: Member, method: str, path: str, **options: Any) -> httpx2.Response:
        ask = partial(httpx2.AsyncClient.request, self._client)
        answer = await ask(method, api.base + path, timeout=_TIMEOUT, **options)
        try:
            openapi.check(answer, answer.content)
        except AssertionError as error:
            self._history.wrong.append(f"not a documented answer: {str(error)[:300]}")
        return answer

    def _understand(
        self, request: Request, api: Member, answer: httpx2.Response
    ) -> tuple[Said, str | None]:
        if answer.status_code == 201:
            return Said.DONE, id_of(answer.headers["location"])
        code = answer.json().get("code")
        self._history.counts[f"answered {answer.status_code} {code}"] += 1
        if answer.status_code >= 500:
            return Said.UNKNOWN, None
        if answer.status_code == 409:
            return Said.BUSY, None
        if request.proof is None or code != "InvalidExchangeToken":
            self._history.wrong.append(f"{request.kind} at {api.name}: {answer.text[:300]}")
        unknown = answer.status_code == 401 and code != "InvalidExchangeToken"
        return Said.UNKNOWN if unknown else Said.REFUSED, None


_TIMEOUT = httpx2.Timeout(GIVE_UP_S, connect=3.0)
