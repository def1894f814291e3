"""What every simulator stands on: a place for its state, the clock, ids, pages, notices.

A simulator is a program of its own that stands in for one partner. It imports this module and
`bank`, and nothing else of ours: not its partner's connector, whose reading of the partner's
documentation it must be free to contradict.

Its module has one function, named in the partner's manifest:

    def create(kit: Kit) -> Starlette

The host mounts what it returns at `kit.prefix` (`/_partners/{key}`). Each simulator also answers
`POST {prefix}/_control/complete`, which finishes a connect page without a browser. Where that gives
the integrator something to post, its answer has it as `proof`: the member of the body of POST
/customers/{id}/exchanges. A partner without sessions of ours needs no `handle` for it.
"""

from __future__ import annotations

import difflib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from starlette.requests import Request
from starlette.responses import HTMLResponse

from tallystick.clock import Clock
from tallystick.ids import Entropy

if TYPE_CHECKING:
    from jinja2 import Environment

ASSETS = Path(__file__).parent / "pages"
ASSETS_URL = "/_partners/_assets"

BODY_BYTES_MAX = 256 * 1024

# Connect pages are made to be framed by the integrator's page, so frame-ancestors is open; nothing
# else is: no inline script, no address but our own.
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Sends(Protocol):
    """How a simulator posts a notice (a partner webhook) to the address it was given."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> None: ...


class Shelf:
    """One simulator's documents, kept across restarts: `(kind, id) → JSON object`.

    Calls are synchronous and take microseconds; they happen on the event loop. Documents come back
    as fresh copies: change one and `put` it back.
    """

    def __init__(self, db: sqlite3.Connection, partner: str) -> None:
        self._db = db
        self._partner = partner

    @contextmanager
    def together(self) -> Iterator[None]:
        """All or nothing: what is put inside is kept only if the block ends without an error."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        row = self._db.execute(
            "SELECT body FROM document WHERE partner = ? AND kind = ? AND id = ?",
            (self._partner, kind, key),
        ).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        self._db.execute(
            "INSERT INTO document (partner, kind, id, body) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (partner, kind, id) DO UPDATE SET body = excluded.body",
            (self._partner, kind, key, json.dumps(document, separators=(",", ":"))),
        )

    def drop(self, kind: str, key: str) -> bool:
        """Forget a document; tells whether there was one."""
        done = self._db.execute(
            "DELETE FROM document WHERE partner = ? AND kind = ? AND id = ?",
            (self._partner, kind, key),
        )
        return done.rowcount > 0

    def all(self, kind: str, **equal: object) -> list[dict[str, Any]]:
        """Every document of a kind, oldest first, whose top-level members equal those given."""
        rows = self._db.execute(
            "SELECT body FROM document WHERE partner = ? AND kind = ? ORDER BY seq",
            (self._partner, kind),
        )
        found = (json.loads(body) for (body,) in rows)
        return [d for d in found if all(d.get(name) == value for name, value in equal.items())]

    def clear(self) -> None:
        self._db.execute("DELETE FROM document WHERE partner = ?", (self._partner,))


Document = tuple[str, str, str, str]


def strange_member(body: Mapping[str, Any], *known: str) -> str | None:
    """What to say of a member that nobody knows: a slip of the pen, which must not go unnoticed.

    For what is not the partner's own: there the partner says what it does with such members.
    """
    for name in body:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {close[0]}?" if close else f"there is {', '.join(known)}"
            return f"there is no member {name!r} ({meant})"
    return None


def all_documents(db: sqlite3.Connection) -> list[Document]:
    """Every document of every simulator, oldest first: partner, kind, id, body."""
    return db.execute("SELECT partner, kind, id, body FROM document ORDER BY seq").fetchall()


def replace_documents(db: sqlite3.Connection, documents: Iterable[Document]) -> None:
    """Let the simulators know exactly these documents, all or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute("DELETE FROM document")
        db.executemany(
            "INSERT INTO document (partner, kind, id, body) VALUES (?, ?, ?, ?)", documents
        )
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def open_shelves(path: str) -> sqlite3.Connection:
    """The database of the simulators' state; `path` may be `:memory:`.

    Losing the last moments of a simulator's state in a power cut harms nobody, hence NORMAL.
    """
    db = sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)
    db.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
        "CREATE TABLE IF NOT EXISTS document ("
        " seq INTEGER PRIMARY KEY AUTOINCREMENT, partner TEXT NOT NULL, kind TEXT NOT NULL,"
        " id TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (partner, kind, id));"
    )
    return db


def count_start(db: sqlite3.Connection) -> int:
    """How often a process was started on these shelves before; counts this start."""
    (before,) = db.execute("PRAGMA user_version").fetchone()
    db.execute(f"PRAGMA user_version = {before + 1}")
    return int(before)


@dataclass(frozen=True)
class Kit:
    """All that the sandbox lends a simulator.

    - `prefix`: the path it is mounted at, `/_partners/plaid`.
    - `shelf`: its documents. `clock`, `entropy`: the only sources of time and randomness.
    - `credentials`: the client id and secret it accepts (`sandbox` / `sandbox` by default).
    - `send`: posts a notice to an address, later and without waiting for the answer.
    """

    partner: str
    prefix: str
    shelf: Shelf
    clock: Clock
    entropy: Entropy
    send: Sends
    credentials: tuple[str, str] = ("sandbox", "sandbox")

    def base_url(self, request: Request) -> str:
        """This simulator's own address as the caller sees it, without a trailing slash."""
        return f"{request.url.scheme}://{request.url.netloc}{self.prefix}"

    def page(self, folder: Path, name: str, status: int = 200, **values: object) -> HTMLResponse:
        """Render `folder/name`, which may extend the sandbox's `base.html`.

        Templates escape everything; `assets` is the address of the shared style sheet's folder and
        `prefix` that of the simulator.
        """
        html = (
            _templates(folder)
            .get_template(name)
            .render(assets=ASSETS_URL, prefix=self.prefix, **values)
        )
        return HTMLResponse(html, status, headers=_PAGE_HEADERS)


_environments: dict[Path, Environment] = {}


def _templates(folder: Path) -> Environment:
    if folder not in _environments:
        # A seventh of what a server imports; it is loaded with the first page.
        from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

        loader = ChoiceLoader([FileSystemLoader(folder), FileSystemLoader(ASSETS)])
        _environments[folder] = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
    return _environments[folder]


async def read_json(request: Request) -> Any:
    """The request's JSON body, or None when it is empty.

    Raises ValueError when it is not JSON, and when it could be neither kept nor shown again: with
    NaN or half characters.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise ValueError("the body is too large")
    try:
        read = json.loads(body) if body else None
        json.dumps(read, allow_nan=False, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("the body is nested too deep") from None
    return read
