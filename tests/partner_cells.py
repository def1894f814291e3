"""One operation at one partner meets one fault: what the caller is told, and what is left behind."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from tallystick.api.exchanges import redemption
from tallystick.clock import SECOND_MS

from .partner_faults import FAULTS, LOST, Fault, Kept, Wire, World
from .partner_links import REDEEM, RESUME, Attempt, Operation, Told, Way, numbers, why_not


@dataclass
class Tally:
    """What the whole table came to. `wrong` holds what no cell may leave behind."""

    partners: set[str] = field(default_factory=set)
    operations: set[tuple[str, str]] = field(default_factory=set)
    faults: set[str] = field(default_factory=set)
    cells: int = 0
    explained: int = 0
    lost: int = 0
    double: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, cell: Cell) -> None:
        self.partners.add(cell.way.key)
        self.operations.add((cell.way.label, cell.operation.name))
        self.faults.add(cell.fault.name)
        self.cells += 1
        self.explained += not cell.wrong
        self.lost += cell.lost
        self.double += cell.double
        self.wrong += cell.wrong

    def merge(self, other: Tally) -> None:
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            setattr(self, each.name, mine | theirs if isinstance(mine, set) else mine + theirs)

    def __str__(self) -> str:
        return (
            f"{len(self.partners)} partners, {len(self.operations)} operations of theirs, "
            f"{len(self.faults)} faults = {self.cells} cells; explained {self.explained}, "
            f"lost grants {self.lost}, double exchanges {self.double}"
        )


@dataclass
class Cell:
    """One operation at one partner, one of whose calls meets one fault."""

    world: World
    way: Way
    operation: Operation
    fault: Fault
    at: int
    honest: Any
    wrong: list[str] = field(default_factory=list)
    lost: int = 0
    double: int = 0
    moot: bool = False

    def __post_init__(self) -> None:
        self.wire: Wire = self.world.wires[self.way.key]
        self.key = f"cell-{next(numbers)}"

    def complain(self, what: str) -> None:
        self.wrong.append(
            f"{self.way.label}, {self.operation.name}, call {self.at + 1}, {self.fault.name}: {what}"
        )

    async def run(self) -> None:
        api = await self.world.sign_in()
        self.customer = await api.customer()
        attempt = await self.operation.ready(self.world, self.way, self.customer)
        before = await self._kept()
        self._forget()
        self.wire.arm(self.fault, self.at, self.way.gives)
        told = await attempt(self.key)
        await self._calm()
        await self._judge(told)
        await self._look_for_halves(told, before)
        if self.operation is REDEEM:
            await self._recover(attempt, told)
            await self._settle_up()
        else:
            await self._retry(attempt, told)
        self._listen()

    def _forget(self) -> None:
        self.way.forget(self.world.connector(self.way.key))

    async def _calm(self) -> None:
        """The fault is over."""
        if not self.wire.struck:
            self.complain(f"was never met: {self.wire.calls}")
        self._forget()
        await self.wire.rearm(None)

    # what the caller was told

    async def _judge(self, told: Told) -> None:
        if told.status < 500 and self.fault.lies:
            return
        if told.well:
            if (truth := await self.operation.truth(self.world, self.way, told)) != self.honest:
                self.complain(f"{told.status} told {truth}, which is not {self.honest}")
        elif told.status < 500:
            if not self.fault.refuses or told.code not in self.operation.may_say:
                self.complain(f"the client is blamed: {told.status} {told.code} {told.entry}")
        elif told.code == "TEMPORARY_ERROR":
            return  # a browser is told no more than this
        elif told.status != 500 or told.code not in ("RequestTimeout", "ServerError"):
            self.complain(f"not a documented answer: {told.status} {told.code}")
        elif told.entry is None or told.entry[0] not in ("PartnerUnavailable", "PartnerRefused"):
            self.complain(f"unexplained: {told}")
        elif not re.match(rf"{re.escape(self._partner_name())} .*\(\w+\)", told.entry[1]):
            self.complain(f"does not name the partner and its code: {told.entry[1]}")

    def _partner_name(self) -> str:
        return self.world.gateway.core.partners.by_key(self.way.key).manifest.name

    # what is left in the store

    async def _kept(self) -> Kept:
        return await self.world.kept(self.customer)

    async def _look_for_halves(self, told: Told, before: Kept) -> None:
        now = await self._kept()
        grown = {self.operation.grows: 1} if self.operation.grows and told.well else {}
        if self.operation is REDEEM:
            grown["intents"] = 1
            if (
                told.well and not self.fault.lies
            ):  # `truth` made one to see whether the exchange is good
                grown["sources"] = 1
        for name in ("exchanges", "sources", "sessions", "intents"):
            more = getattr(now, name) - getattr(before, name)
            if more != grown.get(name, 0):
                self.complain(f"half written: {more} more {name} after {told}")
        if now.held != (now.open if self.way.body is not None else 0):
            self.complain("an Idempotency-Key is still held")
        believed = self.fault.refuses or self.fault.lies
        if now.blamed and (not believed or told.status >= 500):
            self.complain("the consent is held to be lost")

    # after the fault is over

    async def _retry(self, attempt: Attempt, told: Told) -> None:
        again = await attempt(self.key)
        if told.well and told.location:
            if again != told:
                self.complain("one key, two answers")
            return
        if again.well:
            if (truth := await self.operation.truth(self.world, self.way, again)) != self.honest:
                self.complain(f"afterwards {truth}, which is not {self.honest}")
            return
        gone = (await self._kept()).removed
        believed = self.fault.refuses or self.fault.lies
        if not gone or again.status >= 500 or told.status >= 500 or not believed:
            self.complain(f"afterwards {again.status} {again.code} {again.entry}")

    async def _recover(self, attempt: Attempt, told: Told) -> None:
        """By the same request, and by what the reconciler does when the lease is over."""
        if told.well:
            await self.resume()
            return
        if (await self._kept()).open:
            soon = await attempt(self.key)
            if self.way.body is not None and soon.status != 409:
                self.complain(f"an open intent was repeated: {soon.status}")
            await self.resume()
        again = await attempt(self.key)
        if (await self._kept()).orphan:
            if again.well or again.status >= 500:
                self.complain(f"an orphan's proof is answered {again.status}")
            return
        if not again.well:
            self.complain(f"not linked in the end: {again.status} {again.code} {again.entry}")
            return
        if self.way.body is not None and await attempt(self.key) != again:
            self.complain("one key, two answers")
        if (truth := await self.operation.truth(self.world, self.way, again)) != self.honest:
            self.complain(f"the exchange opens {truth}")

    async def resume(self) -> None:
        self.world.gateway.clock.advance(redemption.LEASE_MS + SECOND_MS)
        await self.world.sign_in()
        await redemption.resume(self.world.gateway.core)

    async def _settle_up(self) -> None:
        """Every grant that the partner gave is an exchange's, an open intent's or an orphan."""
        now, given = await self._kept(), self.wire.gave
        kept = now.exchanges + now.open + now.orphan
        self.double = max(0, now.exchanges - 1)
        self.lost = int(kept == 0) if self.way.gives is None else max(0, given - kept)
        if self.double:
            self.complain(f"{now.exchanges} exchanges for one proof")
        if self.lost:
            self.complain(f"a grant is lost: {given} given, {now}")
        if now.recorded != now.exchanges:
            self.complain(f"intents and exchanges do not match: {now}")
        if now.orphan and not given and self.operation is REDEEM:
            self.complain("an orphan of a grant that was never given")
        if now.open:
            self.complain(f"still open: {now}")

    def _listen(self) -> None:
        for shout in self.world.shouts:
            self.complain(shout)
        self.world.shouts.clear()
        for host in self.wire.strays:
            self.complain(f"a call went to {host}")


class Recovery(Cell):
    """A redemption whose answer was lost after the partner acted, and whose recovery meets a fault."""

    async def run(self) -> None:
        api = await self.world.sign_in()
        self.customer = await api.customer()
        attempt = await self.operation.ready(self.world, self.way, self.customer)
        self._forget()
        self.wire.arm(LOST, self.at, self.way.gives)
        await attempt(self.key)
        if not (await self._kept()).open:
            self.moot = True  # the connector knows that its calls leave nothing behind
            return
        self._forget()
        await self.wire.rearm(self.fault, self.at)
        await self.resume()
        await self._calm()
        await self.resume()
        again = await attempt(self.key)
        if not again.well and not (await self._kept()).orphan:
            self.complain(f"neither linked nor an orphan: {again.status} {again.code}")
        await self._settle_up()
        self._listen()


# ── the table ─────────────────────────────────────────────────────────────────────────────────


async def honestly(world: World, way: Way, operation: Operation) -> tuple[list[str], Any]:
    """The calls of an operation to which nothing happens, and what it then tells."""
    customer = await (await world.sign_in()).customer()
    attempt = await operation.ready(world, way, customer)
    way.forget(world.connector(way.key))
    world.wires[way.key].arm(None, -1, way.gives)
    told = await attempt(f"honest-{next(numbers)}")
    calls = list(world.wires[way.key].calls)
    assert told.well, (way.label, operation.name, told)
    assert calls, (way.label, operation.name)
    return calls, await operation.truth(world, way, told)


async def row(world: World, way: Way, operation: Operation, tally: Tally, *, every: bool) -> None:
    """All faults of one operation: at every call of it, or each at one call in turn."""
    calls, honest = await honestly(world, way, operation)
    indexes = range(len(calls))
    faults = (*FAULTS, *way.words)
    assert every or len(faults) >= len(calls), "a call would meet no fault"
    for number, fault in enumerate(faults):
        for at in indexes if every else [number % len(calls)]:
            kind = Recovery if operation is RESUME else Cell
            cell = kind(world, way, operation, fault, at, honest)
            await cell.run()
            if cell.moot:
                return
            tally.add(cell)


async def fill(
    world: World, ways: Iterable[Way], operations: Iterable[Operation], *, every: bool
) -> Tally:
    tally = Tally()
    for way, operation in itertools.product(ways, operations):
        if reason := why_not(world, way, operation):
            print(f"{way.label}, {operation.name}: no row, as {reason}")
        else:
            await row(world, way, operation, tally, every=every)
    return tally
