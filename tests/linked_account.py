"""A Plaid account that was linked, for tests of what becomes of it."""

from __future__ import annotations

import asyncio

from tallystick.clock import DAY_MS
from tallystick.store.db import Statement

REAUTH = "customer_exchange_reauth_required"
_ROW = Statement("SELECT status, cause, cause_code, deadline_at, external_id FROM exchange")


class Linked:
    """A Plaid account that was linked, and what the tests do to it."""

    def __init__(self, gateway, client, customer, exchange, source):
        self.gateway, self.client = gateway, client
        self.customer, self.exchange, self.source = customer, exchange, source

    async def sign_in(self):
        """After the clock was moved, the access token is an old one."""
        made = self.client.made
        await self.client.sign_in(made["client_id"], made["client_secret"])

    async def days(self, number):
        self.gateway.clock.advance(number * DAY_MS)
        await self.sign_in()

    async def balance(self):
        answer = await self.client.get(f"{self.source}/balance")
        return answer.json().get("code", answer.status_code)

    async def repair(self, **signs_in):
        session = await self.client.create(f"{self.exchange}/exchange-sessions", {})
        return await self.client.complete(session, **signs_in)

    async def row(self):
        (row,) = await self.gateway.core.db.all(_ROW)
        return dict(zip(("status", "cause", "code", "deadline", "item"), tuple(row), strict=True))

    async def notice(self, code):
        """Have Plaid post a signed webhook, and wait until it was taken."""
        before = await self.row()
        answer = await self.client.post(
            "/_partners/plaid/_control/notice",
            json={"item_id": before["item"], "webhook_code": code},
        )
        assert answer.status_code == 200, answer.text
        for _ in range(200):
            await asyncio.sleep(0.01)
            if await self.row() != before:
                return

    async def told(self):
        listed = (await self.client.get("/events?limit=100")).json()["_embedded"]["events"]
        return [each for each in listed if each["topic"] == REAUTH]
