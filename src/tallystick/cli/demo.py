"""`tallystick demo`: start the gateway and link an account through each partner, step by step.

It uses nothing that a client could not: the public API over a real socket, and for the person at
the connect page the sandbox's own way to finish one without a browser.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn

from tallystick.cli.serve import banner, build, require_free, server_config
from tallystick.cli.staging import CARD_DETAILS
from tallystick.hal import MEDIA_TYPE
from tallystick.server import config, logs
from tallystick.server.config import Settings

JSON = dict[str, Any]


@dataclass(frozen=True)
class Person:
    """Who links an account, where, and with which of the partner's published credentials.

    With a `simulator` there is no exchange session: the integrator has a contract of its own with
    the partner, and brings what it got there.
    """

    partner: str
    first_name: str
    last_name: str
    signs_in: JSON
    simulator: str | None = None

    @property
    def email(self) -> str:
        return f"{self.first_name.lower()}@example.com"


PEOPLE = (
    Person(
        "Plaid",
        "Ada",
        "Byron",
        {"institution": "ins_109508", "user": "user_good", "password": "pass_good"},
    ),
    Person(
        "MX",
        "Grace",
        "Hopper",
        {"institution": "mxbank", "user": "mxuser", "password": "correct"},
    ),
    Person("Checkout.com", "Alan", "Turing", {"card": "4024764449971519", "cvv": "100"}),
    Person(
        "Flinks",
        "Edsger",
        "Dijkstra",
        {"user": "jane_doe_2_accounts", "password": "Everyday"},
        simulator="flinks",
    ),
    Person("Finicity", "Barbara", "Liskov", {"user": "profile_09"}, simulator="finicity"),
)


def run(flags: JSON, *, once: bool) -> None:
    """Serve and show; with `once`, stop when everything is shown."""
    settings = config.load({"log_level": "error", **flags})
    logs.configure(settings.log_level)
    require_free(settings)
    sys.exit(asyncio.run(_serve_and_show(settings, once=once)))


async def _serve_and_show(settings: Settings, *, once: bool) -> int:
    server = uvicorn.Server(server_config(settings, build(settings)))
    serving = asyncio.create_task(server.serve())
    while not (server.started or serving.done()):  # noqa: ASYNC110  # uvicorn has no event
        await asyncio.sleep(0.01)
    if serving.done():
        return 3
    print(banner(settings))
    failed = 0
    try:
        async with _client(settings) as client:
            for person in PEOPLE:
                await _link(client, person)
        print("\nEvery account is linked and verified.")
        if not once:
            print("The gateway goes on serving; Ctrl-C stops it.")
    except (httpx2.HTTPError, DemoFailed) as error:
        print(f"\nThe demonstration failed: {error}", file=sys.stderr)
        failed = 1
    if once or failed:
        server.should_exit = True
    await serving
    return failed


class DemoFailed(Exception):
    """A step did not answer as it should."""


def _client(settings: Settings) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=f"http://{settings.reachable_host}:{settings.port}",
        headers={"Accept": MEDIA_TYPE},
        trust_env=False,
        timeout=30,
    )


async def _link(client: httpx2.AsyncClient, person: Person) -> None:
    """One person's whole way, from access token to verified funding source and its events."""
    print(f"\n{person.first_name} {person.last_name} links an account through {person.partner}\n")
    show = Steps(client)
    await show.authorize(config.SANDBOX_CLIENT)
    partner = await _find_partner(show, person.partner)
    customer = await _customer(show, person)
    link = {"_links": {"exchange-partner": {"href": partner}}}
    if person.simulator:
        proof = await _own_contract(show, person, person.simulator)
    else:
        created = await show.post(f"{customer}/exchange-sessions", link)
        show.say("the person's browser gets", _for_the_browser(await show.get(created)))
        proof = await _consent(show, created, customer, person)
    exchange = await show.post(f"{customer}/exchanges", {**link, **proof})
    await show.get(exchange, "status")
    source = await show.post(f"{customer}/funding-sources", _source(person, exchange))
    await show.get(source, "status", "type")
    events = await show.get("/events?limit=3")
    for event in reversed(events["_embedded"]["events"]):
        show.say("event", f"{event['topic']}  {event['id']}")


def _for_the_browser(session: JSON) -> str:
    page = session["_links"].get("external-provider-session", {}).get("href")
    data = session.get("externalProviderSessionData", {}).get("id")
    return str(page or data or session.get("externalProviderSessionToken"))


