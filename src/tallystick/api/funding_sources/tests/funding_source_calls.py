"""What the tests of bank accounts from numbers send, and how they read what came of it."""

from __future__ import annotations

MAIN = {"bankAccountType": "checking", "name": "Main"}
NUMBERS = {**MAIN, "routingNumber": "222222226", "accountNumber": "0123456789"}


async def topics(client):
    listed = (await client.get("/events?limit=100")).json()["_embedded"]["events"]
    return [each["topic"] for each in reversed(listed)]
