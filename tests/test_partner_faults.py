"""Every partner, every operation, every fault: what the caller is told, and what is left behind.

A cell is one operation at one partner of which one call meets one fault. It is well when the answer
is documented and says whose trouble it is, nothing is half written, nobody is blamed for what he did
not do, and, once the fault is over, the same request ends in exactly one exchange, or its grant is
in the orphan ledger. The short form gives every fault one of an operation's calls, in turn; the long
form all of them.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
import pytest

from tallystick.api.exchanges import service
from tallystick.clock import HOUR_MS, SECOND_MS
from tallystick.errors import RequestTimeout
from tallystick.partners import contract
from tallystick.partners.contract import CAPABILITIES
from tallystick.partners.errors import PartnerUnavailable
from tallystick.store import idempotency

from .databases import postgres
from .gateway import BASE
from .partner_faults import BACK, FAULTS, Fault, Wire, World, says, world

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.timeout(1_800),
    # On one worker, so that one figure can be given for all.
    pytest.mark.xdist_group("partner faults"),
]

LONG = bool(os.environ.get("TALLYSTICK_TESTS_LONG"))
_keys = itertools.count(1)

# One attempt at an operation, with an Idempotency-Key; it may be made again.
Attempt = Callable[[str], Awaitable["Told"]]


@dataclass(frozen=True)
class Told:
    """An answer of the gateway. `entry` is the first embedded error, as code and message."""

    status: int
    code: str = ""
    entry: tuple[str, str] | None = None
    location: str = ""
    body: Any = field(default=None, repr=False)

    @classmethod
    def of(cls, answer: httpx2.Response) -> Told:
        body = answer.json() if answer.content else {}
        errors = body.get("_embedded", {}).get("errors") if answer.status_code >= 400 else None
        entry = (errors[0]["code"], errors[0]["message"]) if errors else None
        code = body.get("code", "") if answer.status_code >= 400 else ""
        return cls(answer.status_code, code, entry, answer.headers.get("location", ""), body)

    @property
    def well(self) -> bool:
        return self.status < 400


# ── how one links through each partner ────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Way:
    """How an account is linked through one partner with one kind of proof.

    - `body(world, customer)`: the members of POST …/exchanges that carry the proof, after whatever
      the person and the integrator did. None for a partner that sends the browser back to us.
    - `signs_in`: what completes a session at the simulator.
    - `gives`: the end of the path of the one call that gives a grant which is never given again.
      None where redeeming only looks.
    - `lacks`: capabilities that this kind of grant has not, and why.
    - `card`: the exchange is one of a card.
    - `words`: faults in the partner's own words, where its connector reads them.
    - `forget(connector)`: drop what a connector keeps between operations, so that every operation
      makes all its calls and a fault that is over is over.
    """

    key: str
    body: Callable[[World, str], Awaitable[dict[str, Any]]] | None
    name: str = ""
    signs_in: Mapping[str, Any] = field(default_factory=dict)
    gives: str | None = None
    lacks: Mapping[type, str] = field(default_factory=dict)
    card: bool = False
    words: tuple[Fault, ...] = ()
    forget: Callable[[Any], None] = lambda _connector: None

    @property
    def label(self) -> str:
        return self.name or self.key

    def links(self, world: World) -> dict[str, Any]:
        # Not looked up: a list with an opt-in partner in it is not Dwolla's.
        partner = world.gateway.core.partners.by_key(self.key).manifest.id
        links = {"exchange-partner": f"{BASE}/exchange-partners/{partner}"}
        if self.body is None:
            links["redirect-url"] = BACK
        return {"_links": {rel: {"href": href} for rel, href in links.items()}}

    async def session(self, world: World, customer: str) -> dict[str, Any]:
        """What somebody who went through the partner's page comes back with."""
        session = await world.api.create(f"{customer}/exchange-sessions", self.links(world))
        return await world.api.complete(session, **self.signs_in)

    async def proves(self, world: World, customer: str) -> Attempt:
        """A proof is at hand; what redeems it."""
        if self.body is None:
            return await self._comes_back(world, customer)
        body = {**self.links(world), **await self.body(world, customer)}

        async def attempt(key: str) -> Told:
            headers = {"Idempotency-Key": key}
            return Told.of(
                await world.api.post(f"{customer}/exchanges", json=body, headers=headers)
            )

        return attempt

    async def _comes_back(self, world: World, customer: str) -> Attempt:
        """A browser comes back once; who tries again starts again (contract 7.9)."""
        waiting = [await self.session(world, customer)]

        async def attempt(_key: str) -> Told:
            done = waiting.pop() if waiting else await self.session(world, customer)
            answer = await world.api.get(done["redirectUrl"])
            assert answer.status_code == 303, answer.text
            said = parse_qs(urlsplit(answer.headers["location"]).query)
            if "exchange" in said:
                return Told(201, location=f"{BASE}/exchanges/{said['exchange'][0]}")
            code = said["error"][0]
            return Told(500 if code == "TEMPORARY_ERROR" else 401, code)

        return attempt


