"""What a process did to its files, and what may be left of it after a power cut.

What was written before a sync of the file that succeeded is there. What was written since may be
there, or not, or in parts, in any order: a disk keeps whole sectors and promises no more. The same
goes for names: a file that was made, renamed or deleted may be back where it was until the folder
was synced. After a sync that failed, later ones do not bring back what it lost: Linux takes such
pages for written.
"""

from __future__ import annotations

import mmap
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
_HEAD = struct.Struct("=IIQQ")


@dataclass(slots=True)
class Record:
    kind: str
    file: int
    offset: int
    bytes: bytes


def read(path: Path) -> Iterator[Record]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as tape:
        at = 0
        while at < len(tape):
            kind, number, offset, length = _HEAD.unpack_from(tape, at)
            at += _HEAD.size
            yield Record(chr(kind), number, offset, tape[at : at + length])
            at += length


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    cached: bytearray = field(default_factory=bytearray)
    unsynced: list[Record] = field(default_factory=list)


class Files:
    """The files of one folder, moved along the tape record by record."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        self._durable_names: dict[str, int] = {}
        self._unsynced_names: list[Record] = []
        self.position = 0

    def move(self, record: Record) -> None:
        self.position += 1
        if record.kind in "CURL":
            if record.kind == "C":
                self._files[record.file] = _File()
            _rename(self._names, record)
            self._unsynced_names.append(record)
        elif record.kind == "D":
            self._durable_names = dict(self._names)
            self._unsynced_names.clear()
        else:
            self._change(self._files[record.file], record)

    def _change(self, file: _File, record: Record) -> None:
        if record.kind in "WT":
            _apply(file.cached, record)
            file.unsynced.append(record)
            return
        for each in file.unsynced:
            if record.kind == "S" or self._rng.random() < 0.5:
                _apply(file.durable, each)
        file.unsynced.clear()

    @property
    def settled(self) -> bool:
        """Whether a cut at this moment leaves no doubt."""
        return not self._unsynced_names and not any(
            self._files[number].unsynced for number in self._names.values()
        )

    def as_they_are(self) -> dict[str, bytes]:
        """What a process finds that is started after this one died."""
        return {name: bytes(self._files[number].cached) for name, number in self._names.items()}

    def after_a_cut(self, rng: random.Random) -> dict[str, bytes]:
        names = dict(self._durable_names)
        for record in self._unsynced_names[: rng.randint(0, len(self._unsynced_names))]:
            _rename(names, record)
        return {name: _left(self._files[number], rng) for name, number in names.items()}


def _rename(names: dict[str, int], record: Record) -> None:
    first, _, second = record.bytes.decode().rstrip("\0").partition("\0")
    if record.kind == "C":
        names[first] = record.file
    elif record.kind == "U":
        names.pop(first, None)
    elif first in names:
        names[second] = names[first] if record.kind == "L" else names.pop(first)


def _apply(content: bytearray, record: Record) -> None:
    if record.kind == "T":
        del content[record.offset :]
        content.extend(bytes(record.offset - len(content)))
        return
    if len(content) < record.offset:
        content.extend(bytes(record.offset - len(content)))
    content[record.offset : record.offset + len(record.bytes)] = record.bytes


def _left(file: _File, rng: random.Random) -> bytes:
    """One of the many contents that the file may have."""
    content = bytearray(file.durable)
    unsynced = file.unsynced
    way = rng.choice(("nothing", "everything", "the first", "any", "sectors"))
    if way == "nothing":
        unsynced = []
    elif way == "the first" and unsynced:
        unsynced = unsynced[: rng.randint(0, len(unsynced))]
        unsynced = [*unsynced[:-1], *_sectors(unsynced[-1], rng)] if unsynced else []
    elif way == "any":
        unsynced = [each for each in unsynced if rng.random() < 0.5]
    elif way == "sectors":
        unsynced = [part for each in unsynced for part in _sectors(each, rng)]
    for each in unsynced:
        _apply(content, each)
    return bytes(content)


def _sectors(record: Record, rng: random.Random) -> Iterator[Record]:
    """The parts of a write that were made: a sector is old, new or, now and then, neither."""
    if record.kind == "T":
        if rng.random() < 0.5:
            yield record
        return
    start, end = record.offset, record.offset + len(record.bytes)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        part = record.bytes[start - record.offset : stop - record.offset]
        fate = rng.random()
        if fate < 0.05:
            part = rng.randbytes(len(part))
        if fate < 0.55:
            yield Record("W", record.file, start, part)
        start = stop
