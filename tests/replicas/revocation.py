"""An application that is disabled and enabled again and again, and processes that still let it in."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import httpx2

from tests.storm.client import Client

from .fleet import Member
from .history import History, Probe, Revocation

ALLOWED_S = 1.0
WATCHED_S = 2.5
EVERY_S = 0.03
PATIENCE_S = 20.0


class Revoker:
    """It has an application of its own, so that nobody else is refused."""

    def __init__(self, app: str, client: Client, apis: list[Member], history: History) -> None:
        self._app, self._client, self._apis = app, client, apis
        self._history = history
        self._rng: random.Random = client.rng

    async def work(self, going_on: Callable[[], bool]) -> None:
        await asyncio.gather(
            self._revoke(going_on), *(self._probe(each, going_on) for each in self._apis)
        )

    async def _revoke(self, going_on: Callable[[], bool]) -> None:
        while going_on() or not self._history.revocations:
            await self._be_let_in()
            if not await self._change("disabled"):
                continue
            revocation = Revocation(time.monotonic())
            self._history.revocations.append(revocation)
            await asyncio.sleep(WATCHED_S)
            revocation.until = time.monotonic()
            await self._change("active")
        await self._change("active")

    async def _be_let_in(self) -> None:
        """Wait until all who can let it in do so, and remember it."""
        since = time.monotonic()
        while time.monotonic() < since + PATIENCE_S:
            await asyncio.sleep(0.1)
            lately = {
                each.api
                for each in self._history.probes[-200:]
                if each.let_in and each.started > since
            }
            if len(lately) == len(self._apis):
                return

    async def _change(self, status: str) -> bool:
        """Ask any process until one acknowledges it."""
        give_up_at = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up_at:
            base = self._rng.choice(self._apis).base
            url = f"{base}/_tallystick/control/applications/{self._app}"
            try:
                answer = await self._client_post(url, status)
            except httpx2.HTTPError:
                continue
            if answer.status_code == 200:
                return True
            await asyncio.sleep(0.1)
        return False

    async def _client_post(self, url: str, status: str) -> httpx2.Response:
        return await httpx2.AsyncClient.request(
            self._client, "POST", url, json={"status": status}, timeout=10
        )

    async def _probe(self, api: Member, going_on: Callable[[], bool]) -> None:
        while going_on():
            await asyncio.sleep(EVERY_S)
            started = time.monotonic()
            try:
                answer = await httpx2.AsyncClient.request(
                    self._client, "GET", f"{api.base}/", timeout=10
                )
            except httpx2.HTTPError:
                continue
            if answer.status_code < 500:
                let_in = answer.status_code == 200
                self._history.probes.append(Probe(api.name, started, time.monotonic(), let_in))


def judge(history: History) -> None:
    """Who was let in, although it was asked more than ALLOWED_S after the revocation was told."""
    history.counts["revocations"] = len(history.revocations)
    for revocation in history.revocations:
        for probe in history.probes:
            if not revocation.revoked_at < probe.started <= probe.ended < revocation.until:
                continue
            history.counts["probes while revoked"] += 1
            if not probe.let_in:
                continue
            late = probe.started - revocation.revoked_at
            history.took("a revoked token was accepted after", late)
            if late > ALLOWED_S:
                history.wrong.append(f"{probe.api} accepts a token {late:.2f} s after its end")
