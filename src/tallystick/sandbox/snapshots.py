"""Snapshots: a file each, in a folder of the sandbox's own, private to its owner."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from tallystick.clock import to_iso
from tallystick.sandbox.kit import Document
from tallystick.sandbox.reading import Json, Refused

SNAPSHOTS_MAX = 100
_SUFFIX = ".snapshot"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class Snapshot(msgspec.Struct, frozen=True):
    """What the gateway keeps, as the gateway packed it, what the simulators know, and the seeds
    that were drawn from by then. `saved_at` is the sandbox's clock, in milliseconds.
    """

    saved_at: int
    gateway: bytes
    documents: list[Document]
    seeds: list[int]


_decoder = msgspec.msgpack.Decoder(Snapshot)


class Snapshots:
    """The snapshots in a folder, by name. They outlive the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        return sorted(path.name.removesuffix(_SUFFIX) for path in self._files())

    def list_all(self) -> list[Json]:
        listed = []
        for name in self.names():
            path = self._path(name)
            shown = {"name": name, "bytes": path.stat().st_size}
            try:
                listed.append({**shown, "saved_at": to_iso(self.read(name).saved_at)})
            except Refused:
                listed.append({**shown, "saved_at": None})
        return listed

    def write(self, name: str, snapshot: Snapshot) -> None:
        """Keep a snapshot, in place of one with the same name. Raises Refused."""
        path = self._path(name)
        if not path.exists() and len(self.names()) >= SNAPSHOTS_MAX:
            raise Refused(f"there are {SNAPSHOTS_MAX} snapshots already", status=409)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(msgspec.msgpack.encode(snapshot))
        fresh.replace(path)

    def read(self, name: str) -> Snapshot:
        """Raises Refused when there is none with this name, or when it is damaged."""
        path = self._path(name)
        if not path.exists():
            raise Refused(f"there is no snapshot {name!r}", status=404)
        try:
            return _decoder.decode(path.read_bytes())
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Refused(f"the snapshot {name!r} is damaged", status=409) from None

    def delete(self, name: str) -> None:
        """Raises Refused when there is none with this name."""
        path = self._path(name)
        if not path.exists():
            raise Refused(f"there is no snapshot {name!r}", status=404)
        path.unlink()

    def _files(self) -> list[Path]:
        return list(self._folder.glob(f"*{_SUFFIX}"))

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise Refused("a name has 1 to 64 letters, digits, dots, dashes or underscores")
        return self._folder / f"{name}{_SUFFIX}"