async def plaid_public(world: World, customer: str) -> dict[str, Any]:
    return {"plaid": await WAYS["plaid"].session(world, customer)}


async def plaid_processor(world: World, _customer: str) -> dict[str, Any]:
    answer = await world.api.post(
        "/_partners/plaid/sandbox/processor_token/create",
        headers={"PLAID-CLIENT-ID": "sandbox", "PLAID-SECRET": "sandbox"},
        json={"institution_id": "ins_109508"},
    )
    return {"token": answer.json()["processor_token"]}


async def mx_account(world: World, customer: str) -> dict[str, Any]:
    await WAYS["mx"].session(world, customer)
    listed = (await world.api.get(f"{customer}/available-exchange-connections")).json()
    first = listed["_embedded"]["available-exchange-connections"][0]
    return {"mx": {"availableConnectionToken": first["availableConnectionToken"]}}


async def mx_code(world: World, customer: str) -> dict[str, Any]:
    done = await WAYS["mx"].session(world, customer)
    scope = (
        f"user-guid:{done['userGuid']} member-guid:{done['memberGuid']} "
        f"account-guid:{done['accountGuids'][0]} read-protected"
    )
    answer = await world.api.post(
        "/_partners/mx/authorization_code",
        json={"authorization_code": {"scope": scope}},
        auth=("sandbox", "sandbox"),
        headers={"Accept": "application/vnd.mx.api.v1+json"},
    )
    return {"token": answer.json()["authorization_code"]["code"]}


async def flinks_pair(world: World, _customer: str) -> dict[str, Any]:
    from tallystick.partners.flinks.tests.test_journey import Shop

    shop = Shop(world.gateway, world.api)
    try:
        return {"token": await shop.token(*await shop.connect(accounts=["checking"]))}
    finally:
        await shop.flinks.aclose()


async def finicity_receipt(world: World, _customer: str) -> dict[str, Any]:
    there = importlib.import_module("tallystick.partners.finicity.tests.finicity_world")
    transport = httpx2.ASGITransport(app=world.gateway.process)
    base = f"{BASE}{there.PREFIX}"
    async with there.Integrator(base, transport, world.gateway.clock) as shop:
        person = await shop.customer(f"shop-{next(_keys)}")
        account = (await shop.accounts(person))[0]
        return {"finicity": await shop.receipt(person, account["id"])}


def finicity_token(connector: Any) -> None:
    tokens = connector._wire._tokens
    tokens._token, tokens._refused_until = None, 0


async def checkout_payment(world: World, customer: str) -> dict[str, Any]:
    return {"token": (await WAYS["checkout"].session(world, customer))["token"]}


def plaid_says(status: int, kind: str, code: str, *, refuses: bool = False) -> Fault:
    body = json.dumps({"error_type": kind, "error_code": code, "error_message": "as arranged"})
    return Fault(f"{status} {code}", says(status, body.encode()), refuses=refuses)


