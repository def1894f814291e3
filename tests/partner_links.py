"""How one links an account through each partner, and what can then be asked of it.

A new partner needs an entry in `WAYS`: how somebody comes by a proof. All else follows from what its
connector can do.
"""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from tallystick.clock import HOUR_MS
from tallystick.partners import contract
from tallystick.partners.contract import CAPABILITIES

from .gateway import BASE
from .partner_faults import BACK, Fault, World, says

numbers = itertools.count(1)

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
        person = await shop.customer(f"shop-{next(numbers)}")
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
    - `grows`: of what the store has one more after a good answer, as `Kept` names it.
    - `may_say`: the codes with which a refusal of the partner may become the client's business.
    """

    name: str
    capability: type
    ready: Callable[[World, Way, str], Awaitable[Attempt]]
    truth: Callable[[World, Way, Told], Awaitable[Any]]
    grows: str | None = None
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
LINKED = TOKEN | {"InactiveExchange"}
GONE = frozenset({"InvalidExchange", "UpdateCredentials"})
REPAIRED = frozenset({"InvalidExchange"})

REDEEM = Operation(
    "redeem", contract.Redeems, a_proof, opens, "exchanges", TOKEN | {"AUTHENTICATION_ERROR"}
)
RESUME = Operation("resume", contract.Redeems, a_proof, opens)
OLD_BALANCE = Operation(
    "read old balance", contract.ReadsBalances, an_old_balance, amounts, may_say=GONE
)
OPERATIONS = (
    Operation("start session", contract.StartsSessions, a_session, works, "sessions"),
    Operation("start re-auth", contract.Reauthenticates, a_repair, works, "sessions", REPAIRED),
    Operation("list connections", contract.ListsConnections, a_list, names),
    REDEEM,
    RESUME,
    Operation("describe accounts", contract.DescribesAccounts, a_source, shown, "sources", LINKED),
    Operation("read card", contract.DescribesCards, a_source, shown, "sources", LINKED),
    Operation("read balance", contract.ReadsBalances, a_balance, amounts, may_say=GONE),
    OLD_BALANCE,
)


def why_not(world: World, way: Way, operation: Operation) -> str | None:
    """Why this operation is no row of the table for this way of linking."""
    if way.key not in world.wires:
        return f"{way.key} is not in this tree"
    if not world.gateway.core.partners.by_key(way.key).has(operation.capability):
        word = next(word for word, each in CAPABILITIES.items() if each is operation.capability)
        return f"{way.key} cannot {word}"
    return way.lacks.get(operation.capability)
