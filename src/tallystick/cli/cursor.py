"""Which events were handled, so that none is lost and none is handled twice.

GET /events is newest first and its pages move when something happens, so a position or a time would
skip. What is kept is the ids themselves, the last KEPT_MAX of them: an event that became visible
late (its transaction began earlier) still stands out, and so does one that came after a snapshot
was restored.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.cli.outcome import CommandFailed

if TYPE_CHECKING:
    from tallystick.sdk.public import Client, Event

KEPT_MAX = 1_000
# So many handled events are seen again below the newest one before the rest counts as handled.
OVERLAP = 200
PAGE = 200


class Handled:
    """The ids of the events that were handled, in memory. `whole` when no older one was."""

    def __init__(self, ids: Iterable[str] = (), *, whole: bool = True) -> None:
        self._ids = deque(ids)
        self._known = set(self._ids)
        self.whole = whole

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._known

    def ids(self) -> list[str]:
        """Oldest first."""
        return list(self._ids)

    def add(self, *event_ids: str) -> None:
        for event_id in event_ids:
            self._ids.append(event_id)
            self._known.add(event_id)
            if len(self._ids) > KEPT_MAX:
                self._known.discard(self._ids.popleft())
                self.whole = False


class Cursor(Handled):
    """The same in a file, written at once. Raises CommandFailed when the file is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        kept = _read(path)
        super().__init__(kept["handled"], whole=kept["whole"])
        self.fresh = not path.exists()

    def add(self, *event_ids: str) -> None:
        super().add(*event_ids)
        self.save()

    def save(self) -> None:
        """Atomically: a crash leaves the old file or the new one."""
        beside = self._path.with_suffix(".new")
        with _written(beside):
            handle = os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "w") as file:
                json.dump({"whole": self.whole, "handled": self.ids()}, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}") from None


def _read(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {"whole": True, "handled": []}
    try:
        kept = json.loads(path.read_text())
    except (ValueError, RecursionError):
        kept = None
    match kept:
        case {"whole": bool(), "handled": [*ids]} if all(isinstance(each, str) for each in ids):
            return dict(kept)
    raise CommandFailed(f"{path} is damaged: remove it to begin anew")


@contextlib.contextmanager
def held(folder: Path, *named_by: str, anew: bool = False) -> Iterator[Cursor]:
    """The cursor with this name, held by this process alone. Raises CommandFailed."""
    name = hashlib.sha256("\n".join(named_by).encode("utf-8", "replace")).hexdigest()[:24]
    path = folder / f"{name}.json"
    with _written(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        _lock(lock)
        if anew:
            path.unlink(missing_ok=True)
        yield Cursor(path)
    finally:
        os.close(lock)


def _lock(handle: int) -> None:
    """Until `handle` is closed, by whatever end of the process."""
    if os.name != "posix":
        return  # two at once would only forward twice
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CommandFailed("another `tallystick listen` forwards there already") from None


class Feed:
    """The events of an application that were not handled yet."""

    def __init__(self, client: Client, handled: Handled) -> None:
        self._client = client
        self._handled = handled
        self._seen: tuple[int, str | None] | None = None

    def begin_now(self) -> None:
        """Count everything that has happened as handled."""
        ids: list[str] = []
        for event in self._client.events.list(limit=PAGE):
            if len(ids) == KEPT_MAX:
                self._handled.whole = False
                break
            if event.id not in ids:
                ids.append(event.id)
        self._handled.add(*reversed(ids))

    def unseen(self) -> list[Event]:
        """Oldest first. Cheap as long as nothing happens: then only the newest is looked at."""
        newest = self._client.events.list(limit=1)
        seen = (newest.total, newest[0].id if newest else None)
        if seen == self._seen:
            return []
        found = self._read()
        # Whoever asked may fail to handle them: then they are unseen still.
        self._seen = None if found else seen
        return found

    def _read(self) -> list[Event]:
        listed: dict[str, Event] = {}
        known, lowest = 0, 0
        for page in self._client.events.list(limit=PAGE).pages():
            for event in page.items:
                # Pages move down while they are read: what was on the last one comes again.
                if event.id not in listed:
                    listed[event.id] = event
                    if event.id in self._handled:
                        known, lowest = known + 1, len(listed)
            if known >= OVERLAP:
                break
        events = list(listed.values())
        if known and not self._handled.whole:
            events = events[:lowest]  # what is older was handled, and its ids forgotten
        return [event for event in reversed(events) if event.id not in self._handled]