PLAIDS_WORDS = (
    plaid_says(400, "INVALID_INPUT", "INVALID_API_KEYS", refuses=True),
    plaid_says(400, "INSTITUTION_ERROR", "INSTITUTION_DOWN"),
    plaid_says(429, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT"),
    plaid_says(500, "API_ERROR", "INTERNAL_SERVER_ERROR"),
)

INTEGRATORS = "the consent is the integrator's, and so is whatever repairs it"
WAYS = {
    way.label: way
    for way in (
        Way("plaid", plaid_public, gives="/item/public_token/exchange", words=PLAIDS_WORDS),
        Way(
            "plaid",
            plaid_processor,
            "plaid processor token",
            lacks={contract.StartsSessions: INTEGRATORS, contract.Reauthenticates: INTEGRATORS},
            words=PLAIDS_WORDS,
        ),
        Way(
            "mx",
            mx_account,
            signs_in={"institution": "mxbank", "user": "mxuser", "password": "any"},
        ),
        Way(
            "mx",
            mx_code,
            "mx code",
            gives="/token",
            lacks={
                contract.StartsSessions: INTEGRATORS,
                contract.Reauthenticates: INTEGRATORS,
                contract.ListsConnections: INTEGRATORS,
            },
        ),
        Way("flinks", flinks_pair),
        Way("visa", None),
        Way("finicity", finicity_receipt, forget=finicity_token),
        Way("checkout", checkout_payment, card=True),
    )
}


# ── the operations ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Operation:
    """- `ready(world, way, customer)`: all that comes before the operation; what attempts it.
    - `truth(world, way, told)`: what a good answer said, to hold against that of another run.
    - `may_say`: the codes with which a refusal of the partner may become the client's business.
    """

    name: str
    capability: type
    ready: Callable[[World, Way, str], Awaitable[Attempt]]
    truth: Callable[[World, Way, Told], Awaitable[Any]]
    may_say: frozenset[str] = frozenset()


def posts(world: World, path: str, body: Any) -> Attempt:
    async def attempt(key: str) -> Told:
        return Told.of(await world.api.post(path, json=body, headers={"Idempotency-Key": key}))

    return attempt


def gets(world: World, path: str) -> Attempt:
    async def attempt(_key: str) -> Told:
        return Told.of(await world.api.get(path))

    return attempt


async def linked(world: World, way: Way, customer: str) -> str:
    told = await (await way.proves(world, customer))(f"link{customer}")
    assert told.status == 201, told
    return told.location


async def sourced(world: World, way: Way, customer: str) -> str:
    exchange = await linked(world, way, customer)
    return await world.api.create(f"{customer}/funding-sources", source_body(way, exchange))


def source_body(way: Way, exchange: str) -> dict[str, Any]:
    body: dict[str, Any] = {"_links": {"exchange": {"href": exchange}}, "name": "Ada"}
    if not way.card:
        return {**body, "bankAccountType": "checking"}
    address = {
        "address1": "1 Main St", "city": "Des Moines", "stateProvinceRegion": "IA",
        "country": "US", "postalCode": "50309",
    }  # fmt: skip
    details = {"firstName": "Ada", "lastName": "Byron", "billingAddress": address}
    return {**body, "cardDetails": details}


async def a_session(world: World, way: Way, customer: str) -> Attempt:
    return posts(world, f"{customer}/exchange-sessions", way.links(world))


async def a_repair(world: World, way: Way, customer: str) -> Attempt:
    exchange = await linked(world, way, customer)
    body = {"_links": {"redirect-url": {"href": BACK}}} if way.body is None else {}
    return posts(world, f"{exchange}/exchange-sessions", body)


async def a_list(world: World, way: Way, customer: str) -> Attempt:
    await way.session(world, customer)
    return gets(world, f"{customer}/available-exchange-connections")


async def a_source(world: World, way: Way, customer: str) -> Attempt:
    exchange = await linked(world, way, customer)
    return posts(world, f"{customer}/funding-sources", source_body(way, exchange))


async def a_balance(world: World, way: Way, customer: str) -> Attempt:
    return gets(world, f"{await sourced(world, way, customer)}/balance")


async def an_old_balance(world: World, way: Way, customer: str) -> Attempt:
    """One that a connector wants to have refreshed first."""
    attempt = await a_balance(world, way, customer)
    world.gateway.clock.advance(4 * HOUR_MS)
    await world.sign_in()
    return attempt


async def a_proof(world: World, way: Way, customer: str) -> Attempt:
    return await way.proves(world, customer)


async def works(world: World, way: Way, told: Told) -> Any:
    """The session that was started can be ended at the partner."""
    return sorted(await world.api.complete(told.location, **way.signs_in))


async def names(_world: World, _way: Way, told: Told) -> Any:
    return sorted(each["name"] for each in told.body["_embedded"]["available-exchange-connections"])


async def shown(world: World, _way: Way, told: Told) -> Any:
    """Not the bank's name: a funding source is not refused for want of it."""
    source = (await world.api.get(told.location)).json()
    return [source[each] for each in ("status", "type", "name", "channels")]


async def amounts(_world: World, _way: Way, told: Told) -> Any:
    return told.body["closing"], told.body.get("available")


async def opens(world: World, way: Way, told: Told) -> Any:
    """The exchange is good for a funding source."""
    customer = (await world.api.get(told.location)).json()["_links"]["customer"]["href"]
    source = await world.api.create(f"{customer}/funding-sources", source_body(way, told.location))
    return (await world.api.get(source)).json()["status"]


TOKEN = frozenset({"InvalidExchangeToken", "InvalidExchange"})
REDEEM = Operation("redeem", contract.Redeems, a_proof, opens, TOKEN | {"AUTHENTICATION_ERROR"})
GONE = frozenset({"InvalidExchange", "UpdateCredentials"})
RESUME = Operation("resume", contract.Redeems, a_proof, opens)
OPERATIONS = (
    Operation("start session", contract.StartsSessions, a_session, works),
    Operation(
        "start re-auth", contract.Reauthenticates, a_repair, works, frozenset({"InvalidExchange"})
    ),
    Operation("list connections", contract.ListsConnections, a_list, names),
    REDEEM,
    RESUME,
    Operation(
        "describe accounts",
        contract.DescribesAccounts,
        a_source,
        shown,
        TOKEN | {"InactiveExchange"},
    ),
    Operation("read card", contract.DescribesCards, a_source, shown, TOKEN | {"InactiveExchange"}),
    Operation(
        "read balance",
        contract.ReadsBalances,
        a_balance,
        amounts,
        GONE,
    ),
    Operation("read old balance", contract.ReadsBalances, an_old_balance, amounts, GONE),
)


# ── one cell ──────────────────────────────────────────────────────────────────────────────────


@dataclass
class Tally:
    """What the whole table came to. `wrong` holds what no cell may leave behind."""

    partners: set[str] = field(default_factory=set)
    operations: set[tuple[str, str]] = field(default_factory=set)
    faults: set[str] = field(default_factory=set)
    cells: int = 0
    explained: int = 0
    lost: int = 0
    double: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, cell: Cell) -> None:
        self.partners.add(cell.way.key)
        self.operations.add((cell.way.label, cell.operation.name))
        self.faults.add(cell.fault.name)
        self.cells += 1
        self.explained += not cell.wrong
        self.lost += cell.lost
        self.double += cell.double
        self.wrong += cell.wrong

    def merge(self, other: Tally) -> None:
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            setattr(self, each.name, mine | theirs if isinstance(mine, set) else mine + theirs)

    def __str__(self) -> str:
        return (
            f"{len(self.partners)} partners, {len(self.operations)} operations of theirs, "
            f"{len(self.faults)} faults = {self.cells} cells; explained {self.explained}, "
            f"lost grants {self.lost}, double exchanges {self.double}"
        )


