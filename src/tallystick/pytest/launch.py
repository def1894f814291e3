"""Where the gateway of a test run comes from: TALLYSTICK_URL, or a process that is started here.

Under xdist the first worker that needs the gateway starts it, and the others wait for it at a lock
in the folder that the run's workers share.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import httpx2

from tallystick.errors import ConfigurationError, TallystickError
from tallystick.sdk.options import server_url

READY_S = 60.0
LOOK_S = 0.02
STOP_S = 15.0
STDERR_LINES = 12
# Another process may take the free port that was found before the gateway does.
ATTEMPTS = 3

ELSEWHERE = "or set TALLYSTICK_URL to the address of a gateway that runs"

_CHILD = Path(__file__).with_name("child.py")
_OURS = frozenset({"mode", "host", "port", "workers", "data_dir", "database_url", "public_url"})


class NotStarted(TallystickError):
    """There is no gateway to test against; the message says why."""


@dataclass(frozen=True)
class Server:
    """A gateway in sandbox mode. `lifeline` is the file whose removal ends one of ours."""

    url: str
    lifeline: Path | None = None


@dataclass(frozen=True)
class Plan:
    """How a gateway is started: whose life it shares, and what the project's settings are."""

    owner: int
    settings: Sequence[str] = field(default=(), repr=False)

    def environ(self) -> Mapping[str, str]:
        """Ours without the TALLYSTICK_ variables, which may speak of another gateway, a live one.

        What the project sets takes their place. Raises NotStarted.
        """
        found = {name: v for name, v in os.environ.items() if not name.startswith("TALLYSTICK_")}
        for line in self.settings:
            name, equals, value = (part.strip() for part in line.partition("="))
            if not equals or name.lower() in _OURS or not name.isidentifier():
                # Only the first word: what follows may be a secret.
                said = re.match(r"\w*", line.strip())
                raise NotStarted(
                    f"tallystick_settings has a line {said and said[0]!r}: write name = value, "
                    "with a setting of docs/reference/settings.md that is not "
                    f"{', '.join(sorted(_OURS))}"
                )
            found[f"TALLYSTICK_{name.upper()}"] = value
        return found


@contextlib.contextmanager
def own(folder: Path, plan: Plan) -> Iterator[Server]:
    """A gateway of this process alone, until the block ends. Raises NotStarted."""
    _require_posix()
    process, server = _start(folder, plan)
    try:
        yield server
    finally:
        _stop(process)


def shared(root: Path, plan: Plan) -> Server:
    """The one gateway of all workers with this `root`. It lives as long as the plan's owner.

    A start that failed is not tried again by every worker. Raises NotStarted.
    """
    _require_posix()
    import fcntl  # not on Windows

    root.mkdir(mode=0o700, exist_ok=True)
    state = root / "server.json"
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not state.exists():
            state.write_text(json.dumps(_outcome(Path(mkdtemp(dir=root)), plan)))
    found = json.loads(state.read_text())
    if found["failed"]:
        raise NotStarted(found["failed"])
    return Server(found["url"], Path(found["lifeline"]))


def _outcome(folder: Path, plan: Plan) -> Mapping[str, str | None]:
    try:
        process, server = _start(folder, plan)
    except NotStarted as error:
        return {"failed": str(error)}
    process.returncode = 0  # else Popen warns that it outlives this worker, as it must
    return {"failed": None, "url": server.url, "lifeline": str(server.lifeline)}


def given(url: str) -> Server:
    """The gateway at TALLYSTICK_URL, once it is ready. Raises NotStarted."""
    try:
        server = Server(server_url(None, url))
    except ConfigurationError as error:
        raise NotStarted(f"TALLYSTICK_URL: {error}") from None
    with _asking() as http:
        deadline = time.monotonic() + READY_S
        while (status := _readiness(http, server.url)) != 200:
            if status not in (None, 503):
                raise NotStarted(f"TALLYSTICK_URL: {server.url} is no tallystick gateway")
            if time.monotonic() > deadline:
                raise NotStarted(
                    f"TALLYSTICK_URL: {server.url} was not ready within {READY_S:.0f} s"
                )
            time.sleep(LOOK_S)
    return server


def _require_posix() -> None:
    if os.name != "posix":
        raise NotStarted(f"the gateway does not run on Windows: use WSL, {ELSEWHERE}")


# ── one process ───────────────────────────────────────────────────────────────────────────────


def _start(folder: Path, plan: Plan) -> tuple[subprocess.Popen[bytes], Server]:
    environ = plan.environ()
    lifeline = folder / "remove-to-stop"
    lifeline.touch()
    said, code = "", 0
    for attempt in range(ATTEMPTS):
        port = _free_port()
        server = Server(f"http://127.0.0.1:{port}", lifeline)
        log = folder / f"stderr-{attempt}.log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(  # noqa: S603  # our own file, with our own arguments
                [
                    sys.executable, "-P", str(_CHILD), str(plan.owner), str(lifeline),
                    "serve", "--port", str(port), "--data-dir", str(folder),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                cwd=folder,  # no tallystick.toml of the project is read
                env={"TALLYSTICK_LOG_LEVEL": "warning", **environ},
                start_new_session=True,  # Ctrl-C is for pytest, whose fixtures still need us
            )  # fmt: skip
        if _comes_up(process, server.url):
            return process, server
        code = _stop(process)
        said = log.read_text("utf-8", "replace")
        if "cannot listen on" not in said:
            break
    raise NotStarted(_why_not(said, code))


def _comes_up(process: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + READY_S
    with _asking() as http:
        while process.poll() is None and time.monotonic() < deadline:
            if _readiness(http, url) == 200:
                return True
            time.sleep(LOOK_S)
    return False


def _why_not(said: str, code: int) -> str:
    lines = [line for line in said.splitlines() if line.strip()][-STDERR_LINES:]
    missing = "ModuleNotFoundError" in said or "tallystick[server]" in said
    return "\n".join(
        [
            "the tallystick gateway did not start"
            + (f" (exit code {code})" if code >= 0 else f" within {READY_S:.0f} s"),
            *(f"  | {line}" for line in lines or ["(it said nothing)"]),
            *([f"install what it needs, pip install 'tallystick[server]', {ELSEWHERE}"] * missing),
        ]
    )


def _asking() -> httpx2.Client:
    return httpx2.Client(trust_env=False, timeout=5)


def _readiness(http: httpx2.Client, url: str) -> int | None:
    """The status of the readiness check, 404 where there is none; None without an answer."""
    try:
        answer = http.get(f"{url}/_tallystick/health/ready")
    except httpx2.HTTPError:
        return None
    ours = (
        answer.headers.get("content-type") == "application/json" and b'"status"' in answer.content
    )
    return answer.status_code if ours else 404


def _stop(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
