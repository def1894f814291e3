"""Makes what an event needs, as a client and a person would: customers, exchanges, accounts.

Only the public API is used, and the sandbox's way to go through a partner's page without a browser.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tallystick.cli.outcome import CommandFailed
from tallystick.cli.remote import Control
from tallystick.errors import ConfigurationError

if TYPE_CHECKING:
    from tallystick.sdk.public import Client

Json = dict[str, Any]

# Known to Dwolla's sandbox and to ours; the account number is drawn, so that no bank comes twice.
ROUTING_NUMBER = "222222226"
PERSONAL: Mapping[str, str] = {
    "type": "personal",
    "address1": "1 Main St",
    "city": "Des Moines",
    "state": "IA",
    "postalCode": "50309",
    "dateOfBirth": "1990-12-10",
    "ssn": "1234",
}
CARD_DETAILS: Json = {
    "firstName": "Ada",
    "lastName": "Byron",
    "billingAddress": {
        "address1": "1 Main St",
        "city": "Des Moines",
        "stateProvinceRegion": "IA",
        "country": "US",
        "postalCode": "50309",
    },
}


@dataclass(frozen=True)
class Way:
    """How an account is linked through a partner.

    - `page`: on a page of a session; else the integrator has a contract of its own.
    - `offers`: the account is then picked from what the partner offers. `card`: it is a card.
    """

    key: str
    name: str
    href: str
    page: bool
    offers: bool
    card: bool


def ways(client: Client) -> list[Way]:
    """Those of the partners that the gateway lists and that can be linked, in its order."""
    from tallystick.partners import contract, registry

    listed = {each.name: each.href for each in client.exchange_partners.list()}
    found = []
    for manifest in registry.manifests():
        connector = registry.load(manifest.connector)
        if manifest.name in listed and issubclass(connector, contract.Redeems):
            found.append(
                Way(
                    manifest.key,
                    manifest.name,
                    listed[manifest.name],
                    page=issubclass(connector, contract.StartsSessions),
                    offers=issubclass(connector, contract.ListsConnections),
                    card=issubclass(connector, contract.DescribesCards),
                )
            )
    return found


def choose(
    client: Client, name: str | None, fits: Callable[[Way], bool] = lambda _way: True
) -> Way:
    """The way through the partner with this name, or the first one.

    Raises ConfigurationError, with what fits, when that one does not.
    """
    fitting = [each for each in ways(client) if fits(each)]
    for way in fitting:
        if name is None or name.lower() in {way.name.lower(), way.key}:
            return way
    names = ", ".join(each.name for each in fitting) or "none of this gateway's"
    raise ConfigurationError(f"--partner does not fit here; what fits: {names}")


@dataclass
class Stage:
    """`used` are the ids of what was made or acted upon, as they are shown."""

    client: Client
    control: Control
    used: dict[str, str] = field(default_factory=dict)

    def customer(self, **fields: str) -> str:
        """A new one, with an e-mail address that nobody has."""
        body = {
            "firstName": "Ada",
            "lastName": "Byron",
            "email": f"ada+{secrets.token_hex(5)}@example.com",
            **fields,
        }
        self.used["customer"] = self._create("/customers", body)
        return self.used["customer"]

    def found_customer(self, customer: str) -> Any:
        found = self.client.customers.get(customer)
        self.used["customer"] = found.id
        return found

    def exchange(self, owner: str, way: Way) -> str:
        """`owner` is `/customers/{id}`, or nothing for the account itself."""
        links = {"_links": {"exchange-partner": {"href": way.href}}}
        proof = self._signed_in(owner, way, links)
        self.used["partner"] = way.name
        self.used["exchange"] = self._create(f"{owner}/exchanges", {**links, **proof})
        return self.used["exchange"]

    def _signed_in(self, owner: str, way: Way, links: Json) -> Json:
        """What the integrator holds when the person has been through the partner's page."""
        if not way.page:
            return self._proof(self.control.sign_in(way.key))
        session = self._create(f"{owner}/exchange-sessions", links)
        done = self.control.post("sessions", session, "complete")
        if not way.offers:
            return self._proof(done)
        path = f"{owner}/available-exchange-connections"
        offered = self.client.get(path).json()["_embedded"]["available-exchange-connections"]
        if not offered:
            raise CommandFailed(f"{way.name} offers no account")
        return {way.key: {"availableConnectionToken": offered[0]["availableConnectionToken"]}}

    def _proof(self, done: Json) -> Json:
        proof = done.get("proof")
        if not isinstance(proof, dict):
            raise CommandFailed("the simulator's answer has no proof")
        return proof

    def source(self, owner: str, way: Way | None) -> str:
        """A funding source through a partner, or from numbers that nobody verified."""
        body: Json = {"name": "Ada's checking", "bankAccountType": "checking"}
        if way is None:
            number = f"{secrets.randbelow(10**10):010}"
            body |= {"routingNumber": ROUTING_NUMBER, "accountNumber": number}
        else:
            exchange = self.exchange(owner, way)
            body["_links"] = {"exchange": {"href": f"{self.client.base_url}/exchanges/{exchange}"}}
            if way.card:
                del body["bankAccountType"]
                body["cardDetails"] = CARD_DETAILS
        self.used["funding_source"] = self._create(f"{owner}/funding-sources", body)
        return self.used["funding_source"]

    def change(self, collection: str, resource_id: str, **body: Any) -> None:
        self.client.post(f"/{collection}/{resource_id}", body)

    def _create(self, path: str, body: Json) -> str:
        """The id of what was made."""
        answer = self.client.post(path, body)
        return answer.headers.get("location", "").rpartition("/")[2]