LOST = next(each for each in FAULTS if each.name == "lost answer")


@dataclass
class Cell:
    """One operation at one partner, one of whose calls meets one fault."""

    world: World
    way: Way
    operation: Operation
    fault: Fault
    at: int
    honest: Any
    wrong: list[str] = field(default_factory=list)
    lost: int = 0
    double: int = 0
    moot: bool = False

    def __post_init__(self) -> None:
        self.wire: Wire = self.world.wires[self.way.key]
        self.key = f"cell-{next(_keys)}"

    def complain(self, what: str) -> None:
        self.wrong.append(
            f"{self.way.label}, {self.operation.name}, call {self.at + 1}, {self.fault.name}: {what}"
        )

    async def run(self) -> None:
        api = await self.world.sign_in()
        self.customer = await api.customer()
        attempt = await self.operation.ready(self.world, self.way, self.customer)
        before = await self._rows()
        self._forget()
        self.wire.arm(self.fault, self.at, self.way.gives)
        told = await attempt(self.key)
        await self._calm()
        await self._judge(told)
        await self._look_for_halves(told, before)
        if self.operation is REDEEM:
            await self._recover(attempt, told)
            await self._settle_up()
        else:
            await self._retry(attempt, told)
        self._listen()

    def _forget(self) -> None:
        self.way.forget(self.world.gateway.core.partners.by_key(self.way.key)._connector)

    async def _calm(self) -> None:
        """The fault is over."""
        if not self.wire.struck:
            self.complain(f"was never met: {self.wire.calls}")
        self._forget()
        await self.wire.rearm(None)

    # what the caller was told

    async def _judge(self, told: Told) -> None:
        if told.well:
            if (truth := await self.operation.truth(self.world, self.way, told)) != self.honest:
                self.complain(f"{told.status} told {truth}, which is not {self.honest}")
        elif told.status < 500:
            if not self.fault.refuses or told.code not in self.operation.may_say:
                self.complain(f"the client is blamed: {told.status} {told.code} {told.entry}")
        elif told.code == "TEMPORARY_ERROR":
            return  # a browser is told no more than this
        elif told.status != 500 or told.code not in ("RequestTimeout", "ServerError"):
            self.complain(f"not a documented answer: {told.status} {told.code}")
        elif told.entry is None or told.entry[0] not in ("PartnerUnavailable", "PartnerRefused"):
            self.complain(f"unexplained: {told}")
        elif not re.match(rf"{re.escape(self._partner_name())} .*\(\w+\)", told.entry[1]):
            self.complain(f"does not name the partner and its code: {told.entry[1]}")

    def _partner_name(self) -> str:
        return self.world.gateway.core.partners.by_key(self.way.key).manifest.name

    # what is left in the store

    async def _rows(self) -> dict[str, int]:
        tables = ("exchange", "funding_source", "exchange_intent", "exchange_session")
        return {each: await self.world.count(each, self.customer) for each in tables}

    async def _states(self) -> dict[str, int]:
        states = ("calling", "granted", "recorded", "failed", "orphan")
        count = self.world.count
        found = {s: await count("exchange_intent", self.customer, f"state = '{s}'") for s in states}
        return {state: number for state, number in found.items() if number}

    async def _look_for_halves(self, told: Told, before: dict[str, int]) -> None:
        after = await self._rows()
        made = {
            table: after[table] - before[table] for table in after if after[table] != before[table]
        }
        grown = {
            "start session": "exchange_session",
            "start re-auth": "exchange_session",
            "redeem": "exchange",
            "describe accounts": "funding_source",
            "read card": "funding_source",
        }.get(self.operation.name)
        expected = {grown: 1} if grown and told.well else {}
        if self.operation is REDEEM:
            expected["exchange_intent"] = 1
            if told.well:  # `truth` made one to see whether the exchange is good
                expected["funding_source"] = 1
        if made != expected:
            self.complain(f"half written: {made}, not {expected}")
        states = await self._states()
        waiting = states.get("calling", 0) + states.get("granted", 0)
        keyed = waiting if self.way.body is not None else 0
        if await self.world.unsettled() != keyed:
            self.complain("an Idempotency-Key is still held")
        blamed = await self.world.count(
            "exchange", self.customer, "(status <> 'active' OR cause = 'person')"
        )
        if blamed and (not self.fault.refuses or told.status >= 500):
            self.complain("the consent is held to be lost")

    # after the fault is over

    async def _retry(self, attempt: Attempt, told: Told) -> None:
        again = await attempt(self.key)
        if told.well and told.location:
            if again != told:
                self.complain("one key, two answers")
            return
        if again.well:
            if (truth := await self.operation.truth(self.world, self.way, again)) != self.honest:
                self.complain(f"afterwards {truth}, which is not {self.honest}")
            return
        gone = await self.world.count("exchange", self.customer, "status = 'removed'")
        if not gone or again.status >= 500 or told.status >= 500 or not self.fault.refuses:
            self.complain(f"afterwards {again.status} {again.code} {again.entry}")

    async def _recover(self, attempt: Attempt, told: Told) -> None:
        """By the same request, and by what the reconciler does when the lease is over."""
        if told.well:
            await self.resume()
            return
        states = await self._states()
        if states.get("calling", 0) + states.get("granted", 0):
            soon = await attempt(self.key)
            if self.way.body is not None and soon.status != 409:
                self.complain(f"an open intent was repeated: {soon.status}")
            await self.resume()
        again = await attempt(self.key)
        if (await self._states()).get("orphan"):
            if again.well or again.status >= 500:
                self.complain(f"an orphan's proof is answered {again.status}")
            return
        if not again.well:
            self.complain(f"not linked in the end: {again.status} {again.code} {again.entry}")
            return
        if self.way.body is not None and await attempt(self.key) != again:
            self.complain("one key, two answers")
        if (truth := await self.operation.truth(self.world, self.way, again)) != self.honest:
            self.complain(f"the exchange opens {truth}")

    async def resume(self) -> None:
        self.world.gateway.clock.advance(service.LEASE_MS + SECOND_MS)
        await self.world.sign_in()
        await service.resume(self.world.gateway.core)

    async def _settle_up(self) -> None:
        """Every grant that the partner gave is an exchange's, an open intent's or an orphan."""
        states = await self._states()
        exchanges = await self.world.count("exchange", self.customer)
        kept = exchanges + sum(states.get(each, 0) for each in ("calling", "granted", "orphan"))
        given = self.wire.gave
        self.double = max(0, exchanges - 1)
        if self.way.gives is None:
            self.lost = int(kept == 0)
        else:
            self.lost = max(0, given - kept)
        if self.double:
            self.complain(f"{exchanges} exchanges for one proof")
        if self.lost:
            self.complain(f"a grant is lost: given {given}, {exchanges} exchanges, {states}")
        if states.get("recorded", 0) != exchanges:
            self.complain(f"{exchanges} exchanges and {states}")
        if states.get("orphan") and not given and self.operation is REDEEM:
            self.complain("an orphan of a grant that was never given")
        if states.get("calling") or states.get("granted"):
            self.complain(f"still open: {states}")

    def _listen(self) -> None:
        for shout in self.world.shouts:
            self.complain(shout)
        self.world.shouts.clear()
        for host in self.wire.strays:
            self.complain(f"a call went to {host}")


