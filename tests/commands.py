"""Commands as a person runs them, an application that they act for, and a receiver."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tallystick import Client

from .requirements import ROOT

TALLYSTICK = (sys.executable, "-m", "tallystick")
SECRET = "a secret of a receiver"
_numbers = itertools.count(1)


def environment(**more: str) -> dict[str, str]:
    """This process's without settings of a gateway, and with our sources first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
    return {**kept, "PYTHONPATH": str(ROOT / "src"), **more}


def run(*words: str, cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TALLYSTICK, *words], cwd=cwd, env=environment(**more), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def answer(*words: str, **more: str):
    done = run(*words, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@dataclass
class Hook:
    """A receiver: `status` says how it answers; `got` is what it was sent."""

    status: Callable[[int], int] = lambda _number: 200
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _, body in self.got]

    def wait_for(self, count: int) -> list[str]:
        deadline = time.monotonic() + 60
        while len(self.got) < count:
            assert time.monotonic() < deadline, f"{len(self.got)} of {count}"
            time.sleep(0.02)
        return self.ids()


@dataclass
class Application:
    """An application of the shared gateway, and the environment of a command that acts for it."""

    client: Client
    environ: dict[str, str]

    def customer(self) -> str:
        """Makes one; the id of its event."""
        email = f"listener{next(_numbers)}@example.com"
        self.client.customers.create(first_name="Ada", last_name="Byron", email=email)
        return self.client.events.list(limit=1)[0].id


@contextlib.contextmanager
def started(app: Application, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on; at the end it is interrupted, and must end cleanly."""
    running = subprocess.Popen(
        [*TALLYSTICK, *words], cwd=ROOT, env=environment(**app.environ),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield running
        running.send_signal(signal.SIGINT)
        assert running.wait(15) == 0
    finally:
        running.kill()
        running.communicate()


@contextlib.contextmanager
def listening(app: Application, hook: Hook, *more: str) -> Iterator[subprocess.Popen[str]]:
    words = ("listen", "--forward-to", hook.url, "--secret", SECRET, *more)
    with started(app, *words) as running:
        assert running.stderr is not None
        assert "Ctrl-C ends" in running.stderr.readline()
        yield running
