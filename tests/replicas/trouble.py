"""Cables pulled, processes killed, primaries lost: every kind of it in each round, in any order."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from .fleet import Fleet, Member
from .history import History
from .network import Network
from .pair import Pair

# How long a process that was asked to end may take: it drains for ten seconds.
END_S = 40.0

Deed = Callable[[], Awaitable[None]]


@dataclass
class Spell:
    """When clients could not reach this process, or it was not there."""

    api: str
    began: float
    ended: float = float("inf")


@dataclass
class Trouble:
    fleet: Fleet
    network: Network
    pair: Pair
    history: History
    rng: random.Random
    quick: bool = False
    spells: list[Spell] = field(default_factory=list)
    # When a primary was lost, and when a standby was cut off.
    lost_at: list[float] = field(default_factory=list)
    alone_at: list[float] = field(default_factory=list)

    async def among_processes(self) -> None:
        await self._rounds(
            [
                self.cut_from_database, self.cut_from_database, self.cut_from_clients,
                self.cut_worker, self.kill_api, self.kill_api, self.kill_worker, self.restart_api,
            ]
        )  # fmt: skip

    async def in_the_database(self) -> None:
        late = [] if self.quick else [self.fail_over_late]
        await self._rounds([self.fail_over, self.fail_over, self.cut_standby, *late])

    async def _rounds(self, deeds: Sequence[Deed]) -> None:
        while True:
            for deed in self.rng.sample(deeds, len(deeds)):
                await asyncio.sleep(self.rng.uniform(0.3, 2.0))
                self.history.counts[deed.__name__.replace("_", " ")] += 1
                # Shielded: what was taken apart is put together again also when time is up.
                doing = asyncio.ensure_future(deed())
                try:
                    await asyncio.shield(doing)
                except asyncio.CancelledError:
                    await doing
                    raise
                self.fleet.revive()

    # ── processes ─────────────────────────────────────────────────────────────────────────────

    async def cut_from_database(self) -> None:
        await self._cut(self.rng.choice(self.fleet.apis), "inside", 7.0)

    async def cut_from_clients(self) -> None:
        api = self.rng.choice(self.fleet.apis)
        spell = self._spell(api)
        await self._cut(api, "outside", 5.0)
        spell.ended = time.monotonic() + 5.0  # until TCP notices that it may go on

    async def cut_worker(self) -> None:
        worker = self.rng.choice(self.fleet.workers)
        await self._cut(worker, self.rng.choice(("inside", "outside")), 7.0)

    async def _cut(self, member: Member, card: str, longest_s: float) -> None:
        self.network.pull(member.name, card)
        await self._while(longest_s)
        self.network.plug(member.name, card)

    async def _while(self, longest_s: float) -> None:
        await asyncio.sleep(self.rng.uniform(0.3, longest_s / 5 if self.quick else longest_s))

    async def kill_api(self) -> None:
        await self._kill(self.rng.choice(self.fleet.apis))

    async def kill_worker(self) -> None:
        await self._kill(self.rng.choice(self.fleet.workers))

    async def _kill(self, member: Member) -> None:
        self.fleet.kill(member)
        await asyncio.sleep(self.rng.uniform(0, 0.5))
        self.fleet.launch(member)

    async def restart_api(self) -> None:
        """As a rollout does: asked to end, waited for, started again."""
        member = self.rng.choice(self.fleet.apis)
        started = time.monotonic()
        member.held = True
        member.process.terminate()
        await asyncio.to_thread(member.process.join, END_S)
        if member.process.is_alive():
            self.history.wrong.append(f"{member.name} did not end within {END_S:.0f} s")
            self.fleet.kill(member)
        self.history.took("a process that was asked to end", time.monotonic() - started)
        self.fleet.launch(member)

    def _spell(self, api: Member) -> Spell:
        spell = Spell(api.name, time.monotonic())
        self.spells.append(spell)
        return spell

    # ── the database ──────────────────────────────────────────────────────────────────────────

    async def cut_standby(self) -> None:
        """Commits wait, some longer than their clients."""
        self._cut_standby()
        await self._while(9.0)
        self.network.plug(self.pair.standby.host, "back")
        await self.pair.in_step()

    def _cut_standby(self) -> None:
        self.network.pull(self.pair.standby.host, "back")
        self.alone_at.append(time.monotonic())

    async def fail_over(self) -> None:
        await self._lose_the_primary()

    async def fail_over_late(self) -> None:
        """The standby was cut off for longer than a commit is waited for when the primary goes.

        Clients repeat what was not answered, and must not hear that it is done.
        """
        self._cut_standby()
        await asyncio.sleep(self.rng.uniform(8.0, 11.0))
        await self._lose_the_primary()

    async def _lose_the_primary(self) -> None:
        started = time.monotonic()
        await self.pair.lose_primary()
        self.lost_at.append(time.monotonic())
        self.network.plug(self.pair.standby.host, "back")
        await self.pair.promote()
        self.history.took("a failover", time.monotonic() - started)
        await self.pair.rebuild()
