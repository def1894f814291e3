"""Receivers of webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.receiver import OK, Receiver


@pytest.fixture
async def receive() -> AsyncIterator[Callable[..., Awaitable[Receiver]]]:
    """`await receive()` starts a receiver; it is stopped when the test ends."""
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
