"""Fault rules as the tests add and watch them."""

from __future__ import annotations

import asyncio
import time

FAULTS = "/_tallystick/control/faults"


async def add(client, **rule):
    answer = await client.post(FAULTS, json=rule)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def fired(client):
    return [(each["seen"], each["fired"]) for each in (await client.get(FAULTS)).json()["faults"]]


async def until_fired(client):
    async with asyncio.timeout(60):
        while await fired(client) != [(1, 1)]:
            await asyncio.sleep(0.01)


async def seconds(call):
    started = time.perf_counter()
    answer = await call
    return answer, time.perf_counter() - started
