"""What sandbox mode adds to a gateway: simulators and controls, wired to the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2

from tallystick.clock import VirtualClock
from tallystick.core import Core
from tallystick.errors import ConfigurationError
from tallystick.sandbox import control, host
from tallystick.secret import Secret
from tallystick.server import operate
from tallystick.server.app import App
from tallystick.server.config import Settings


def sandbox_mounts(
    settings: Settings, core: Core, transport: httpx2.AsyncBaseTransport | None = None
) -> Mapping[str, App]:
    """`/_partners` and `/_tallystick/control`, on the core's clock and entropy."""
    sandbox = host.Sandbox(
        f"{settings.data_dir}/sandbox.db",
        core.clock,
        core.entropy,
        seed=settings.seed,
        transport=transport,
    )
    if not isinstance(core.clock, VirtualClock):
        raise ConfigurationError("the sandbox needs a clock that can be moved")
    controls = control.Control(ports(core), core.clock, sandbox.simulators)
    return {host.PREFIX: sandbox.app(), control.PREFIX: controls.app()}


def ports(core: Core) -> control.Ports:
    """The gateway's side of the control API."""

    async def create_application(body: dict[str, Any]) -> dict[str, Any]:
        secret = body.get("client_secret")
        made = await operate.create_application(
            core,
            name=str(body.get("name", "application")),
            client_id=body.get("client_id"),
            client_secret=Secret(str(secret)) if secret else None,
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

    return control.Ports(
        create_application,
        change_application,
        list_applications,
        lambda session_id: operate.provider_session(core, session_id),
    )