class Recovery(Cell):
    """A redemption whose answer was lost after the partner acted, and whose recovery meets a fault."""

    async def run(self) -> None:
        api = await self.world.sign_in()
        self.customer = await api.customer()
        attempt = await self.operation.ready(self.world, self.way, self.customer)
        self._forget()
        self.wire.arm(LOST, self.at, self.way.gives)
        await attempt(self.key)
        if "calling" not in await self._states():
            self.moot = True  # the connector knows that its calls leave nothing behind
            return
        self._forget()
        await self.wire.rearm(self.fault, self.at)
        await self.resume()
        await self._calm()
        await self.resume()
        again = await attempt(self.key)
        if not again.well and not (await self._states()).get("orphan"):
            self.complain(f"neither linked nor an orphan: {again.status} {again.code}")
        await self._settle_up()
        self._listen()


# ── the table ─────────────────────────────────────────────────────────────────────────────────


def why_not(world: World, way: Way, operation: Operation) -> str | None:
    """Why this operation is no row of the table for this way of linking."""
    if way.key not in world.wires:
        return f"{way.key} is not in this tree"
    if not world.gateway.core.partners.by_key(way.key).has(operation.capability):
        word = next(word for word, each in CAPABILITIES.items() if each is operation.capability)
        return f"{way.key} cannot {word}"
    return way.lacks.get(operation.capability)


