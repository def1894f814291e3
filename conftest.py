"""Fixtures for every folder. Everything that takes a database runs on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser import launched
from tests.databases import drop_all, postgres, sqlite
from tests.gateway import InProcess, Served, in_process, served
from tests.receiver import OK, Receiver

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_sessionfinish() -> None:
    drop_all()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield sqlite(tmp_path)
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
        with served(folder, sqlite(folder)) as running:
            yield running
        return
    with postgres() as url, served(folder, url) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for all tests of a module: each opens a page of its own (`tests.browser.visit`)."""
    with launched() as chromium:
        yield chromium


@pytest.fixture
async def receive() -> AsyncIterator[Callable[..., Awaitable[Receiver]]]:
    """What starts a receiver of webhooks when awaited; it is stopped when the test ends."""
    servers = []

    async def start(answer: Any = OK, tls: Any = None) -> Receiver:
        receiver = Receiver(answer, scheme="https" if tls else "http")
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
        receiver.port = server.sockets[0].getsockname()[1]
        servers.append(server)
        return receiver

    yield start
    for server in servers:
        server.close()
