"""An application of a gateway behind a socket, with one of everything, for the fuzzers."""

from __future__ import annotations

from typing import Any, NamedTuple

from tallystick.api import routes
from tallystick.hal import MEDIA_TYPE
from tallystick.partners import registry
from tallystick.web import Route

from .gateway import Api
from .isolation import NUMBERS, ids_of

# A token lasts an hour, and what is fuzzed gets removed: the world is made anew now and then.


class Post(NamedTuple):
    """A way to post something: its path with real ids, and the headers that it needs."""

    name: str
    path: str
    headers: dict[str, str]


class World(NamedTuple):
    token: str
    ids: dict[str, str]
    bodies: dict[str, Any]
    credentials: tuple[str, str]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Accept": MEDIA_TYPE}

    def path(self, route: Route) -> str:
        return route.path.replace("{id}", self.ids.get(route.path.split("/")[1], ""))

    def posts(self) -> list[Post]:
        """Every kind of POST: the API's, the token's, partners' notices and the controls."""
        found = [
            Post(each.operation, self.path(each), self.headers)
            for each in routes()
            if each.method == "POST"
        ]
        found.append(Post("token", "/token", {}))
        found += [
            Post(f"notice of {each.name}", f"/_inbound/{each.key}", {})
            for each in registry.manifests()
            if hasattr(registry.load(each.connector), "verify") and not each.opt_in
        ]
        controls = ("applications", "clock/set", "clock/advance", "faults", "seed", "snapshots")
        found += [Post(f"control {name}", f"/_tallystick/control/{name}", {}) for name in controls]
        return found


async def world(url: str) -> World:
    async with Api(base_url=url, headers={"Accept": MEDIA_TYPE}, timeout=60) as client:
        made = await client.post("/_tallystick/control/applications", json={})
        client.made = made.json()
        credentials = (client.made["client_id"], client.made["client_secret"])
        await client.sign_in(*credentials)
        ids = await ids_of(client)
        href = await client.partner_href("Plaid")
        partner = {"_links": {"exchange-partner": {"href": href}}}
        exchange = {"_links": {"exchange": {"href": f"{url}/exchanges/{ids['exchanges']}"}}}
        ids["exchange-partners"] = href.rpartition("/")[2]
        bodies = {
            "createCustomer": {"firstName": "Ada", "lastName": "B", "email": "a@example.com"},
            "update": {"firstName": "Eve", "email": "eve@example.com"},
            "createCustomerExchangeSession": partner,
            "createReAuthExchangeSession": {"_links": {"redirect-url": {"href": "https://a.test"}}},
            "createCustomerExchange": {**partner, "plaid": {"publicToken": "public-sandbox-1"}},
            "createAccountExchange": {**partner, "token": "processor-sandbox-1"},
            "createCustomerFundingSource": NUMBERS,
            "createFundingSource": {**exchange, "bankAccountType": "checking", "name": "Main"},
            "updateOrRemoveFundingSource": {"name": "Eve"},
            "createWebhookSubscription": {"url": "http://127.0.0.1:1/h", "secret": "sshhhhhh"},
            "updateWebhookSubscription": {"paused": True},
            "retryWebhook": {},
        }
        token = client.headers["Authorization"].removeprefix("Bearer ")
        return World(token, ids, bodies, credentials)