async def honestly(world: World, way: Way, operation: Operation) -> tuple[list[str], Any]:
    """The calls of an operation to which nothing happens, and what it then tells."""
    customer = await (await world.sign_in()).customer()
    attempt = await operation.ready(world, way, customer)
    way.forget(world.gateway.core.partners.by_key(way.key)._connector)
    world.wires[way.key].arm(None, -1, way.gives)
    told = await attempt(f"honest-{next(_keys)}")
    calls = list(world.wires[way.key].calls)
    assert told.well, (way.label, operation.name, told)
    assert calls, (way.label, operation.name)
    return calls, await operation.truth(world, way, told)


async def row(world: World, way: Way, operation: Operation, tally: Tally, *, every: bool) -> None:
    """All faults of one operation: at every call of it, or each at one call in turn."""
    calls, honest = await honestly(world, way, operation)
    numbers = range(len(calls))
    faults = (*FAULTS, *way.words)
    assert len(faults) >= len(calls), "a call would meet no fault"
    for number, fault in enumerate(faults):
        for at in numbers if every else [number % len(calls)]:
            kind = Recovery if operation is RESUME else Cell
            cell = kind(world, way, operation, fault, at, honest)
            await cell.run()
            if cell.moot:
                return
            tally.add(cell)


async def fill(
    world: World, ways: Iterable[Way], operations: Iterable[Operation], *, every: bool = LONG
) -> Tally:
    tally = Tally()
    for way, operation in itertools.product(ways, operations):
        if reason := why_not(world, way, operation):
            print(f"{way.label}, {operation.name}: no row, as {reason}")
        else:
            await row(world, way, operation, tally, every=every)
    return tally


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is such a place: nobody pulls the plug here, and syncing takes long."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as made:
        yield Path(made)


