"""A gateway in a process of its own, for the fuzzers: they watch its memory and may seed a bug.

`python -m tests.fuzz_child FOLDER DATABASE_URL [BUG]` prints the address and serves until its
standard input ends. Heads and bodies have a second here, not ten or fifteen, so that a request
which never ends does not hold up a hundred thousand others.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from tallystick import body
from tallystick.errors import BadRequest
from tallystick.server import app, intake, logs, protocol, render

from .gateway import served

LIMIT_S = 1.0


# ── bugs that the harnesses must catch ────────────────────────────────────────────────────────


def naive_json() -> None:
    """The standard parser as everybody calls it."""

    def parse(raw: bytes) -> Any:
        try:
            return json.loads(raw) if raw else None
        except json.JSONDecodeError:
            raise BadRequest from None

    app.parse = parse


def any_text() -> None:
    """NUL, lone surrogates and marks that turn text around go through."""
    body._UNWANTED = re.compile("(?!)")


def last_member_wins() -> None:
    """Duplicate members are read the way a dictionary does."""
    body._decoder.object_pairs_hook = dict
    body._decoder.scan_once = json.scanner.make_scanner(body._decoder)


def no_bound() -> None:
    """Bodies may be as large as they like."""
    intake.BODY_BYTES_MAX = 1 << 40


def patience() -> None:
    """A request that does not end is waited for."""
    protocol.BODY_S = protocol.HEAD_S = 3_600.0


def hoard() -> None:
    """Something of every request is kept for ever."""
    kept: list[bytes] = []
    of = intake.Headers.of

    def hoarding(sent: Any) -> intake.Headers:
        kept.append(bytes(128 * 1024))
        return of(sent)

    intake.Headers.of = hoarding  # type: ignore[method-assign,assignment]


def bare_errors() -> None:
    """Errors are not told in the envelope."""
    real = render.failure

    def bare(*args: Any) -> tuple[int, render.Headers, bytes]:
        status, headers, _ = real(*args)
        return status, headers, b'{"error": "no"}'

    render.failure = bare


def no_escape() -> None:
    """A query is split by hand; one that is not UTF-8 falls over."""
    real = app.Request.query

    def query(self: Any) -> Any:
        bytes.fromhex(self.query_string.decode().partition("%")[2][:2])
        return real(self)

    app.Request.query = query


BUGS = {
    each.__name__: each
    for each in (
        naive_json, any_text, last_member_wins, no_bound, patience, hoard, bare_errors, no_escape,
    )
}  # fmt: skip


def main() -> None:
    folder, database_url, *bug = sys.argv[1:]
    protocol.BODY_S = protocol.HEAD_S = LIMIT_S
    for name in bug:
        BUGS[name]()
    logs.configure("debug")
    with served(Path(folder), database_url) as running:
        print(running.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
