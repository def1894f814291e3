"""Everything that the sandbox stands on, begun anew or brought back: reset, seed, snapshots."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tallystick.clock import VirtualClock
from tallystick.ids import VirtualEntropy
from tallystick.sandbox.around import Gate
from tallystick.sandbox.faults import Faults
from tallystick.sandbox.host import Sandbox
from tallystick.sandbox.reading import Json, Refused
from tallystick.sandbox.requests import Requests
from tallystick.sandbox.snapshots import Snapshot, Snapshots

# No seed that can be given reaches it.
BEYOND_SEEDS = 2**64


@dataclass(frozen=True)
class Kept:
    """What the gateway keeps.

    - `reset` leaves what is there after a start on an empty database; `reset_application` what an
      application has before its first call, besides its tokens.
    - `copy` packs all of it, `put_back` replaces all of it by what was packed.
    - `restart_ids` lets ids that were made come again.
    """

    reset: Callable[[], Awaitable[None]]
    reset_application: Callable[[str], Awaitable[None]]
    copy: Callable[[], Awaitable[bytes]]
    put_back: Callable[[bytes], Awaitable[None]]
    restart_ids: Callable[[], None]


@dataclass
class World:
    """The parts of a sandbox, and the seed that it began with, if any."""

    clock: VirtualClock
    entropy: VirtualEntropy
    sandbox: Sandbox
    kept: Kept
    faults: Faults
    requests: Requests
    gate: Gate
    folder: Path
    first_seed: int | None

    def __post_init__(self) -> None:
        self.snapshots = Snapshots(self.folder)
        self.seed = self.first_seed
        # Seeds that were drawn from since the last reset: the same ids must not come twice.
        self._drawn = set() if self.seed is None else {self.seed}
        if self.seed is not None:
            # A start on shelves that were in use must not make the ids again that are on them.
            stream = self.seed + self.sandbox.started_before * BEYOND_SEEDS
            self.sandbox.seed(stream)
            if stream != self.seed:
                self.entropy.seed(stream)

    async def reset(self, seed: int | None = None, now_ms: int | None = None) -> None:
        """Back to the state after a start: no rows, rules or requests, real time, the first seed.

        With `seed` that is the seed; with `now_ms` the clock stands there. Given both, all that
        follows repeats byte for byte, the ids of the first application too.
        """
        self.faults.clear()
        async with self.gate.alone():
            self.requests.clear()
            self.clock.reset()
            if now_ms is not None:
                self.clock.freeze()
                self.clock.set(now_ms)
            self._drawn = set()
            self._draw(self.first_seed if seed is None else seed)
            self.sandbox.replace()
            await self.kept.reset()

    async def reset_application(self, app_id: str) -> None:
        """Only one application's rows, rules and requests. What simulators know of it stays."""
        self.faults.forget(app_id)
        await self.kept.reset_application(app_id)
        self.requests.forget(app_id)

    def reseed(self, seed: int | None) -> None:
        """Draw from the beginning of `seed`; None is real randomness. Raises Refused."""
        if seed in self._drawn:
            raise Refused(
                f"seed {seed} was used since the last reset, and ids must not repeat: take another,"
                f' or POST reset {{"seed": {seed}}}',
                status=409,
            )
        self.kept.restart_ids()
        self._draw(seed)

    def _draw(self, seed: int | None) -> None:
        self.seed = seed
        if seed is not None:
            self._drawn.add(seed)
        self.entropy.seed(seed)
        self.sandbox.seed(seed)

    async def save(self, name: str) -> Json:
        """Keep all rows and all that simulators know. Raises Refused."""
        async with self.gate.alone():
            snapshot = Snapshot(
                self.clock.now_ms(),
                await self.kept.copy(),
                self.sandbox.documents(),
                sorted(self._drawn),
            )
        self.snapshots.write(name, snapshot)
        return {"name": name}

    async def restore(self, name: str) -> Json:
        """Bring them back. Clock, seed, rules and requests stay as they are. Raises Refused."""
        snapshot = self.snapshots.read(name)
        async with self.gate.alone():
            await self.kept.put_back(snapshot.gateway)
            self.sandbox.replace(snapshot.documents)
            self._drawn = set(snapshot.seeds)
        return {"name": name}
