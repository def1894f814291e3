"""What is done without being asked, for as long as the process runs: finishing what a crash or a
silent partner left open, warning of consents that end, looking whether exchanges still work.
"""

from __future__ import annotations

import asyncio

import structlog

from tallystick.api.exchange_sessions import service as exchange_sessions
from tallystick.api.exchanges import service as exchanges
from tallystick.api.funding_sources import service as funding_sources
from tallystick.api.webhook_subscriptions import service as subscriptions
from tallystick.api.webhooks import service as webhooks
from tallystick.core import Core
from tallystick.errors import StoreFailed

EVERY_S = 2.0

_log = structlog.get_logger("tallystick.reconcile")


async def keep_reconciling(core: Core) -> None:
    """Look for what is due every EVERY_S seconds, from the first moment on."""
    while True:
        try:
            await core.vault.learn(core.db)
            taken = await exchanges.resume(core)
            if taken:
                _log.info("reconciled", count=taken)
            await exchanges.sweep(core)
            await forget(core)
        except StoreFailed as error:
            _log.warning("reconcile failed", error=str(error))
        except Exception as error:  # noqa: BLE001  # one bad intent must not stop the others for ever
            _log.error("reconcile failed", error=type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def forget(core: Core) -> int:
    """Destroy what was kept for its time, and no longer; how much that was."""
    return (
        await exchange_sessions.forget(core)
        + await funding_sources.forget(core)
        + await subscriptions.forget(core)
        + await webhooks.forget(core)
    )
