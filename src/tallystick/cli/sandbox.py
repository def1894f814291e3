"""What sandbox mode adds to a gateway: simulators, controls and faults, wired to the core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tallystick.clock import VirtualClock
from tallystick.core import Core
from tallystick.errors import ConfigurationError
from tallystick.ids import VirtualEntropy
from tallystick.partners.http import network
from tallystick.sandbox import control, host
from tallystick.sandbox.around import Around, Gate, GatewaySide
from tallystick.sandbox.faults import Faults
from tallystick.sandbox.partner_faults import FaultyTransport
from tallystick.sandbox.requests import Requests
from tallystick.sandbox.webhook_faults import WebhookFaults
from tallystick.sandbox.world import Kept, World
from tallystick.secret import Secret
from tallystick.server import openapi, operate
from tallystick.server.app import App
from tallystick.server.config import Settings
from tallystick.server.process import Process, Transport


class Additions:
    """What `Process` is given in sandbox: `mounts`, `around`, `transport` and `chaos`.

    `network` may stand in for the way to the simulators, and for theirs (no key) to us, in tests.
    """

    def __init__(self, settings: Settings, network: Transport = lambda _key: None) -> None:
        self._settings = settings
        self._network = network
        self._faults = Faults()
        self.chaos = WebhookFaults(self._faults)
        self._requests = Requests()
        self._gate = Gate()
        # Set by whoever makes the process: moving the clock then waits for webhooks as well.
        self.process: Process | None = None

    def transport(self, key: str) -> httpx2.AsyncBaseTransport:
        """The connectors' way to a partner, on which calls may go wrong."""
        way = self._network(key) or network()
        return FaultyTransport(key, f"{host.PREFIX}/{key}", way, self._faults)

    def around(self, core: Core, app: App) -> App:
        """The gateway behind faults, and a record of its calls."""
        side = GatewaySide(
            application_of=lambda header: operate.application_of(core, header),
            render=lambda scope, error: operate.render_error(core, scope, error),
        )
        return Around(app, side, core.clock, self._faults, self._requests, self._gate)

    @contextmanager
    def mounts(self, core: Core) -> Iterator[Mapping[str, App]]:
        """The simulators, the controls and the OpenAPI document, on our clock and entropy; what the
        simulators know is closed in the end.
        """
        clock, entropy = core.clock, core.entropy
        if not isinstance(clock, VirtualClock) or not isinstance(entropy, VirtualEntropy):
            raise ConfigurationError("the sandbox needs a clock and an entropy that can be set")
        settings = self._settings
        folder = Path(settings.data_dir)
        path, network = str(folder / "sandbox.db"), self._network("")
        with closing(host.Sandbox(path, clock, transport=network)) as sandbox:
            world = World(
                clock=clock,
                entropy=entropy,
                sandbox=sandbox,
                kept=kept(core, settings),
                faults=self._faults,
                requests=self._requests,
                gate=self._gate,
                folder=folder / "snapshots",
                first_seed=settings.seed,
            )
            called = (settings.host.lower(), urlsplit(settings.public_url or "").hostname)
            names = frozenset(filter(None, called))
            controls = control.Control(ports(core, self.process), world, names)
            yield {
                host.PREFIX: sandbox.app(),
                control.PREFIX: controls.app(),
                openapi.PATH: openapi.serve,
            }


def kept(core: Core, settings: Settings) -> Kept:
    """What the gateway keeps, for resets and snapshots."""
    return Kept(
        reset=lambda: operate.reset(core, settings.client),
        reset_application=lambda app_id: operate.reset_application(core, app_id),
        copy=lambda: operate.copy(core),
        put_back=lambda raw: operate.put_back(core, raw),
        restart_ids=core.ids.restart,
    )


def ports(core: Core, process: Process | None) -> control.Ports:
    """The gateway's side of the control API."""

    async def create_application(body: dict[str, Any]) -> dict[str, Any]:
        secret = body.get("client_secret")
        made = await operate.create_application(
            core,
            name=body.get("name", "application"),
            client_id=body.get("client_id"),
            client_secret=Secret(secret) if secret else None,
            withheld=body.get("withheld", ()),
            redirect_urls=body.get("redirect_urls", ()),
        )
        return {
            "id": made.id,
            "account_id": made.account_id,
            "client_id": made.client_id,
            "client_secret": made.client_secret.reveal(),
        }

    async def change_application(app_id: str, body: dict[str, Any]) -> dict[str, Any]:
        await operate.change_application(core, app_id, **operate.checked_changes(body))
        return {"id": app_id}

    async def list_applications() -> dict[str, Any]:
        return {
            "applications": [operate.shown(row) for row in await operate.list_applications(core)]
        }

    made = control.Ports(
        create_application,
        change_application,
        list_applications,
        lambda session_id: operate.provider_session(core, session_id),
        lambda exchange_id, state: operate.drive_exchange(core, exchange_id, state),
        lambda source_id: operate.unverify_source(core, source_id),
        settle=lambda: operate.settle(core),
    )
    if process is None:
        return made
    return replace(made, drain=process.drain, next_due=process.next_due)