@pytest.fixture
async def here(folder: Path) -> AsyncIterator[World]:
    async with world(folder, f"sqlite:///{folder}/tallystick.db") as made:
        yield made


# ── the harness proves itself ─────────────────────────────────────────────────────────────────


def swallow(world: World, monkeypatch: Any) -> None:
    """A connector to which an error is an empty list."""
    connector = world.gateway.core.partners.by_key("mx")._connector
    honest = connector.list_connections

    async def list_connections(person: str) -> Any:
        try:
            return await honest(person)
        except PartnerUnavailable:
            return []

    monkeypatch.setattr(connector, "list_connections", list_connections)


def give_up(_world: World, monkeypatch: Any) -> None:
    """A service to which a lost answer is a failure."""
    monkeypatch.setattr(service, "PartnerUnavailable", type("Never", (Exception,), {}))


def repeat(_world: World, monkeypatch: Any) -> None:
    """A service that redeems once more when the answer was lost, as if for another proof."""
    honest, intent = service.redeem, service._intent

    async def redeem(core: Any, *args: Any) -> Any:
        try:
            return await honest(core, *args)
        except RequestTimeout:
            await idempotency.release(core.db, args[4])
            return await honest(core, *args)

    def salted(*args: Any) -> Any:
        return msgspec.structs.replace(intent(*args), proof_hash=os.urandom(32))

    monkeypatch.setattr(service, "redeem", redeem)
    monkeypatch.setattr(service, "_intent", salted)


def crash(world: World, monkeypatch: Any) -> None:
    """A connector that raises what nobody expects."""
    connector = world.gateway.core.partners.by_key("flinks")._connector

    async def read_balance(*_args: Any) -> Any:
        raise RuntimeError("as arranged")

    monkeypatch.setattr(connector, "read_balance", read_balance)


@pytest.mark.parametrize(
    ("bug", "label", "name", "said"),
    [
        (swallow, "mx", "list connections", "told [], which is not"),
        (give_up, "plaid", "redeem", "a grant is lost"),
        (repeat, "mx", "redeem", "2 exchanges for one proof"),
        (repeat, "plaid", "redeem", "the client is blamed: 401"),
        (crash, "flinks", "read balance", "unexpected: RuntimeError"),
    ],
)
async def test_the_harness_catches_a_seeded_bug(here, monkeypatch, bug, label, name, said):
    way, operation = WAYS[label], next(each for each in OPERATIONS if each.name == name)
    if reason := why_not(here, way, operation):
        pytest.skip(reason)
    calls, honest = await honestly(here, way, operation)
    bug(here, monkeypatch)
    wrong = []
    for fault in (LOST, next(each for each in FAULTS if each.name == "500")):
        cell = Cell(here, way, operation, fault, len(calls) - 1, honest)
        with contextlib.suppress(AssertionError):
            await cell.run()
        wrong += cell.wrong
    assert [each for each in wrong if said in each], wrong


# ── and is let loose ──────────────────────────────────────────────────────────────────────────

SHORT = tuple(each for each in OPERATIONS if each.name != "read old balance")
TOTAL: list[Tally] = []


@pytest.mark.parametrize("label", WAYS)
async def test_every_fault_is_explained_and_loses_nothing(here, label):
    way = WAYS[label]
    if way.key not in here.wires:
        pytest.skip(f"{way.key} is not in this tree")
    tally = await fill(here, [way], OPERATIONS if LONG else SHORT)
    TOTAL.append(tally)
    print(f"{label}: {tally}")
    assert not tally.wrong, f"{tally}\n" + "\n".join(tally.wrong)


async def test_on_postgres_as_well(folder):
    """A sample: where grants are given that can be lost."""
    with postgres() as url:
        async with world(folder, url) as here:
            ways = [way for way in WAYS.values() if way.gives and way.key in here.wires]
            tally = await fill(here, ways if LONG else ways[:1], [REDEEM, RESUME])
    print(f"PostgreSQL: {tally}")
    assert not tally.wrong, f"{tally}\n" + "\n".join(tally.wrong)


def test_the_figure():
    """Of all partners together; those above must have run in this process."""
    if not TOTAL:
        pytest.skip("the table was not filled in this run")
    whole = Tally()
    for each in TOTAL:
        whole.merge(each)
    print(f"\n{whole}")
    assert (whole.explained, whole.lost, whole.double) == (whole.cells, 0, 0), str(whole)
