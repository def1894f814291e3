"""Every partner, every operation, every fault: what the caller is told, and what is left behind.

A cell is one operation at one partner of which one call meets one fault. It is well when the answer
is documented and says whose trouble it is, nothing is half written, nobody is blamed for what he did
not do, and, once the fault is over, the same request ends in exactly one exchange, or its grant is
in the orphan ledger. The short form gives every fault one of an operation's calls, in turn; the long
form all of them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest

from tallystick.api.exchanges import redemption, service
from tallystick.errors import RequestTimeout
from tallystick.partners.contract import Proof
from tallystick.partners.errors import PartnerUnavailable
from tallystick.store import idempotency

from .databases import postgres, sqlite
from .partner_cells import Cell, Tally, fill, honestly
from .partner_faults import FAULTS, LOST, World, world
from .partner_links import OLD_BALANCE, OPERATIONS, REDEEM, RESUME, WAYS, why_not

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.timeout(1_800),
    # On one worker, so that one figure can be given for all.
    pytest.mark.xdist_group("partner faults"),
]

LONG = bool(os.environ.get("TALLYSTICK_TESTS_LONG"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is such a place: nobody pulls the plug here, and syncing takes long."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as made:
        yield Path(made)


@pytest.fixture
async def here(folder: Path) -> AsyncIterator[World]:
    async with world(folder, sqlite(folder)) as made:
        yield made


# ── the harness proves itself ─────────────────────────────────────────────────────────────────


def swallow(world: World, monkeypatch: Any) -> None:
    """A connector to which an error is an empty list."""
    connector = world.connector("mx")
    honest = connector.list_connections

    async def list_connections(person: str) -> Any:
        try:
            return await honest(person)
        except PartnerUnavailable:
            return []

    monkeypatch.setattr(connector, "list_connections", list_connections)


def give_up(_world: World, monkeypatch: Any) -> None:
    """A service to which a lost answer is a failure."""
    monkeypatch.setattr(redemption, "PartnerUnavailable", type("Never", (Exception,), {}))


def repeat(_world: World, monkeypatch: Any) -> None:
    """A service that redeems once more when the answer was lost, as if for another proof, and
    leaves the first attempt open.
    """
    honest, intent = redemption.redeem, redemption._intent

    async def redeem(core: Any, *args: Any) -> Any:
        try:
            return await honest(core, *args)
        except RequestTimeout:
            await idempotency.release(core.db, args[4])
            return await honest(core, *args)

    def salted(*args: Any) -> Any:
        return msgspec.structs.replace(intent(*args), proof_hash=os.urandom(32))

    monkeypatch.setattr(service, "redeem", redeem)
    monkeypatch.setattr(redemption, "_intent", salted)
    monkeypatch.setattr(Proof, "only_looked_at", False)
    for kind in Proof.__subclasses__():
        monkeypatch.setattr(kind, "only_looked_at", False)


def crash(world: World, monkeypatch: Any) -> None:
    """A connector that raises what nobody expects."""
    connector = world.connector("flinks")

    async def read_balance(*_args: Any) -> Any:
        raise RuntimeError("as arranged")

    monkeypatch.setattr(connector, "read_balance", read_balance)


@pytest.mark.parametrize(
    ("bug", "label", "name", "said"),
    [
        (swallow, "mx", "list connections", "told [], which is not"),
        (give_up, "plaid", "redeem", "a grant is lost"),
        (repeat, "mx", "redeem", "2 exchanges for one proof"),
        (repeat, "plaid", "redeem", "the client is blamed: 401"),
        (crash, "flinks", "read balance", "unexpected: RuntimeError"),
    ],
)
async def test_the_harness_catches_a_seeded_bug(
    here: World, monkeypatch: Any, bug: Any, label: str, name: str, said: str
) -> None:
    way, operation = WAYS[label], next(each for each in OPERATIONS if each.name == name)
    if reason := why_not(here, way, operation):
        pytest.skip(reason)
    calls, honest = await honestly(here, way, operation)
    bug(here, monkeypatch)
    wrong = []
    for fault in (LOST, next(each for each in FAULTS if each.name == "500")):
        cell = Cell(here, way, operation, fault, len(calls) - 1, honest)
        with contextlib.suppress(AssertionError):
            await cell.run()
        wrong += cell.wrong
    assert [each for each in wrong if said in each], wrong


# ── and is let loose ──────────────────────────────────────────────────────────────────────────

SHORT = tuple(each for each in OPERATIONS if each is not OLD_BALANCE)
TOTAL: list[Tally] = []


@pytest.mark.parametrize("label", WAYS)
async def test_every_fault_is_explained_and_loses_nothing(here: World, label: str) -> None:
    way = WAYS[label]
    if way.key not in here.wires:
        pytest.skip(f"{way.key} is not in this tree")
    tally = await fill(here, [way], OPERATIONS if LONG else SHORT, every=LONG)
    TOTAL.append(tally)
    print(f"{label}: {tally}")
    assert not tally.wrong, f"{tally}\n" + "\n".join(tally.wrong)


async def test_on_postgres_as_well(folder: Path) -> None:
    """A sample: where grants are given that can be lost."""
    with postgres() as url:
        async with world(folder, url) as here:
            ways = [way for way in WAYS.values() if way.gives and way.key in here.wires]
            tally = await fill(here, ways if LONG else ways[:1], [REDEEM, RESUME], every=LONG)
    print(f"PostgreSQL: {tally}")
    assert not tally.wrong, f"{tally}\n" + "\n".join(tally.wrong)


def test_the_figure() -> None:
    """Of all partners together; those above must have run in this process."""
    if not TOTAL:
        pytest.skip("the table was not filled in this run")
    whole = Tally()
    for each in TOTAL:
        whole.merge(each)
    print(f"\n{whole}")
    assert (whole.explained, whole.lost, whole.double) == (whole.cells, 0, 0), str(whole)
