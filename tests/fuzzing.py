"""Requests that nobody means to send, and what is wrong with the answers: for tests/test_fuzz.py.

`python -m tests.fuzzing [MUTANTS [EXAMPLES]]` runs all of it, and schemathesis, against a gateway of
its own on each engine, and prints the figures.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import itertools
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs

from tallystick.api import routes

from . import openapi, zoo
from .databases import postgres
from .fuzz_world import Post, World, world
from .raw_http import HANG, Answer, Target, exchange, message, target

# A machine that is busy may take so long; a request that is never answered takes longer.
WAIT_S = 20.0
SIDE_BY_SIDE = 16
GROWTH_MIB_MAX = 32
AGAIN = 2_000

_envelope = jsonschema_rs.validator_for(openapi.ENVELOPE)


@dataclass
class Report:
    """What came of it. `wrong` names each failure, at most twenty of them."""

    what: str
    asked: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    grown_mib: float = 0.0

    def take(self, name: str, answer: Answer, allowed: Iterable[int] | None = None) -> None:
        self.asked += 1
        self.statuses[answer.status] += 1
        self.slowest_s = max(self.slowest_s, answer.seconds)
        said = _wrong(answer, allowed)
        if said and len(self.wrong) < 20:
            self.wrong.append(f"{name}: {said}")

    def __str__(self) -> str:
        errors = sum(count for status, count in self.statuses.items() if status >= 500)
        return (
            f"{self.what}: {self.asked} requests, {errors} answered 5xx, {self.statuses[HANG]} hung,"
            f" {len(self.wrong)} wrong, slowest {self.slowest_s:.2f} s, memory {self.grown_mib:+.1f} MiB"
        )


def _wrong(answer: Answer, allowed: Iterable[int] | None) -> str | None:
    shown = f"{answer.status} {answer.body[:200]!r}"
    if answer.status == HANG:
        return "hung"
    if answer.status >= 500 or (allowed is not None and answer.status not in allowed):
        return shown
    if answer.status >= 400 and answer.content_type.startswith(openapi.HAL):
        try:
            _envelope.validate(json.loads(answer.body))
        except (ValueError, jsonschema_rs.ValidationError):
            return f"not the envelope: {shown}"
    return None


# ── the zoo ───────────────────────────────────────────────────────────────────────────────────


def _allowed(post: Post, body: zoo.Body) -> tuple[int, ...] | None:
    """The controls are the sandbox's own and may be lenient; they may not fall over."""
    if "/control/" in post.path:
        return None
    if post.path == "/token":
        return (400, 401, 413)
    if post.path.startswith("/_"):
        return (400, 401, 404, 413)
    return body.statuses


async def visit_zoo(at: Target, every: bool) -> Report:
    """Each body against each kind of POST; unless `every`, against one kind, in turn."""
    report = Report("body zoo")
    made = await world(at.url)
    bodies, posts = zoo.bodies(), made.posts()
    turns = itertools.cycle(posts)
    visits = itertools.product(bodies, posts) if every else zip(bodies, turns, strict=False)

    async def visit(body: zoo.Body, post: Post) -> None:
        raw = message("POST", post.path, body.raw, {**post.headers, **body.headers})
        answers = await exchange(at.port, raw, wait_s=WAIT_S)
        report.take(f"{post.name}, {body.name}", answers[0], _allowed(post, body))

    await _together(visit(body, post) for body, post in visits)
    return report


async def tell_lies(at: Target) -> Report:
    """Each lie to the API and to the token's endpoint: one answer at most, and never for ever."""
    report = Report("lies about length")
    made = await world(at.url)
    head = "".join(f"{name}: {value}\r\n" for name, value in made.headers.items())

    async def lie(each: zoo.Lie, path: str) -> None:
        raw = f"POST {path} HTTP/1.1\r\nHost: x\r\n{head}".encode() + each.rest
        answers = await exchange(
            at.port, raw, wait_s=WAIT_S, trickle_s=each.trickle_s, second_s=0.3
        )
        report.take(f"{path}, {each.name}", answers[0], each.statuses)
        if len(answers) > 1 and 200 <= answers[1].status < 300:
            report.wrong.append(f"{path}, {each.name}: a second answer, {answers[1].status}")

    await _together(lie(each, path) for each in zoo.lies() for path in ("/customers", "/token"))
    return report


# ── mutations ─────────────────────────────────────────────────────────────────────────────────

_BITS = (
    b"\0", b"\r\n", b"\n", b"\r\n\r\n", b"%00", b"%2e%2e%2f", b"../", b"\xff\xfe", b"\xed\xa0\x80",
    b"\\u0000", b"\\ud800", b"NaN", b"1e999", b"-1", b"9" * 40, b"null", b"[]", b"{}", b'"', b"{" * 40,
    b"\xe2\x80\xae", b"' OR 1=1--", b"<script>", b"${7*7}", b"\x7f", b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n", b"?limit=-1", b"&", b";", b"=", b"%", b"%zz", b"\t", b" " * 30,
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**63, 10**19, -(10**19), 1.5, 1e308, "", " ", "0", "null", "\0", "\ud800",
    "\u202e", "x" * 300, "x" * 8_192, [], {}, [[]], {"href": {}}, {"": ""}, "http://127.0.0.1:1/", "javascript:1",
    "00000000-0000-0000-0000-000000000000", "２２２２２２２２６", "222222226\n", "a@b", "true", [None] * 50, {"href": None},
)  # fmt: skip


def seeds(made: World) -> list[tuple[str, str, Any]]:
    """(method, path, body) of one good request for every operation."""
    found = [
        (route.method, made.path(route), made.bodies.get(route.operation)) for route in routes()
    ]
    for route in routes():
        if route.query:
            query = "&".join(f"{name}=1" for name in route.query)
            found.append((route.method, f"{made.path(route)}?{query}", None))
    return found


