"""Accounts in the SDK."""

from __future__ import annotations

from tallystick.api.accounts import wire
from tallystick.flow import Flow, Ref, Resource, fetch, id_of
from tallystick.sdk.results import AsyncFacade, Facade


class Account(wire.Account, Resource, frozen=True):
    """The main account, the one the application belongs to."""

    COLLECTION = "accounts"


def get_account(account: Ref[Account]) -> Flow[Account]:
    return fetch(Account, Account.COLLECTION, id_of(account, Account))


class Accounts(Facade):
    def get(self, account: Ref[Account]) -> Account:
        """Its id is in the root's link `account`: `client.root().link("account")`."""
        return self._run(get_account(account))

    get_account = get


class AsyncAccounts(AsyncFacade):
    async def get(self, account: Ref[Account]) -> Account:
        """Its id is in the root's link `account`: `client.root().link("account")`."""
        return await self._run(get_account(account))

    get_account = get
