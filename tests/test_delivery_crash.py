"""`kill -9` between any two steps of a delivery: every event is delivered at least once, in order,
and not often more than once. The sweep runs until a process survives, and proves itself on a bug.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.api.webhooks.queue import LEASE_MS

from . import databases, delivery_crash_child
from .gateway import in_process

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(600)]

STEPS_MAX = 60

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.delivery_crash_child", "tallystick.cli.sandbox"])


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[str]]]:
    """The address of a receiver in a thread, and the topics it was told."""
    topics: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            topics.append(json.loads(body)["topic"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", topics
    server.shutdown()
    server.server_close()


async def complaints(folder: Path, database_url: str, topics: list[str]) -> list[str]:
    """What is wrong after recovery; nothing, if all is well."""
    async with in_process(folder, database_url, deliver_webhooks=False) as gateway:
        gateway.clock.advance(LEASE_MS)
        await gateway.process.drain()
        client = gateway.client()
        await client.sign_in()
        listed = (await client.get("/webhook-subscriptions")).json()["_embedded"]
        path = listed["webhook-subscriptions"][0]["_links"]["webhooks"]["href"]
        webhooks = (await client.get(path)).json()["_embedded"]["webhooks"][::-1]
    wrong = []
    if list(dict.fromkeys(topics)) != delivery_crash_child.EVENTS:
        wrong.append(f"told {topics}")
    if len(topics) > len(delivery_crash_child.EVENTS) + 1:
        wrong.append(f"told too often: {topics}")
    wrong += [
        f"{webhook['topic']} has attempts {webhook['attempts']}"
        for webhook in webhooks
        if [each["response"]["statusCode"] for each in webhook["attempts"]] != [200]
    ]
    return wrong


async def sweep(
    tmp_path: Path, url_for: Any, inbox: tuple[str, list[str]], *, bug: bool
) -> dict[int, list[str]]:
    """Kill at step 0, 1, 2 … until a process survives; what was wrong after each."""
    hook, topics = inbox
    found = {}
    for kill_at in range(STEPS_MAX):
        folder = tmp_path / f"{bug}-{kill_at}"
        folder.mkdir()
        topics.clear()
        with url_for(folder) as url:
            child = _context.Process(
                target=delivery_crash_child.run, args=(str(folder), url, hook, kill_at, bug)
            )
            child.start()
            child.join(60)
            assert child.exitcode in (0, -9), child.exitcode
            if wrong := await complaints(folder, url, topics):
                found[kill_at] = wrong
        if child.exitcode == 0:
            steps = json.loads((folder / "survived.json").read_text())["steps"]
            assert steps.count("after the receiver") == len(delivery_crash_child.EVENTS)
            print(f"{kill_at} kill points, {len(found)} with something wrong")
            return found
    raise AssertionError("a delivery has more steps than the sweep allows")


@contextlib.contextmanager
def sqlite(folder: Path):
    yield databases.sqlite(folder)


@contextlib.contextmanager
def on_postgres(_folder: Path):
    with databases.postgres() as url:
        yield url


@pytest.mark.parametrize("url_for", [sqlite, on_postgres], ids=["sqlite", "postgres"])
async def test_no_crash_loses_a_webhook(tmp_path, url_for, inbox):
    assert await sweep(tmp_path, url_for, inbox, bug=False) == {}


async def test_the_sweep_catches_a_seeded_bug(tmp_path, inbox):
    assert await sweep(tmp_path, sqlite, inbox, bug=True)