def mutant(chance: random.Random, made: World, good: tuple[str, str, Any]) -> bytes:
    """One request with one to four things wrong. Half of them are still JSON and whole HTTP."""
    method, path, body = good
    whole = chance.random() < 0.5
    if whole and body is not None:
        body = copy.deepcopy(body)
        for _ in range(chance.randint(1, 3)):
            _twist(chance, body)
    raw_body = b"" if body is None else json.dumps(body).encode("utf-8", "surrogatepass")
    headers = {**made.headers, "Content-Type": zoo.JSON, "Connection": "close"}
    if whole and (body is None or chance.random() < 0.3):
        at = chance.randrange(1, len(path) + 1)
        bit = chance.choice(_BITS).replace(b"\r\n", b"%0d%0a").decode("latin-1")
        path = path[:at] + bit + path[at:]
    raw = message(method, path, raw_body, headers)
    if not whole:
        for _ in range(chance.randint(1, 4)):
            raw = _scramble(chance, raw)
    return raw


def _twist(chance: random.Random, body: Any) -> None:
    """Replace, remove or add one member somewhere in a body."""
    at = body
    while isinstance(at, dict) and at:
        name = chance.choice(list(at))
        if isinstance(at[name], dict) and at[name] and chance.random() < 0.6:
            at = at[name]
            continue
        value = copy.deepcopy(chance.choice(_VALUES))
        match chance.randrange(4):
            case 0:
                del at[name]
            case 1:
                at[chance.choice(("type", "status", "id", "_embedded", "plaidToken", "x" * 60))] = (
                    value
                )
            case _:
                at[name] = value
        return


def _scramble(chance: random.Random, raw: bytes) -> bytes:
    at = chance.randrange(len(raw) + 1)
    span = chance.randint(1, 12)
    match chance.randrange(5):
        case 0:
            return raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]
        case 1:
            return raw[:at] + raw[at + span :]
        case 2:
            return raw[:at] + raw[at : at + span] + raw[at:]
        case 3:
            return raw[:at] + chance.choice(_BITS) + raw[at:]
        case _:
            return raw[:at] + chance.randbytes(span) + raw[at:]


async def mutate(at: Target, count: int, seed: int) -> Report:
    """`count` mutants. Memory is compared from a quarter of the way on, when all is warm."""
    report = Report(f"mutants of seed {seed}")
    chance = random.Random(seed)
    warm, fresh_until = 0.0, 0
    step = min(AGAIN, max(count // 4, 1))
    for start in range(0, count, step):
        if start >= fresh_until:
            made, fresh_until = await world(at.url), start + AGAIN
        goods = seeds(made)
        size = min(step, count - start)
        raws = [mutant(chance, made, chance.choice(goods)) for _ in range(size)]
        await _together(_send(at, report, raw) for raw in raws)
        if not warm and start + size >= count // 4:
            warm = at.rss_mib()
        if report.statuses[HANG] > 5:  # each costs WAIT_S
            break
    report.grown_mib = at.rss_mib() - warm
    if report.grown_mib > GROWTH_MIB_MAX:
        report.wrong.append(f"memory grew by {report.grown_mib:.0f} MiB")
    ready = await exchange(at.port, message("GET", "/_tallystick/health/ready"), wait_s=WAIT_S)
    if ready[0].status != 200:
        report.wrong.append("not ready afterwards")
    return report


def read_log(at: Target) -> Report:
    """Whatever was sent, each line of the log is one JSON object (threat T37)."""
    report = Report("log")
    for line in at.log.read_bytes().split(b"\n"):
        if not line:
            continue
        report.asked += 1
        try:
            good = isinstance(json.loads(line), dict)
        except ValueError:
            good = False
        if not good:
            report.wrong.append(repr(line[:200]))
    return report


async def _send(at: Target, report: Report, raw: bytes) -> None:
    answer = (await exchange(at.port, raw, wait_s=WAIT_S))[0]
    report.take(repr(raw[:300]), answer)


async def _together(work: Iterable[Any]) -> None:
    """SIDE_BY_SIDE at a time."""
    waiting: Iterator[Any] = iter(work)

    async def one_by_one() -> None:
        for each in waiting:
            await each

    await asyncio.gather(*(one_by_one() for _ in range(SIDE_BY_SIDE)))


# ── the figures ───────────────────────────────────────────────────────────────────────────────


def runs(at: Target, mutants: int, examples: int) -> Iterator[Callable[[], Report]]:
    from . import schema_fuzzing

    yield lambda: asyncio.run(visit_zoo(at, every=True))
    yield lambda: asyncio.run(tell_lies(at))
    yield lambda: asyncio.run(mutate(at, mutants, 1))
    for whose, document in schema_fuzzing.documents().items():
        if document is not None:
            yield functools.partial(schema_fuzzing.fuzz, at, whose, document, examples)
    yield lambda: read_log(at)


def main() -> None:
    given = [int(each) for each in sys.argv[1:3]]
    mutants, examples = given + [100_000, 1_000][len(given) :]
    folder = Path(tempfile.mkdtemp())
    failed = False
    with postgres() as url:
        for name, database in (("sqlite", f"sqlite:///{folder}/sqlite/t.db"), ("postgres", url)):
            with target(folder / name, database) as at:
                for run in runs(at, mutants, examples):
                    started = time.monotonic()
                    report = run()
                    failed = failed or bool(report.wrong)
                    print(f"{name}, {report}, took {time.monotonic() - started:.0f} s", flush=True)
                    for each in report.wrong:
                        print(f"  {each}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