def _source(person: Person, exchange: str) -> JSON:
    body: JSON = {"_links": {"exchange": {"href": exchange}}}
    if "card" not in person.signs_in:
        named = f"{person.first_name}'s checking"
        return {**body, "bankAccountType": "checking", "name": named}
    holder = {"firstName": person.first_name, "lastName": person.last_name}
    return {
        **body,
        "name": f"{person.first_name}'s card",
        "cardDetails": {**CARD_DETAILS, **holder},
    }


async def _own_contract(show: Steps, person: Person, simulator: str) -> JSON:
    """What an integrator does at the partner by itself, with its own credentials."""
    done = await show.simulator(simulator, person.signs_in)
    show.say("signed in as", f"{person.signs_in['user']} on the integrator's own page")
    proof: JSON = done["proof"]
    show.say("the integrator has", f"what is posted as `{next(iter(proof))}`")
    return proof


async def _customer(show: Steps, person: Person) -> str:
    """A new customer; after an earlier run on the same store, one with another e-mail address."""
    email = person.email
    found = await show.get(f"/customers?email={email}", quiet=True)
    if found["total"]:
        everybody = await show.get("/customers?limit=1", quiet=True)
        name, _, domain = email.partition("@")
        email = f"{name}+{everybody['total']}@{domain}"
    return await show.post(
        "/customers",
        {"firstName": person.first_name, "lastName": person.last_name, "email": email},
    )


async def _find_partner(show: Steps, name: str) -> str:
    listed = await show.get("/exchange-partners", quiet=True)
    for each in listed["_embedded"]["exchange-partners"]:
        if each["name"] == name:
            href: str = each["_links"]["self"]["href"]
            show.say("exchange partner", f"{name}  {href}")
            return href
    raise DemoFailed(f"there is no exchange partner {name}")


async def _consent(show: Steps, session: str, customer: str, person: Person) -> JSON:
    """The person signs in and picks an account; what the integrator's page then holds."""
    session_id = session.rpartition("/")[2]
    done = await show.control(f"sessions/{session_id}/complete", person.signs_in)
    show.say("signed in as", f"{person.signs_in.get('user', 'a card holder')} and gave consent")
    if "proof" in done:
        proof: JSON = done["proof"]
        return proof
    offered = await show.get(f"{customer}/available-exchange-connections", quiet=True)
    connections = offered["_embedded"]["available-exchange-connections"]
    for each in connections:
        show.say("available", each["name"])
    if not connections:
        raise DemoFailed("the partner offers no connection")
    return {"mx": {"availableConnectionToken": connections[0]["availableConnectionToken"]}}


class Steps:
    """Makes calls and prints each with its status and the id or address it gave."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    def say(self, what: str, value: object) -> None:
        print(f"      {what:<24} {value}")

    async def authorize(self, credentials: tuple[str, str]) -> None:
        answer = await self._client.post(
            "/token", auth=credentials, data={"grant_type": "client_credentials"}
        )
        self._check(answer, "POST", "/token", 200)
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    async def get(self, url: str, *members: str, quiet: bool = False) -> JSON:
        answer = await self._client.get(url)
        self._check(answer, "GET", url, 200, quiet=quiet)
        body: JSON = answer.json()
        for member in members:
            self.say(member, body[member])
        return body

    async def post(self, url: str, body: JSON) -> str:
        """Create something; the address it has."""
        answer = await self._client.post(url, json=body)
        self._check(answer, "POST", url, 201)
        location: str = answer.headers["location"]
        self.say("created", location)
        return location

    async def control(self, path: str, body: JSON) -> JSON:
        return await self._sandbox(f"/_tallystick/control/{path}", body)

    async def simulator(self, key: str, body: JSON) -> JSON:
        return await self._sandbox(f"/_partners/{key}/_control/complete", body)

    async def _sandbox(self, url: str, body: JSON) -> JSON:
        answer = await self._client.post(url, json=body)
        if not answer.is_success:
            raise DemoFailed(f"{url} answered {answer.status_code}: {answer.text}")
        done: JSON = answer.json()
        return done

    def _check(
        self, answer: httpx2.Response, method: str, url: str, status: int, *, quiet: bool = False
    ) -> None:
        path = answer.request.url.path
        if not quiet:
            print(f"  {answer.status_code} {method:<4} {path}")
        if answer.status_code != status:
            raise DemoFailed(f"{method} {url} answered {answer.status_code}: {answer.text}")
