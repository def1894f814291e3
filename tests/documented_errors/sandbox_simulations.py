"""The errors of sandbox simulations."""

from __future__ import annotations

import httpx2

from tallystick.errors import BadRequest

from .case import World, case


@case("simulateBankTransferProcessing", 400, "BadRequest", BadRequest.default)
async def _(world: World) -> httpx2.Response:
    return await world.client.post("/sandbox-simulations", json={"type": "nonsense"})


@case(
    "simulateBankTransferProcessing",
    403,
    "forbidden",
    "Not authorized to simulate transfer processing.",
)
async def _(world: World) -> httpx2.Response:
    return await (await world.without("sandbox-simulations")).post("/sandbox-simulations", json={})
