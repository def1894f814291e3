"""The programs that are measured: started, waited for, and led to a linked exchange."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx2

HAL = "application/vnd.dwolla.v1.hal+json"


START_S = 60
POSTGRES = os.environ.get("TALLYSTICK_TESTS_POSTGRES", "postgresql://postgres@127.0.0.1:5432")
READY = "/_tallystick/health/ready"


class Program:
    """A process that serves, from its start to its end; `started_s` is how long it took.

    `ready` is a path that it answers with 200 once it serves.
    """

    def __init__(self, command: Sequence[str], port: int, ready: str, **environ: str) -> None:
        self.port = port
        self.client = httpx2.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Accept": HAL, "Authorization": "Bearer of-nobody"},
            trust_env=False,
            timeout=30,
        )
        started = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environ},
        )
        try:
            wait_for(self.client, ready, self.process)
        except BaseException:
            self.process.kill()
            raise
        self.started_s = time.perf_counter() - started

    def stop(self) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def memory_mb(self) -> float:
        """What the largest of its processes holds."""
        pids = [self.process.pid, *_children(self.process.pid)]
        return max(_resident_mb(pid) for pid in pids)

    def open_files(self) -> float:
        return float(len(list(Path(f"/proc/{self.process.pid}/fd").iterdir())))

    def cpu_s(self) -> float:
        """Processor time of all its threads and children so far; unlike the clock's, it does not
        care who else is at work on the machine.
        """
        pids = [self.process.pid, *_children(self.process.pid)]
        threads = (each for pid in pids for each in Path(f"/proc/{pid}/task").iterdir())
        return sum(int((each / "schedstat").read_text().split()[0]) for each in threads) / 1e9


class Contestant(Program):
    """One of `bench.contestants`, with its data in a folder of its own."""

    def __init__(
        self,
        which: str,
        folder: Path,
        ready: str = READY,
        environ: Mapping[str, str] | None = None,
        **flags: Any,
    ) -> None:
        port = free_port()
        flags = {"data_dir": str(folder / which), "port": port, "log_level": "info", **flags}
        command = [sys.executable, "-m", "bench.contestants", which, json.dumps(flags)]
        super().__init__(command, port, ready, **environ or {})


def serve(data_dir: Path) -> Program:
    """`tallystick serve` as a user starts it."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("tallystick")), "serve"]
    return Program([*command, "--port", str(port), "--data-dir", str(data_dir)], port, READY)


class Missing(Exception):
    """This machine lacks what a contestant needs."""


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of a new database, as durable as its server is set up to be. Raises Missing."""
    name = f"tallystick_bench_{time.monotonic_ns()}"
    create_database(name)
    try:
        yield f"{POSTGRES}/{name}"
    finally:
        asyncio.run(_on_server(f'DROP DATABASE "{name}" WITH (FORCE)'))


def create_database(name: str) -> None:
    """Raises Missing."""
    asyncio.run(_on_server(f'CREATE DATABASE "{name}"'))


async def _on_server(sql: str) -> None:
    try:
        connection = await asyncpg.connect(f"{POSTGRES}/postgres")
    except (OSError, asyncpg.PostgresError) as error:
        raise Missing(f"PostgreSQL at {POSTGRES} ({type(error).__name__})") from None
    await connection.execute(sql)
    await connection.close()


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(each) for each in text.split()]


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(client: httpx2.Client, path: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx2.HTTPError):
            if client.get(path).status_code == 200:
                return
        time.sleep(0.005)
    raise SystemExit(f"did not start: {process.args!r}")


def link(client: httpx2.Client) -> tuple[str, str, str]:
    """An access token, a customer's path and the address of Plaid."""
    token = sign_in(client)
    email = f"bench{time.time_ns()}@example.com"  # a store may be used again
    body = {"firstName": "Ada", "lastName": "Byron", "email": email}
    customer = client.post("/customers", json=body).headers["location"]
    return token, httpx2.URL(customer).path, plaid(client)


def sign_in(client: httpx2.Client) -> str:
    """A new access token, which lasts an hour and is the client's from now on."""
    answer = client.post(
        "/token",
        auth=("sandbox-key", "sandbox-secret"),
        data={"grant_type": "client_credentials"},
    )
    token: str = answer.json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return token


def plaid(client: httpx2.Client) -> str:
    partners = client.get("/exchange-partners").json()["_embedded"]["exchange-partners"]
    hrefs: dict[str, str] = {each["name"]: each["_links"]["self"]["href"] for each in partners}
    return hrefs["Plaid"]


def exchange(client: httpx2.Client, customer: str, partner: str) -> str:
    partner_link = {"_links": {"exchange-partner": {"href": partner}}}
    session = client.post(f"{customer}/exchange-sessions", json=partner_link).headers["location"]
    done = client.post(
        f"/_tallystick/control/sessions/{session.rpartition('/')[2]}/complete",
        json={"institution": "ins_109508", "user": "user_good", "password": "pass_good"},
    ).json()
    proof = {**partner_link, "plaid": {"publicToken": done["publicToken"]}}
    made: str = client.post(f"{customer}/exchanges", json=proof).headers["location"]
    return httpx2.URL(made).path
