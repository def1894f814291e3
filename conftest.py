"""Fixtures for every folder. Everything that takes a database runs on both engines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.databases import drop_templates, postgres
from tests.gateway import InProcess, Served, in_process, served


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All browser tests on one worker: two Chromiums on two cores only wait for each other.

    One that fails is run once more, and the report says so: what a browser does while the machine
    is busy is not all ours. Nothing else is ever repeated.
    """
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.xdist_group("browser"))
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_sessionfinish() -> None:
    drop_templates()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/tallystick.db"
        return
    with postgres() as url:
        yield url


@pytest.fixture
async def gateway(tmp_path: Path, database_url: str) -> AsyncIterator[InProcess]:
    async with in_process(tmp_path, database_url) as running:
        yield running


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A gateway behind a socket, shared: tests isolate themselves by an application each."""
    folder = tmp_path_factory.mktemp("served")
    if request.param == "sqlite":
        with served(folder, f"sqlite:///{folder}/tallystick.db") as running:
            yield running
        return
    with postgres() as url, served(folder, url) as running:
        yield running
