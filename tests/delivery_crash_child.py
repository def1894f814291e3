"""One doomed process: it delivers webhooks and is killed at a given step of that.

A step is a statement, a commit, and either side of the POST; `crash_child` counts them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tallystick.api.webhooks import queue
from tallystick.delivery.post import Poster

from .crash_child import Steps, instrument, write
from .gateway import in_process

EVENTS = ["customer_created", "customer_deactivated", "customer_activated"]


def step_around_the_post(steps: Steps) -> None:
    post = Poster.post

    async def stepped(self: Poster, *arguments: Any) -> Any:
        steps.step("before the receiver")
        answer = await post(self, *arguments)
        steps.step("after the receiver")
        return answer

    Poster.post = stepped


def claim_for_ever() -> None:
    """The bug that the sweep must catch: who claims a row takes it off the queue."""
    honest = queue._claim

    async def claim(tx: Any, *arguments: Any) -> Any:
        jobs = await honest(tx, *arguments)
        for job in jobs:
            await tx.run(queue._DELIVERED, id=job.webhook.id)
        return jobs

    queue._claim = claim


def run(folder: str, database_url: str, url: str, kill_at: int, bug: bool) -> None:
    asyncio.run(_run(Path(folder), database_url, url, Steps(kill_at), bug))


async def _run(folder: Path, database_url: str, url: str, steps: Steps, bug: bool) -> None:
    if bug:
        claim_for_ever()
    step_around_the_post(steps)
    async with in_process(folder, database_url, deliver_webhooks=False) as gateway:
        client = gateway.client()
        await client.sign_in()
        await client.create("/webhook-subscriptions", {"url": url, "secret": "sshhhhhh"})
        customer = await client.customer("ada@example.com")
        for status in ("deactivated", "reactivated"):
            await client.post(customer, json={"status": status})
        instrument(gateway.core, steps)
        steps.armed = True
        await gateway.process.drain()
        steps.armed = False
        write(folder / "survived.json", {"steps": steps.passed})
