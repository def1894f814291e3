"""The simulator in this process, and an integrator's server that has signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tallystick.partners.finicity.tests.finicity_world import Integrator, World, shelf_path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Every answer that it gives is held against Mastercard's document."""
    world = World(shelf_path(tmp_path))
    yield world
    assert world.inspector.complaints == []
    assert world.inspector.checked > 0
    world.db.close()


@pytest.fixture
async def shop(world: World) -> AsyncIterator[Integrator]:
    async with world.integrator() as shop:
        yield shop
