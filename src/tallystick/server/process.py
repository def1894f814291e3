"""One gateway process: what is opened when it starts and closed when it drains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

import httpx2
import structlog

from tallystick.api.applications import service as applications
from tallystick.api.exchanges import service as exchanges
from tallystick.clock import Clock, SystemClock, VirtualClock
from tallystick.core import Core
from tallystick.delivery.chaos import Chaos, no_chaos
from tallystick.delivery.worker import Delivery, delivering
from tallystick.errors import ConfigurationError
from tallystick.ids import Entropy, Ids, SystemEntropy, VirtualEntropy
from tallystick.partners.registry import Registry, manifests
from tallystick.secret import Secret
from tallystick.server import config, health, inbound, logs
from tallystick.server.app import App, Gateway, Receive, Scope, Send
from tallystick.server.config import Settings
from tallystick.server.reconcile import keep_reconciling
from tallystick.store import migrations
from tallystick.store.db import connect
from tallystick.store.vault import CannotOpen, KeyEncryptionKey, Vault

_log = structlog.get_logger("tallystick.process")

# After the server has drained: with that, less than the 30 s that supervisors give a process.
FINISH_S = 15.0

Mounts = Callable[[Core], AbstractContextManager[Mapping[str, App]]]
Around = Callable[[Core, App], App]
Transport = Callable[[str], httpx2.AsyncBaseTransport | None]


def clock_for(settings: Settings) -> Clock:
    return SystemClock() if settings.live else VirtualClock()


def entropy_for(settings: Settings) -> Entropy:
    return SystemEntropy() if settings.live else VirtualEntropy(settings.seed)


@asynccontextmanager
async def opened(
    settings: Settings,
    *,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    transport: Transport = lambda _key: None,
) -> AsyncIterator[Core]:
    """The gateway without its HTTP, migrated and ready; closed when the block ends.

    `transport` may replace the network to a partner in tests. Raises ConfigurationError.
    """
    clock = clock or clock_for(settings)
    entropy = entropy or entropy_for(settings)
    config.prepare_data_dir(settings)
    keys = [KeyEncryptionKey.of(key) for key in config.encryption_keys(settings)]
    db = connect(settings.store_url)
    await db.open()
    try:
        if await migrations.current(db) != migrations.head():
            await migrations.migrate(settings.store_url)
        vault = Vault(keys, clock, entropy)
        try:
            await vault.open(db)
        except CannotOpen as error:
            raise ConfigurationError(
                f"the store does not fit the encryption key: {error}"
            ) from None
        own = config.partner_settings(settings)
        partners = Registry(
            own,
            clock=clock,
            only=[each for each in manifests() if each.key in own],
            transport=transport,
        )
        core = Core(
            db=db,
            vault=vault,
            clock=clock,
            entropy=entropy,
            ids=Ids(clock, entropy),
            partners=partners,
            alias_bases=settings.aliases,
            codes=settings.codes,
            public_url=settings.public_url,
            live=settings.live,
            webhook_hosts=settings.webhook_host_names,
            webhook_ports=settings.webhook_port_numbers,
        )
        if settings.client is not None:
            client_id, client_secret = settings.client
            await applications.ensure(
                core, name="tallystick", client_id=client_id, client_secret=Secret(client_secret)
            )
        try:
            yield core
        finally:
            await partners.close()
    finally:
        await db.close()


class Process:
    """The ASGI application that a server runs: opens the gateway at start-up, closes it at the end.

    `mounts` gives its applications for as long as the core is open, and `around` what stands
    between the server and the gateway. `chaos` is what the sandbox does to webhooks.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
        mounts: Mounts = lambda _core: nullcontext({}),
        around: Around = lambda _core, app: app,
        transport: Transport = lambda _key: None,
        chaos: Chaos = no_chaos,
    ) -> None:
        self._settings = settings
        self._clock = clock or clock_for(settings)
        self._entropy = entropy or entropy_for(settings)
        self._mounts = mounts
        self._around = around
        self._transport = transport
        self._chaos = chaos
        self._gateway: Gateway | None = None
        self._front: App | None = None
        self._delivery: Delivery | None = None

    async def drain(self) -> None:
        """Return when every webhook that is due has been attempted: after the clock was moved."""
        if self._delivery is not None:
            await self._delivery.drain()

    async def next_due(self) -> int | None:
        """When the next webhook is due by the clock, in milliseconds; None when none is to come."""
        return None if self._delivery is None else await self._delivery.next_due()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return self._live(receive, send)
        if self._front is None:
            raise RuntimeError("the server did not run the application's lifespan")
        return self._front(scope, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Core]:
        """What a server's lifespan does, for tests that need no server."""
        async with (
            opened(
                self._settings, clock=self._clock, entropy=self._entropy, transport=self._transport
            ) as opened_core,
            delivering(
                opened_core,
                self._settings.base_url,
                running=self._settings.deliver_webhooks,
                chaos=self._chaos,
            ) as self._delivery,
        ):
            core = self._delivery.core
            check_durability(core)
            await _check_clients(core)
            with self._mounts(core) as mounts:
                own: dict[str, App] = {
                    health.PREFIX: health.Health(core),
                    inbound.PREFIX: inbound.Inbound(core),
                }
                access = logs.AccessLog(self._settings.log_level)
                self._gateway = Gateway(
                    core,
                    mounts={**own, **mounts},
                    cors_origins=self._origins(),
                    access=access.add,
                )
                self._front = self._around(core, self._gateway)
                reconciling = asyncio.create_task(keep_reconciling(core))
                try:
                    yield core
                finally:
                    reconciling.cancel()
                    await asyncio.gather(reconciling, return_exceptions=True)
                    await exchanges.finish(FINISH_S)
                    self._gateway = self._front = None
                    access.flush()

    def _origins(self) -> Sequence[str]:
        listed = self._settings.cors_origins
        if listed is None:
            return () if self._settings.live else ("*",)
        return [origin.strip() for origin in listed.split(",") if origin.strip()]

    async def _live(self, receive: Receive, send: Send) -> None:
        """Starlette's lifespan protocol, spoken by hand: two messages each way."""
        await receive()
        running = self.running()
        try:
            await running.__aenter__()
        except Exception as error:  # noqa: BLE001  # the server prints it and exits
            await send({"type": "lifespan.startup.failed", "message": _say(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await running.__aexit__(None, None, None)
        await send({"type": "lifespan.shutdown.complete"})


def check_durability(core: Core) -> None:
    """Raises ConfigurationError where money would stand on a database that does not keep it."""
    if not core.db.risks:
        return
    said = f"the database may lose what it has committed: {', '.join(core.db.risks)}"
    if core.live and "fsync = off" in core.db.risks:
        raise ConfigurationError(said)
    _log.warning("database is not durable", error=said)


async def _check_clients(core: Core) -> None:
    """Raises ConfigurationError where the store of a live gateway was a sandbox's before: what
    everybody knows would open it.
    """
    found = await applications.authenticate(core, *config.SANDBOX_CLIENT) if core.live else None
    if found is not None and found.status == applications.ACTIVE:
        raise ConfigurationError(
            "the store has the sandbox's application, whose secret everybody knows; first run"
            f" `tallystick app change {found.id} --status disabled`"
        )


def _say(error: Exception) -> str:
    if isinstance(error, ConfigurationError):
        return str(error)
    _log.error("start failed", error=type(error).__name__)
    return f"{type(error).__name__}: {error}"
