"""`tallystick worker` delivers what a gateway recorded that does not deliver itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from tallystick.cli import worker
from tallystick.errors import ConfigurationError
from tallystick.server import config
from tallystick.store.sqlite import SqliteDatabase

from .gateway import in_process
from .receiver import OK, Receiver, subscribe, told

pytestmark = pytest.mark.anyio


async def test_workers_deliver_for_a_gateway_that_does_not(tmp_path, database_url):
    receiver = Receiver(OK)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        await deliver_with_workers(tmp_path, database_url, receiver)


async def deliver_with_workers(tmp_path, database_url, receiver):
    folder = str(tmp_path)
    environment = {k: v for k, v in os.environ.items() if "TALLYSTICK" not in k}
    command = (sys.executable, "-m", "tallystick", "worker", "--database-url", database_url)
    async with in_process(tmp_path, database_url, deliver_webhooks=False) as gateway:
        client = await gateway.application()
        subscription = await subscribe(client, receiver)
        await client.customer()
        await asyncio.sleep(0.2)
        assert receiver.got == []
        workers = [
            await asyncio.create_subprocess_exec(
                *command,
                "--data-dir",
                folder,
                cwd=folder,
                env=environment,
                stderr=asyncio.subprocess.PIPE,
            )
            for _ in range(2)
        ]
        try:
            for worker in workers:
                assert (await worker.stderr.readline()).startswith(b"tallystick worker")
            for _ in range(20):
                await client.customer()
            async with asyncio.timeout(90):
                while len(receiver.got) < 21:
                    await asyncio.sleep(0.05)
        finally:
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            codes = [(await worker.communicate(), worker.returncode)[1] for worker in workers]
        assert codes == [0, 0]
        webhooks = await told(client, subscription)
        assert [len(each["attempts"]) for each in webhooks] == [1] * 21


async def test_a_worker_of_a_live_gateway_does_not_start_without_fsync(tmp_path, monkeypatch):
    monkeypatch.setattr(SqliteDatabase, "risks", ["fsync = off"])
    given = {"data_dir": str(tmp_path), "mode": "live", "encryption_key": "00" * 32}
    settings = config.load({**given, "public_url": "https://api.example"}, environ={})
    with pytest.raises(ConfigurationError, match="fsync = off"):
        await worker._run(settings)
