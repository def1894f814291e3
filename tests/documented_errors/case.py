"""A documented error, and what makes it happen."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx2

from tests.gateway import Api, InProcess

LONG = (
    "The exchange token is not valid to perform this operation. Either the token is expired or "
    "invalid, or the products permissions to the token are invalid or expired."
)
NOT_ENABLED = "is not enabled for this application. Reach out to Dwolla for more information."
NOT_FOUND = "The requested resource was not found."
NOBODY = str(uuid.UUID(int=1 << 64))
VALIDATION = "Validation error(s) present. See embedded errors list for more details."


class World(NamedTuple):
    gateway: InProcess
    client: Api

    async def without(self, *scopes: str) -> Api:
        return await self.gateway.application(withheld=scopes)

    async def partner(self, name: str = "Plaid") -> dict[str, Any]:
        return {"_links": {"exchange-partner": {"href": await self.client.partner_href(name)}}}


Made = Callable[[World], Awaitable[httpx2.Response]]


class Case(NamedTuple):
    operation: str
    status: int
    code: str
    message: str
    made: Made


CASES: list[Case] = []


def case(operation: str, status: int, code: str, message: str) -> Callable[[Made], Made]:
    def add(made: Made) -> Made:
        CASES.append(Case(operation, status, code, message, made))
        return made

    return add


def get(operation: str, path: str, status: int, code: str, message: str, *withheld: str) -> None:
    """A case of one GET; `{nobody}` in the path is an id that never was."""

    async def made(world: World) -> httpx2.Response:
        client = await world.without(*withheld) if withheld else world.client
        account = client.made["account_id"]
        return await client.get(path.format(nobody=NOBODY, account=account))

    CASES.append(Case(operation, status, code, message, made))
