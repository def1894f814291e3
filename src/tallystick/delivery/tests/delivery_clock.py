"""An application, and a clock that is turned past its webhooks' next attempts."""

from __future__ import annotations


async def signed_in(gateway):
    """A client whose token outlives any clock: it signs in anew."""
    client = await gateway.application()
    gateway.clock.freeze()
    return client


async def advance(gateway, client, by_ms):
    gateway.clock.advance(by_ms)
    await client.sign_in(client.made["client_id"], client.made["client_secret"])
    await gateway.process.drain()
