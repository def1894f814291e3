"""The gateway against what people use instead: Prism and Mockoon on Dwolla's OpenAPI document, and
a program that a team writes for itself with FastAPI.

The mocks keep nothing and check little; the gateway keeps every row for good, seals what is secret
and answers each request as Dwolla would. Its partner answers at once, as nobody asks a mock's.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench import CONNECTIONS, ROUNDS, SECONDS, Bars, Note
from bench.gateway import raw_commits
from bench.load import check, fire, load, request
from bench.serving import Contestant, Missing, Program, free_port, link, postgres, serve

HERE = Path(__file__).parent
# Not part of the repository: Dwolla's document, beside it.
SPEC = HERE.parents[1] / "shared" / "specs" / "dwolla-openapi.yml"
NODE = HERE / "node"
FASTAPI = HERE / "fastapi_app"

# There are many turns in a round, and none is of a slow thing.
TURN_S = SECONDS / 4
STARTS = min(ROUNDS, 3)
CUSTOMERS = 1_000

REQUESTS = ("token", "get_exchange", "list", "post_session", "post_exchange", "post_source")
# Prism refuses /token: the document names a security scheme there that it does not define.
PRISM_ANSWERS = REQUESTS[1:]

BARS: Bars = {
    **{f"{name}_of_prism": (15.0, "at least") for name in PRISM_ANSWERS},
    "get_exchange_of_nothing": (0.50, "at least"),
    "post_session_of_raw_commits": (0.60, "at least"),
    "gateway_start_s": (0.7, "under"),
    "gateway_memory_mb": (120.0, "under"),
    "gateway_postgres_memory_mb": (120.0, "under"),
    "gateway_2_workers_memory_mb": (120.0, "under"),
}

Turn = Callable[[], bytes | Iterator[bytes]]


@dataclass
class Rival:
    """A program and what it is sent; `requests` are made anew for each turn."""

    name: str
    program: Program
    requests: dict[str, tuple[Turn, int]]


def run(note: Note) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        nothing = started(stack, Contestant("nothing", folder, ready="/"))
        bare = request(nothing.port, "GET", "/")
        rivals = list(there(stack, folder))
        raw = raw_commits(folder, folder / "instant" / "tallystick.db")
        for _ in range(ROUNDS):
            load(note, "nothing", nothing.port, bare, 200, TURN_S)
            note("raw_commits", raw())
            for name in REQUESTS:
                for rival in rivals:
                    if name in rival.requests:
                        turn, expected = rival.requests[name]
                        figure = f"{name}.{rival.name}"
                        load(note, figure, rival.program.port, turn(), expected, TURN_S)
        for rival in rivals:
            note(f"{rival.name}_memory_mb", rival.program.memory_mb())
    with tempfile.TemporaryDirectory() as name:
        starts(note, Path(name))


def ratios(medians: dict[str, float]) -> dict[str, float]:
    found = {
        "get_exchange_of_nothing": medians["get_exchange.gateway_per_s"] / medians["nothing_per_s"],
        "post_session_of_raw_commits": (
            medians["post_session.gateway_per_s"] / medians["raw_commits"]
        ),
    }
    for rival in ("prism", "mockoon", "fastapi"):
        for name in REQUESTS:
            if theirs := medians.get(f"{name}.{rival}_per_s"):
                found[f"{name}_of_{rival}"] = medians[f"{name}.gateway_per_s"] / theirs
    for name in REQUESTS:
        if (one := medians.get(f"{name}.gateway_postgres_per_s")) and (
            two := medians.get(f"{name}.gateway_2_workers_per_s")
        ):
            found[f"{name}_2_workers_of_1"] = two / one
    ends = ("_memory_mb", "_start_s")
    return found | {name: value for name, value in medians.items() if name.endswith(ends)}


# ── the rivals ────────────────────────────────────────────────────────────────────────────────


def there(stack: contextlib.ExitStack, folder: Path) -> Iterator[Rival]:
    """Every rival that this machine can run, started and led to where it can be measured."""
    instant = started(stack, Contestant("instant", folder))
    yield Rival("gateway", instant, stateful(instant))
    for name, workers in (("gateway_postgres", 1), ("gateway_2_workers", 2)):
        with skipping(name):
            url = stack.enter_context(postgres())
            data_dir = str(folder / name)
            made = Contestant(
                "instant", folder, data_dir=data_dir, database_url=url, workers=workers
            )
            yield Rival(name, started(stack, made), stateful(made))
    for name, mock in MOCKS.items():
        with skipping(name):
            program = started(stack, mock())
            requests = stateless(program.port)
            if name == "prism":
                del requests["token"]
            yield Rival(name, program, requests)
    with skipping("fastapi"):
        program = started(stack, fastapi(folder / "fastapi.db"))
        yield Rival("fastapi", program, stateful(program))


@contextlib.contextmanager
def skipping(name: str) -> Iterator[None]:
    """What is not on this machine is left out, and its bars count as not met."""
    try:
        yield
    except Missing as missing:
        print(f"{name} is left out: {missing}", file=sys.stderr)


def started(stack: contextlib.ExitStack, program: Program) -> Program:
    stack.callback(program.stop)
    return program


def prism() -> Program:
    port = free_port()
    command = [node("prism"), "mock", "--host", "127.0.0.1", "--port", str(port), str(spec())]
    return Program(command, port, "/exchange-partners")


def mockoon() -> Program:
    port = free_port()
    options = ["--hostname", "127.0.0.1", "--port", str(port), "--data", str(spec())]
    return Program([node("mockoon-cli"), "start", *options], port, "/exchange-partners")


MOCKS = {"prism": prism, "mockoon": mockoon}


def spec() -> Path:
    if not SPEC.exists():
        raise Missing(f"{SPEC.name} is not in ../shared/specs")
    return SPEC


def node(command: str) -> str:
    path = NODE / "node_modules" / ".bin" / command
    if not path.exists():
        if not shutil.which("npm"):
            raise Missing("npm is not here")
        options = ["--prefix", str(NODE), "--silent", "--no-fund", "--no-audit"]
        subprocess.run(["npm", "ci", *options], check=True)
    return str(path)


def fastapi(database: Path) -> Program:
    python = FASTAPI / ".venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(FASTAPI / ".venv")], check=True)
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", str(FASTAPI / "requirements.txt")], check=True)
    port = free_port()
    options = ["--app-dir", str(FASTAPI), "--host", "127.0.0.1", "--port", str(port)]
    command = [str(python), "-m", "uvicorn", "app:app", *options]
    return Program(command, port, "/openapi.json", BENCH_DATABASE=str(database), PYTHONPATH="")


# ── what they are sent ────────────────────────────────────────────────────────────────────────


def stateless(port: int) -> dict[str, tuple[Turn, int]]:
    """The requests for a mock, which knows no ids and forgets every body."""
    customer = "/customers/00000000-0000-4000-8000-000000000000"
    exchange = "/exchanges/00000000-0000-4000-8000-000000000000"
    partner = "http://127.0.0.1/exchange-partners/00000000-0000-4000-8000-000000000000"
    own = Bodies(partner)

    def post(path: str, body: bytes) -> Turn:
        return lambda: request(port, "POST", path, "of-nobody", body)

    return {
        "token": (lambda: token_request(port), 200),
        "get_exchange": (lambda: request(port, "GET", exchange, "of-nobody"), 200),
        "list": (lambda: request(port, "GET", "/customers?limit=25", "of-nobody"), 200),
        "post_session": (post(f"{customer}/exchange-sessions", own.session()), 201),
        "post_exchange": (post(f"{customer}/exchanges", own.exchange(1)), 201),
        "post_source": (
            post(f"{customer}/funding-sources", own.source(f"http://127.0.0.1{exchange}")),
            201,
        ),
    }


def stateful(program: Program) -> dict[str, tuple[Turn, int]]:
    """The requests for a program that keeps rows: a proof is good once, a source is made once."""
    client, port = program.client, program.port
    token, customer, partner = link(client)
    own = Bodies(partner)
    numbers, spent = count(1), set[str]()

    def post(path: str, body: bytes) -> bytes:
        return request(port, "POST", f"{customer}/{path}", token, body)

    def exchanges() -> Iterator[bytes]:
        return (post("exchanges", own.exchange(number)) for number in numbers)

    def sources() -> Iterator[bytes]:
        """One for each exchange that was made since the last turn."""
        listed = client.get(f"{customer}/exchanges").json()
        shown = listed.get("_embedded", listed)["exchanges"]
        fresh = {each["id"] for each in shown} - spent
        spent.update(fresh)
        return (
            post("funding-sources", own.source(f"http://127.0.0.1:{port}/exchanges/{e}"))
            for e in fresh
        )

    def customers() -> Iterator[bytes]:
        for number in range(CUSTOMERS - 1):
            body = {"firstName": "Ada", "lastName": "Byron", "email": f"ada{number}@example.com"}
            yield request(port, "POST", "/customers", token, json.dumps(body).encode())

    check(fire(port, customers(), 201, 60, CONNECTIONS))
    check(fire(port, exchanges(), 201, 0.1, 1))
    check(fire(port, post("exchange-sessions", own.session()), 201, 0.1, 1))
    listed = client.get(f"{customer}/exchanges").json()
    first = listed.get("_embedded", listed)["exchanges"][0]["id"]
    session = post("exchange-sessions", own.session())
    return {
        "token": (lambda: token_request(port), 200),
        "get_exchange": (lambda: request(port, "GET", f"/exchanges/{first}", token), 200),
        "list": (lambda: request(port, "GET", "/customers?limit=25", token), 200),
        "post_session": (lambda: session, 201),
        "post_exchange": (exchanges, 201),
        "post_source": (sources, 201),
    }


def token_request(port: int) -> bytes:
    basic = base64.b64encode(b"sandbox-key:sandbox-secret").decode()
    form = "application/x-www-form-urlencoded"
    body = b"grant_type=client_credentials"
    return request(port, "POST", "/token", body=body, authorization=f"Basic {basic}", kind=form)


class Bodies:
    """What a client sends who links accounts through one partner."""

    def __init__(self, partner: str) -> None:
        self._links = {"exchange-partner": {"href": partner}}

    def session(self) -> bytes:
        return json.dumps({"_links": self._links}).encode()

    def exchange(self, number: int) -> bytes:
        proof = {"publicToken": f"public-sandbox-{number:012d}"}
        return json.dumps({"_links": self._links, "plaid": proof}).encode()

    def source(self, exchange: str) -> bytes:
        links = {"exchange": {"href": exchange}}
        body = {"_links": links, "bankAccountType": "checking", "name": "Checking"}
        return json.dumps(body).encode()


# ── start-up ──────────────────────────────────────────────────────────────────────────────────


def starts(note: Note, folder: Path) -> None:
    """From starting a program to its first answer; the gateway and FastAPI on a store that is
    there.
    """
    makers: dict[str, Callable[[], Program]] = {
        "gateway": lambda: serve(folder / "start"),
        "fastapi": lambda: fastapi(folder / "start.db"),
        **MOCKS,
    }
    makers["gateway"]().stop()
    for _ in range(STARTS):
        for name, make in makers.items():
            with skipping(name):
                program = make()
                program.stop()
                note(f"{name}_start_s", program.started_s)
