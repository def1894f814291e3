"""A gateway whose only partner is a fake: its accounts, balances and failures are set by a test."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from tests.gateway import BASE, Api

from tallystick.api.applications import service as applications
from tallystick.api.exchanges import grants, store as exchange_store
from tallystick.api.exchanges.store import ExchangeRow
from tallystick.clock import VirtualClock
from tallystick.core import Core, Principal
from tallystick.hal import MEDIA_TYPE, Links
from tallystick.ids import Ids, SystemEntropy
from tallystick.partners.contract import (
    Account,
    Balance,
    Card,
    DescribesAccounts,
    Grant,
    Manifest,
    ReadsBalances,
    Settings,
)
from tallystick.secret import Secret
from tallystick.server.app import Gateway
from tallystick.store import migrations
from tallystick.store.db import Statement, connect
from tallystick.store.vault import KeyEncryptionKey, Vault
from tallystick.web import Request

ROUTING = "222222226"
CHECKING = Account(
    "acc-checking", "checking", "Plain", "7263", Secret("0090817263"), Secret(ROUTING), "Tally Bank"
)
SAVINGS = Account(
    "acc-savings", "savings", "Nest egg", "5555", Secret("5554445555"), Secret(ROUTING), ""
)
SET_STATUS = Statement("UPDATE exchange SET status = :status WHERE id = :id")


@dataclass
class FakePartner:
    manifest: Manifest
    abilities: set[type] = field(default_factory=lambda: {DescribesAccounts, ReadsBalances})
    accounts: list[Account] = field(default_factory=lambda: [CHECKING, SAVINGS])
    balance: Balance | None = None
    card: Card | None = None
    failure: Exception | None = None
    calls: list[str] = field(default_factory=list)
    during: Any = None

    def has(self, capability: type) -> bool:
        return capability in self.abilities

    async def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.during is not None:
            await self.during()
        if self.failure is not None:
            raise self.failure

    async def list_accounts(self, grant: Grant) -> list[Account]:
        await self._called(f"list_accounts {grant.external_id}")
        return self.accounts

    async def read_card(self, grant: Grant) -> Card:
        await self._called(f"read_card {grant.external_id}")
        assert self.card is not None
        return self.card

    async def read_balance(self, grant: Grant, account_external_id: str) -> Balance:
        await self._called(f"read_balance {grant.external_id} {account_external_id}")
        assert self.balance is not None
        return self.balance


class FakePartners:
    def __init__(self, partner: FakePartner) -> None:
        self._partner = partner

    def all(self) -> list[FakePartner]:
        return [self._partner]

    def by_id(self, partner_id: str) -> FakePartner | None:
        return self._partner if partner_id == self._partner.manifest.id else None

    def by_key(self, key: str) -> FakePartner:
        assert key == self._partner.manifest.key
        return self._partner


class WatchedDatabase:
    """Counts the units of work that are running or waiting to."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.running = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def transact(self, unit: Any) -> Any:
        self.running += 1
        try:
            return await self.inner.transact(unit)
        finally:
            self.running -= 1


@dataclass
class Stage:
    core: Core
    clock: VirtualClock
    db: WatchedDatabase
    partner: FakePartner
    app: Gateway
    accessed: list[Any]
    clients: list[Api] = field(default_factory=list)

    async def application(self, **options: Any) -> tuple[Api, Principal]:
        made = await applications.create(self.core, name="Tests", **options)
        client = Api(
            transport=httpx2.ASGITransport(app=self.app),
            base_url=BASE,
            headers={"Accept": MEDIA_TYPE},
        )
        self.clients.append(client)
        client.made = {"id": made.client_id, "secret": made.client_secret.reveal()}
        await client.sign_in(*client.made.values())
        return client, Principal(made.id, made.account_id, "Tests", self.clock.now_ms())

    async def exchange(self, principal: Principal, customer: str | None) -> str:
        """The address of an active exchange, of a customer or of the account itself."""
        exchange_id = self.core.ids.new()
        grant = Grant(Secret("access-secret"), f"item-{exchange_id}")
        row = ExchangeRow(
            id=exchange_id,
            app_id=principal.app_id,
            customer_id=customer.rpartition("/")[2] if customer else None,
            partner_key="fake",
            status="active",
            external_id=f"item-{exchange_id}",
            grant_sealed=grants.seal_grant(
                self.core, principal.app_id, exchange_store.TABLE, exchange_id, grant
            ),
            consent_expires_at=None,
            created_at=self.clock.now_ms(),
            checked_at=self.clock.now_ms(),
        )
        await self.core.db.transact(lambda tx: exchange_store.add(tx, row))
        return f"{BASE}/exchanges/{exchange_id}"

    async def set_status(self, exchange: str, status: str) -> None:
        exchange_id = exchange.rpartition("/")[2]
        await self.core.db.transact(lambda tx: tx.run(SET_STATUS, status=status, id=exchange_id))

    def request(self, principal: Principal, path_id: str, body: Any = None) -> Request:
        return Request(self.core, principal, "test", Links(BASE), "/", path_id, body=body)


@contextlib.asynccontextmanager
async def staged(database_url: str) -> AsyncIterator[Stage]:
    await migrations.migrate(database_url)
    db = WatchedDatabase(connect(database_url))
    await db.open()
    clock, entropy = VirtualClock(), SystemEntropy()
    clock.freeze()
    vault = Vault([KeyEncryptionKey.of(bytes(32))], clock, entropy)
    await vault.open(db)
    manifest = Manifest(
        key="fake",
        id="11111111-2222-4333-8444-555555555555",
        name="Fake",
        created="2022-01-01T00:00:00.000Z",
        settings=Settings,
        live_hosts=(),
        proofs=(),
        connector="",
        simulator=None,
    )
    partner = FakePartner(manifest)
    core = Core(db, vault, clock, entropy, Ids(clock, entropy), FakePartners(partner))
    accessed: list[Any] = []
    app = Gateway(core, access=accessed.append)
    stage = Stage(core, clock, db, partner, app, accessed)
    try:
        yield stage
    finally:
        for client in stage.clients:
            await client.aclose()
        await db.close()


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with staged(database_url) as ready:
        yield ready


@pytest.fixture
async def client(stage: Stage) -> Api:
    return (await stage.application())[0]


@pytest.fixture
async def where(client: Api) -> str:
    return f"{await client.customer()}/funding-sources"
